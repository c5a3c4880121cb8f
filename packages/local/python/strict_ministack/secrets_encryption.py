"""Secrets encrypted with a KMS key: Secrets Manager uses the key in the caller's name, and the key's state counts."""

import contextvars

from ministack.core import iam_actions
from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import kms
from ministack.services import secretsmanager

from .checks import ALSO
from .kms_conditions import _json, _of_encryption_context
from .patching import wrap

READS, WRITES = ("GetSecretValue",), ("CreateSecret", "PutSecretValue", "UpdateSecret")

# The keys that the request being served uses.
_keys_used = contextvars.ContextVar("strict_ministack_secret_keys", default=())


@wrap(iam_actions, "request_tag_context")
def request_tag_context(original, service, iam_action, body, params):
    """Secrets Manager, "Secret encryption and decryption".

    Reading a value needs kms:Decrypt of the caller, and writing one kms:GenerateDataKey and kms:Decrypt, with
    kms:ViaService naming Secrets Manager; the encryption context is the secret's ARN and the version's id. The version of
    a value that is being written has no id yet, so its pair is left out.
    """
    keys = dict(original(service, iam_action, body, params) or {})
    if service != "secretsmanager":
        return keys
    uses = _uses(iam_action.partition(":")[2], _json(body))
    _keys_used.set(tuple(key for _, key, _ in uses))
    if uses:
        keys[ALSO] = [*keys.get(ALSO, []), *((action, _arn(key), _kms_keys(context)) for action, key, context in uses)]
    return keys


@wrap(secretsmanager, "handle_request")
async def handle_request(original, method, path, headers, body, query_params, *args, **named):
    """Secrets Manager, GetSecretValue and PutSecretValue, "Errors": what KMS refuses is an error of its own."""
    used = _keys_used.get()
    _keys_used.set(())
    for key in used:
        record = kms._resolve_key(key)
        if record is None or kms._check_key_state(record):
            reading = headers.get("x-amz-target", "").endswith(READS)
            why = "KMS key not found" if record is None else "the KMS key can't be used in its state"
            return error_response_json("DecryptionFailure" if reading else "EncryptionFailure", why, 400)
    return await original(method, path, headers, body, query_params, *args, **named)


def _uses(operation, data):
    """(permission, key, encryption context) for each use of a key."""
    if operation not in (*READS, *WRITES):
        return []
    _, secret = secretsmanager._resolve(data.get("SecretId") or data.get("Name") or "")
    secret = secret or {}
    key = data.get("KmsKeyId") or secret.get("KmsKeyId")
    writes = operation in WRITES and (data.get("SecretString") is not None or data.get("SecretBinary") is not None)
    rewrites = operation == "UpdateSecret" and data.get("KmsKeyId")
    context = {"SecretARN": secret["ARN"]} if secret else {}
    if operation in READS:
        version = data.get("VersionId") or _version_of_stage(secret, data.get("VersionStage") or "AWSCURRENT")
        return [("kms:Decrypt", key, {**context, "SecretVersionId": version or ""})] if key else []
    uses = [(action, key, context) for action in ("kms:GenerateDataKey", "kms:Decrypt")] if key and (writes or rewrites) else []
    if rewrites and secret.get("KmsKeyId"):
        uses.append(("kms:Decrypt", secret["KmsKeyId"], context))
    return uses


def _version_of_stage(secret, stage):
    versions = (secret.get("Versions") or {}).items()
    return next((name for name, version in versions if stage in version["Stages"]), None)


def _kms_keys(context):
    via = {"kms:ViaService": f"secretsmanager.{get_region()}.amazonaws.com", "aws:ViaAWSService": "true"}
    return {**via, "kms:CallerAccount": get_account_id(), **_of_encryption_context(context)}


def _arn(key):
    record = kms._resolve_key(key)
    return record["Arn"] if record else key
