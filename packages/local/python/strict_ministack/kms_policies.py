"""Key policies that KMS refuses to store."""

import contextvars
import json

from ministack.services import kms
from ministack.core.responses import error_response_json, get_account_id

from .checks import caller_may
from .patching import wrap
from .principals import as_list, unknown_principal

# KMS, "Resource quotas": key policy document size.
POLICY_BYTES_MAX = 32_768

# The policy that a request wants to store, while the caller's rights under it are tried.
_proposed = contextvars.ContextVar("strict_ministack_proposed_policy", default=None)


@wrap(kms, "key_policy_for_arn")
def key_policy_for_arn(original, resource_arn):
    """Answers with the proposed policy while the lockout check runs."""
    return (_proposed.get(), get_account_id()) if _proposed.get() is not None else original(resource_arn)


@wrap(kms, "_create_key")
def create_key(original, data):
    """See `refused_policy`."""
    return (refused_policy(data, "*") if "Policy" in data else None) or original(data)


@wrap(kms, "_replicate_key")
def replicate_key(original, data):
    """See `refused_policy`."""
    return (refused_policy(data, "*") if "Policy" in data else None) or original(data)


@wrap(kms, "_put_key_policy")
def put_key_policy(original, data):
    """See `refused_policy`."""
    record = kms._resolve_key(data.get("KeyId", ""))
    return (refused_policy(data, record["Arn"]) if record else None) or original(data)


def refused_policy(data, key_arn):
    """KMS, CreateKey and PutKeyPolicy, parameters Policy and BypassPolicyLockoutSafetyCheck.

    A policy must be JSON, name principals that KMS can see ("The principals that are specified in the key policy must
    exist and be visible to AWS KMS"), and let the caller call PutKeyPolicy again unless the request says otherwise.
    """
    document = data.get("Policy")
    if len(str(document).encode()) > POLICY_BYTES_MAX:
        return error_response_json("LimitExceededException", f"A key policy has {POLICY_BYTES_MAX} bytes at most.", 400)
    try:
        statements = as_list(json.loads(document)["Statement"])
        sound = bool(statements) and all(statement["Effect"] in ("Allow", "Deny") for statement in statements)
    except (ValueError, KeyError, TypeError):
        sound = False
    if not sound:
        return _malformed("The new key policy is not a valid policy document.")
    if any(unknown_principal(statement) is not None for statement in statements):
        return _malformed("Policy contains a statement with one or more invalid principals.")
    if not data.get("BypassPolicyLockoutSafetyCheck") and not _may_put_policy_again(document, key_arn):
        return _malformed("The new key policy will not allow you to update the key policy in the future.")
    return None


def _may_put_policy_again(document, key_arn):
    token = _proposed.set(document)
    try:
        # A key that doesn't exist yet has no ARN: any stands for it, since a key policy's Resource is "*".
        arn = kms._arn("00000000-0000-0000-0000-000000000000") if key_arn == "*" else key_arn
        return caller_may("kms:PutKeyPolicy", arn, {"kms:CallerAccount": get_account_id()})
    finally:
        _proposed.reset(token)


def _malformed(message):
    return error_response_json("MalformedPolicyDocumentException", message, 400)
