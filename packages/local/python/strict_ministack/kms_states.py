"""KMS operations that a key's state, or a parameter's value, rules out."""

import base64
import json
import re

from ministack.services import kms
from ministack.core.responses import error_response_json, json_response

from .kms_clock import now
from .kms_rotations import rotate_if_due
from .patching import wrap

INVALID_STATE, DISABLED, UNSUPPORTED = "KMSInvalidStateException", "DisabledException", "UnsupportedOperationException"
PENDING = {"PendingDeletion": INVALID_STATE, "PendingReplicaDeletion": INVALID_STATE}
ROTATION = {**PENDING, "Disabled": DISABLED, "PendingImport": UNSUPPORTED}
# KMS, "Key states of AWS KMS keys": the state, and what each operation answers in it.
REFUSED_STATES = {
    "_enable_key_rotation": ROTATION,
    "_disable_key_rotation": ROTATION,
    "_schedule_key_deletion": PENDING,
    "_cancel_key_deletion": {"Enabled": INVALID_STATE, "Disabled": INVALID_STATE, "PendingImport": INVALID_STATE},
    "_enable_key": {**PENDING, "PendingImport": INVALID_STATE},
    "_disable_key": {**PENDING, "PendingImport": INVALID_STATE},
    "_create_alias": PENDING,
    "_update_alias": PENDING,
    "_tag_resource": PENDING,
    "_untag_resource": PENDING,
    "_update_key_description": PENDING,
    "_create_grant": {**PENDING, "Disabled": DISABLED, "PendingImport": INVALID_STATE},
    "_get_parameters_for_import": PENDING,
    "_import_key_material": PENDING,
    "_delete_imported_key_material": PENDING,
    "_replicate_key": {**PENDING, "Disabled": DISABLED, "PendingImport": INVALID_STATE},
}
# KMS, EnableKeyRotation, parameter RotationPeriodInDays.
ROTATION_PERIOD_DAYS_MIN, ROTATION_PERIOD_DAYS_MAX = 90, 2560
SECONDS_PER_DAY = 86_400
# A key's id: a UUID, or that of a multi-Region key.
KEY_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}")
# KMS, "Testing your permissions": with DryRun these never succeed, they only say whether they would.
DRY_RUN_OPERATIONS = {
    "Encrypt",
    "Decrypt",
    "ReEncrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
}


def _refuse_states(name, refused):
    @wrap(kms, name)
    def rule(original, data):
        record = kms._resolve_key(data.get("TargetKeyId") or data.get("KeyId") or "")
        state = record["KeyState"] if record else None
        if state in refused:
            return error_response_json(refused[state], f"{record['Arn']} is {state}.", 400)
        return original(data)


for _name, _refused in REFUSED_STATES.items():
    _refuse_states(_name, _refused)


@wrap(kms, "_check_key_state")
def check_key_state(original, rec):
    """KMS, "Key states of AWS KMS keys": a primary that waits for its replicas' deletion can't be used either."""
    if rec["KeyState"] == "PendingReplicaDeletion":
        return error_response_json(INVALID_STATE, f"{rec['Arn']} is pending replica deletion.", 400)
    return original(rec)


@wrap(kms, "_enable_key_rotation")
def enable_key_rotation(original, data):
    """KMS, EnableKeyRotation: 90 to 2560 days, default 365, for symmetric keys whose material KMS made."""
    days = data.get("RotationPeriodInDays", 365)
    if not isinstance(days, int) or not ROTATION_PERIOD_DAYS_MIN <= days <= ROTATION_PERIOD_DAYS_MAX:
        message = (
            f"1 validation error detected: Value '{days}' at 'rotationPeriodInDays' failed to satisfy constraint: "
            f"Member must have value between {ROTATION_PERIOD_DAYS_MIN} and {ROTATION_PERIOD_DAYS_MAX}"
        )
        return error_response_json("ValidationException", message, 400)
    record = kms._resolve_key(data.get("KeyId", ""))
    if record and (record["Origin"] != "AWS_KMS" or record["KeySpec"] != "SYMMETRIC_DEFAULT"):
        return error_response_json(UNSUPPORTED, f"{record['Arn']} can't be rotated automatically.", 400)
    answer = original(data)
    if record and answer[0] == 200:
        record["_next_rotation"] = int(now()) + days * SECONDS_PER_DAY
    return answer


