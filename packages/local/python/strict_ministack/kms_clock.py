"""The local KMS's own clock, which tests may move ahead, and what KMS does by itself when time has passed.

Simulated time, and of KMS only: deletion windows, expiry of imported material and of import tokens, and the dates that
KMS writes. Sessions, queues, tables and everything else keep the machine's time.
`POST /_strict/clock` with `{"advanceSeconds": n}` moves it, for good; `GET /_strict/clock` tells how far ahead it is.
With `{"olderSeconds": n, "keyArn": …}` one key was made that much earlier than it was.
"""

import time
import types

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import kms

from .kms_events import tell
from .patching import wrap

PATH = "/_strict/clock"
MATERIAL = ("_symmetric_key", "_hmac_key", "_private_key", "_public_key_der")

_ahead_seconds = 0.0


def now():
    """Seconds since the epoch, as KMS sees it."""
    return time.time() + _ahead_seconds


# Every date and deadline of ministack's KMS comes from here.
if kms.time is not time:
    raise SystemExit("strict_ministack doesn't fit this ministack: its KMS takes the time from elsewhere.")
kms.time = types.SimpleNamespace(time=now)


def control(method, request):
    """Answers for PATH: (HTTP status, JSON document)."""
    global _ahead_seconds
    if method == "POST" and "keyArn" in request:
        return _make_older(request)
    if method == "POST":
        seconds = request.get("advanceSeconds")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
            return 400, {"message": "advanceSeconds must be a number, 0 or more: KMS's time doesn't go back"}
        _ahead_seconds += seconds
        settle_all()
    return 200, {"aheadSeconds": _ahead_seconds}


def _make_older(request):
    record = next((one for one in kms._keys._data.values() if one["Arn"] == request["keyArn"]), None)
    if record is None:
        return 400, {"message": f"there is no key {request['keyArn']}"}
    record["CreationDate"] -= request["olderSeconds"]
    return 200, {"aheadSeconds": _ahead_seconds}


@wrap(kms, "_resolve_key")
def resolve_key(original, key_id_or_arn):
    """KMS, "Deleting AWS KMS keys" and "Importing key material": what is due has happened before anybody looks."""
    record = original(key_id_or_arn)
    if record is None:
        return None
    settle(record)
    return original(key_id_or_arn)


@wrap(kms, "_list_keys")
def list_keys(original, data):
    """See `resolve_key`."""
    settle_all()
    return original(data)


@wrap(kms, "_list_aliases")
def list_aliases(original, data):
    """See `resolve_key`."""
    settle_all()
    return original(data)


def settle_all():
    for (account, region, _), record in list(kms._keys._data.items()):
        with request_scope(account, region):
            settle(record)


def settle(record):
    """Carries out what is due for a key and the keys related to it: replicas first, since a primary waits for them."""
    members = list(kms._mrk_members(record)) if record.get("MultiRegion") else [(get_region(), record)]
    for region, member in sorted(members, key=lambda one: one[1].get("_mrk_type") == "PRIMARY"):
        with request_scope(get_account_id(), region):
            if member.get("ValidTo") is not None and member["ValidTo"] <= now():
                lose_material(member)
                tell("KMS Imported Key Material Expiration", member)
            if member.get("DeletionDate") is not None and member["DeletionDate"] <= now():
                _delete_key(member)


def lose_material(record):
    """KMS, "Importing key material", expiration: the key is PendingImport until the same material comes again."""
    for field in (*MATERIAL, "ValidTo", "ExpirationModel"):
        record.pop(field, None)
    record["Enabled"] = False
    # A key that is pending deletion stays so (KMS, "Key states of AWS KMS keys").
    if record["KeyState"] in ("Enabled", "Disabled"):
        record["KeyState"] = "PendingImport"


def _delete_key(record):
    """KMS, "Deleting AWS KMS keys": the key, its aliases, grants and policy are gone, and nothing brings them back."""
    kms._keys.pop(record["KeyId"], None)
    tell("KMS CMK Deletion", record)
    for alias in [alias for alias, target in kms._aliases.items() if target == record["KeyId"]]:
        kms._aliases.pop(alias, None)
        kms._alias_dates.pop(alias, None)
    for grant in [grant for grant, entry in kms._grants.items() if entry["KeyId"] == record["Arn"]]:
        kms._grants.pop(grant, None)
    if record.get("MultiRegion"):
        _leave_family(record)


def _leave_family(record):
    """KMS, "Deleting multi-Region keys": a waiting primary's own window starts when its last replica is gone."""
    left = [region for region in record.get("_mrk_regions") or [] if region != get_region()]
    record["_mrk_regions"] = left
    for _, member in list(kms._mrk_members(record)):
        member["_mrk_regions"] = left
        if member["KeyState"] == "PendingReplicaDeletion" and len(left) == 1:
            member["KeyState"] = "PendingDeletion"
            member["DeletionDate"] = record["DeletionDate"] + member["_pending_window_days"] * 86_400
