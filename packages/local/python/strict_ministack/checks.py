"""One request may need several permissions: the further checks that other rules ask for, and who is asking."""

import contextvars

import ministack.core.iam_evaluator as evaluator

from . import calls
from .patching import wrap

# The name, among a request's condition keys, of the list of further (action, resource ARN, condition keys) to check.
ALSO = "strict-ministack:also"

# (access key, region) of the request being served: handlers get its body only.
_caller = contextvars.ContextVar("strict_ministack_caller", default=("", ""))


@wrap(evaluator, "enforce")
def enforce(original, access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
    """Every permission an operation needs must be there, not only the one it is named after.

    KMS, "AWS KMS permissions": CreateAlias needs kms:CreateAlias on the alias and on the key, CreateKey with Tags needs
    kms:TagResource. S3, "Using server-side encryption with AWS KMS keys": S3 uses the key in the caller's name.
    """
    _caller.set((access_key_id, region))
    keys = dict(service_context or {})
    also = keys.pop(ALSO, [])
    denied = original(access_key_id, iam_action, service, region, resource_arn, keys)
    for action, arn, action_keys in also:
        if denied is not None:
            break
        denied = original(access_key_id, action, action.split(":")[0], region, arn, action_keys)
    return denied


def caller_may(action, resource_arn, keys):
    """Whether the caller of the request being served has another permission, which it doesn't use now. Root always has."""
    access_key_id, region = _caller.get()
    with calls.uncounted():
        return evaluator.enforce(access_key_id, action, action.split(":")[0], region, resource_arn, keys) is None


def caller_access_key():
    """The access key that the request being served was signed with; empty where a service asks by itself."""
    return _caller.get()[0]
