"""Rotations of KMS keys that have happened: RotateKeyOnDemand and ListKeyRotations, which ministack lacks."""

import json

from ministack.core.responses import error_response_json, json_response
from ministack.services import kms

from .kms_clock import now
from .kms_events import tell
from .patching import wrap

SECONDS_PER_DAY = 86_400
# KMS, RotateKeyOnDemand: "You can perform on-demand rotation of a KMS key up to 25 times."
ON_DEMAND_MAX = 25
PAGE_DEFAULT = 100
INVALID_STATE, DISABLED, UNSUPPORTED = "KMSInvalidStateException", "DisabledException", "UnsupportedOperationException"


@wrap(kms, "handle_request")
async def handle_request(original, method, path, headers, body, query_params):
    """See the two below."""
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    handler = {"RotateKeyOnDemand": _rotate_key_on_demand, "ListKeyRotations": _list_key_rotations}.get(operation)
    if handler is None:
        return await original(method, path, headers, body, query_params)
    data = json.loads(body or b"{}")
    record = kms._resolve_key(data.get("KeyId", ""))
    if record is None:
        return error_response_json("NotFoundException", f"Key {data.get('KeyId')} not found", 400)
    if record["KeySpec"] != "SYMMETRIC_DEFAULT":
        return error_response_json(UNSUPPORTED, f"{record['Arn']} can't be rotated.", 400)
    return handler(record, data)


def _rotate_key_on_demand(record, _data):
    """KMS, RotateKeyOnDemand: for enabled symmetric keys whose material KMS made. Here it is done at once."""
    if record["Origin"] != "AWS_KMS":
        return error_response_json(UNSUPPORTED, f"{record['Arn']} has imported material.", 400)
    if record["KeyState"] != "Enabled":
        code = DISABLED if record["KeyState"] == "Disabled" else INVALID_STATE
        return error_response_json(code, f"{record['Arn']} is {record['KeyState']}.", 400)
    done = [one for one in _rotations(record) if one["RotationType"] == "ON_DEMAND"]
    if len(done) >= ON_DEMAND_MAX:
        return error_response_json("LimitExceededException", f"{record['Arn']} was rotated {len(done)} times.", 400)
    _rotated(record, int(now()), "ON_DEMAND")
    return json_response({"KeyId": record["KeyId"]})


def _list_key_rotations(record, data):
    """KMS, ListKeyRotations: the completed ones, oldest first."""
    rotate_if_due(record)
    start, limit = int(data.get("Marker") or 0), data.get("Limit", PAGE_DEFAULT)
    rotations = sorted(_rotations(record), key=lambda one: one["RotationDate"])
    answer = {"Rotations": rotations[start : start + limit], "Truncated": start + limit < len(rotations)}
    return json_response({**answer, "NextMarker": str(start + limit)} if answer["Truncated"] else answer)


def rotate_if_due(record):
    """KMS, "Rotating AWS KMS keys": each rotation starts the next period; only an enabled key is rotated.

    Only the dates move on: ministack has one material for a key, and every ciphertext of it stays readable, as on AWS.
    """
    while record.get("KeyRotationEnabled") and record["KeyState"] == "Enabled" and record["_next_rotation"] <= now():
        _rotated(record, record["_next_rotation"], "AUTOMATIC")
        record["_next_rotation"] += record["RotationPeriodInDays"] * SECONDS_PER_DAY


def _rotated(record, at, kind):
    _rotations(record).append({"KeyId": record["KeyId"], "RotationDate": at, "RotationType": kind})
    tell("KMS CMK Rotation", record, **{"key-origin": record["Origin"], "rotation-type": kind})


def _rotations(record):
    return record.setdefault("_rotations", [])