@wrap(kms, "_get_key_rotation_status")
def get_key_rotation_status(original, data):
    """KMS, GetKeyRotationStatus: false while deletion is pending; period and next date only when rotation is on."""
    answer = original(data)
    record = kms._resolve_key(data.get("KeyId", ""))
    if answer[0] != 200 or record is None:
        return answer
    if record["KeyState"] == "PendingImport":
        return error_response_json(UNSUPPORTED, f"{record['Arn']} is pending import.", 400)
    status = {"KeyId": record["Arn"], "KeyRotationEnabled": False}
    if record.get("KeyRotationEnabled") and record["KeyState"] not in PENDING:
        rotate_if_due(record)
        status["KeyRotationEnabled"] = True
        status["RotationPeriodInDays"] = record["RotationPeriodInDays"]
        status["NextRotationDate"] = record["_next_rotation"]
    return json_response(status)


@wrap(kms, "_create_key")
def create_key(original, data):
    """KMS, CreateKey, parameter CustomKeyStoreId: there is no custom key store here, so none is found."""
    if data.get("CustomKeyStoreId"):
        message = f"Custom key store {data['CustomKeyStoreId']} does not exist."
        return error_response_json("CustomKeyStoreNotFoundException", message, 400)
    return original(data)


@wrap(kms, "_create_alias")
def create_alias(original, data):
    """KMS, CreateAlias: the prefix alias/aws/ is reserved for AWS managed keys."""
    if str(data.get("AliasName")).startswith("alias/aws/"):
        return error_response_json("InvalidAliasNameException", "The prefix alias/aws/ is reserved for AWS.", 400)
    return original(data)


@wrap(kms, "_decrypt")
def decrypt(original, data):
    """KMS, Decrypt, parameter KeyId: another key than the ciphertext's is IncorrectKeyException, not other bytes.

    Without KeyId the ciphertext names the key; of one that is gone KMS doesn't tell whether it ever was.
    """
    record = kms._resolve_key(data.get("KeyId") or "")
    named = base64.b64decode(data.get("CiphertextBlob") or "")[:36].decode("utf-8", errors="ignore")
    written_by = named if KEY_ID.fullmatch(named) else None
    if record and "_symmetric_key" in record and written_by != record["KeyId"]:
        code = "InvalidCiphertextException" if written_by is None else "IncorrectKeyException"
        return error_response_json(code, "The key ID in the request does not identify this key.", 400)
    if not data.get("KeyId") and written_by and kms._resolve_key(written_by) is None:
        message = (
            "The ciphertext refers to a customer master key that does not exist, does not exist in this region, "
            "or you are not allowed to access."
        )
        return error_response_json("AccessDeniedException", message, 400)
    return original(data)


@wrap(kms, "handle_request")
async def handle_request(original, method, path, headers, body, query_params):
    """KMS, ReEncrypt, which ministack lacks; and "Testing your permissions": DryRun never returns a result."""
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    if operation == "ReEncrypt":
        answer = _re_encrypt(json.loads(body or b"{}"))
    else:
        answer = await original(method, path, headers, body, query_params)
    dry_run = b'"DryRun"' in (body or b"") and json.loads(body).get("DryRun") is True
    return kms._dry_run_error(operation) if dry_run and operation in DRY_RUN_OPERATIONS and answer[0] == 200 else answer


def _re_encrypt(data):
    source = {
        "CiphertextBlob": data.get("CiphertextBlob"),
        "EncryptionContext": data.get("SourceEncryptionContext", {}),
    }
    decrypted = kms._decrypt({**source, "KeyId": data.get("SourceKeyId", "")})
    if decrypted[0] != 200:
        return decrypted
    plain = json.loads(decrypted[2])
    target = {"KeyId": data.get("DestinationKeyId"), "EncryptionContext": data.get("DestinationEncryptionContext", {})}
    encrypted = kms._encrypt({**target, "Plaintext": plain["Plaintext"]})
    if encrypted[0] != 200:
        return encrypted
    algorithms = {
        "SourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "DestinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }
    done = json.loads(encrypted[2])
    return json_response(
        {**algorithms, "SourceKeyId": plain["KeyId"], "KeyId": done["KeyId"], "CiphertextBlob": done["CiphertextBlob"]}
    )
