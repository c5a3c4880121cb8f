"""What a KMS request is checked against: which ARN, which further permissions, and the kms: condition keys."""

import json

from ministack.core import iam_actions
from ministack.services import kms
from ministack.core.responses import get_account_id, get_region

from .checks import ALSO
from .kms_grants import GRANT, named_grant
from .patching import wrap

# KMS, "AWS KMS permissions": these have no key to check, so IAM policies alone allow them, on "*".
WITHOUT_KEY = {"CreateKey", "ListKeys", "ListAliases", "ListRetirableGrants", "GenerateRandom"}
ALIAS_ACTIONS = {"CreateAlias", "UpdateAlias", "DeleteAlias"}
CIPHERTEXT_KEY_ID_LENGTH = 36


@wrap(iam_actions, "extract_iam_action")
def extract_iam_action(original, service, method, path, headers, body, query_params):
    """KMS, ReEncrypt: its permissions are kms:ReEncryptFrom on the old key and kms:ReEncryptTo on the new one."""
    action = original(service, method, path, headers, body, query_params)
    return "kms:ReEncryptFrom" if action == "kms:ReEncrypt" else action


@wrap(iam_actions, "extract_resource_arn")
def extract_resource_arn(original, service, method, path, headers, body, query_params, region, account_id):
    """KMS, "Using aliases to control access": a key is authorised by its own ARN, even where an alias names it.

    Only CreateAlias, UpdateAlias and DeleteAlias are checked on the alias. Where the request names no key, it is the
    one that the ciphertext names, or the key of the grant that is retired.
    """
    if service != "kms":
        return original(service, method, path, headers, body, query_params, region, account_id)
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    data = _json(body)
    if operation in WITHOUT_KEY:
        return "*"
    if operation in ALIAS_ACTIONS:
        return f"arn:aws:kms:{region}:{account_id}:{data.get('AliasName', '')}"
    if operation == "ReEncrypt" and data.get("SourceKeyId"):
        return _key_arn(data["SourceKeyId"])
    if operation == "RetireGrant":
        return (named_grant(data) or {}).get("KeyId") or _key_arn(data.get("KeyId") or "")
    if not data.get("KeyId") and data.get("CiphertextBlob"):
        return _key_arn(_key_id_of_ciphertext(data["CiphertextBlob"]))
    return _key_arn(original(service, method, path, headers, body, query_params, region, account_id))


@wrap(kms, "key_policy_for_arn")
def key_policy_for_arn(original, resource_arn):
    """KMS, "Controlling access to aliases": aliases have no policy of their own, IAM policies decide."""
    return None if ":alias/" in resource_arn else original(resource_arn)


@wrap(iam_actions, "request_tag_context")
def request_tag_context(original, service, iam_action, body, params):
    """KMS, "AWS KMS condition keys". kms:ViaService is left out: the caller isn't a service (S3 has its own rule)."""
    keys = dict(original(service, iam_action, body, params) or {})
    if service != "kms":
        return keys
    data, operation = _json(body), iam_action.partition(":")[2]
    keys |= {"kms:CallerAccount": get_account_id()}
    keys |= _of_key(data, operation)
    keys |= _of_encryption_context(data.get("EncryptionContext") or data.get("SourceEncryptionContext"))
    keys |= _of_operation(data, operation)
    keys[ALSO] = _further_permissions(data, operation, keys)
    return keys


def _of_key(data, operation):
    record = data if operation == "CreateKey" else kms._resolve_key(data.get("KeyId") or data.get("TargetKeyId") or "")
    keys = {}
    if record is not None:
        keys["kms:KeySpec"] = record.get("KeySpec", "SYMMETRIC_DEFAULT")
        keys["kms:KeyUsage"] = record.get("KeyUsage", "ENCRYPT_DECRYPT")
        keys["kms:KeyOrigin"] = record.get("Origin", "AWS_KMS")
        keys["kms:MultiRegion"] = str(bool(record.get("MultiRegion"))).lower()
    named = str(data.get("KeyId") or "")
    if "alias/" in named:
        keys["kms:RequestAlias"] = named[named.index("alias/") :]
    return keys


def _of_encryption_context(context):
    """The name of a context key is compared without regard to case; two that differ by case only match nothing."""
    keys = {}
    for name, value in (context or {}).items():
        key = f"kms:EncryptionContext:{name}".lower()
        keys[key] = value if key not in keys else [keys[key], value]
    if context:
        keys["kms:EncryptionContextKeys"] = list(context)
    return keys


def _of_operation(data, operation):
    if operation == "CreateGrant":
        constraints = data.get("Constraints") or {}
        keys = {"kms:GrantIsForAWSResource": "false", "kms:GranteePrincipal": data.get("GranteePrincipal")}
        keys["kms:GrantOperations"] = data.get("Operations") or []
        keys |= {"kms:RetiringPrincipal": data["RetiringPrincipal"]} if data.get("RetiringPrincipal") else {}
        keys |= {"kms:GrantConstraintType": next(iter(constraints))} if constraints else {}
        return keys | _of_encryption_context(next(iter(constraints.values()), None))
    if operation == "RetireGrant":
        return {GRANT: (named_grant(data) or {}).get("GrantId")}
    if operation == "ScheduleKeyDeletion":
        return {"kms:ScheduleKeyDeletionPendingWindowInDays": data.get("PendingWindowInDays", 30)}
    if operation == "EnableKeyRotation":
        return {"kms:RotationPeriodInDays": data.get("RotationPeriodInDays", 365)}
    if operation in ("CreateKey", "PutKeyPolicy", "ReplicateKey"):
        bypass = data.get("BypassPolicyLockoutSafetyCheck", False)
        return {"kms:BypassPolicyLockoutSafetyCheck": str(bool(bypass)).lower()}
    if operation in ("Encrypt", "Decrypt", "ReEncryptFrom"):
        return {"kms:EncryptionAlgorithm": data.get("EncryptionAlgorithm", "SYMMETRIC_DEFAULT")}
    return {}


def _further_permissions(data, operation, keys):
    """KMS, "AWS KMS permissions" and "Creating keys", "Controlling access to aliases", ReEncrypt."""
    if operation == "CreateKey" and data.get("Tags"):
        return [("kms:TagResource", f"arn:aws:kms:{get_region()}:{get_account_id()}:key/*", keys)]
    if operation in ALIAS_ACTIONS:
        alias = kms._resolve_key(data.get("AliasName") or "") if operation != "CreateAlias" else None
        target = kms._resolve_key(data.get("TargetKeyId") or "")
        return [(f"kms:{operation}", record["Arn"], keys) for record in (alias, target) if record]
    if operation == "ReEncryptFrom":
        to = {name: value for name, value in keys.items() if not name.lower().startswith("kms:encryptioncontext")}
        to |= _of_encryption_context(data.get("DestinationEncryptionContext"))
        return [("kms:ReEncryptTo", _key_arn(data.get("DestinationKeyId") or ""), to)]
    return []


def _key_arn(named):
    """The ARN of the key that an id, an ARN or an alias names; what doesn't exist stays as it was named."""
    record = kms._resolve_key(named)
    return record["Arn"] if record else named or "*"


def _key_id_of_ciphertext(blob):
    return kms.base64.b64decode(blob)[:CIPHERTEXT_KEY_ID_LENGTH].decode("utf-8", errors="ignore")


def _json(body):
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
