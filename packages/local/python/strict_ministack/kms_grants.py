"""What a KMS grant allows: its grantee uses the key past the key's policy, and the grant says who retires it.

Only within the account of key and grantee, where a grant needs no permission in IAM. A grant that holds CreateGrant
authorises no further grant here: AWS allows only such as are no wider, which ministack doesn't compare.
"""

import ministack.core.iam_evaluator as evaluator
from ministack.services import kms

from .patching import wrap
from .principals import role_arn_of_session

# The name, among a request's condition keys, of the grant that RetireGrant names.
GRANT = "strict-ministack:grant"
CONTEXT = "kms:encryptioncontext:"

# Decided by other rules than that the grant holds the operation.
NOT_BY_OPERATION = {"CreateGrant", "RetireGrant"}


@wrap(evaluator, "combine_resource_policy")
def combine_resource_policy(original, identity, ctx, policy, owner_account, required=False, limits=()):
    """KMS, "Troubleshooting AWS KMS permissions": a key policy, an IAM policy or a grant allows; a Deny anywhere wins.

    What a boundary or a session's own policy leaves out stays out: AWS doesn't say that grants go past them.
    KMS, "Retiring and revoking grants": kms:RetireGrant has no effect in a key policy.
    """
    result = original(identity, ctx, policy, owner_account, required, limits)
    service, _, operation = ctx.action.partition(":")
    if service != "kms" or result.decision == "Deny":
        return result
    if operation == "RetireGrant" and identity.decision != "Allow":
        result = identity
    in_own_account = owner_account in (None, ctx.principal_account)
    if result.decision != "Allow" and in_own_account and _granted(ctx, operation) and _within(limits, ctx):
        return evaluator.EvalResult("Allow", ctx.principal_arn, "", "Grant")
    return result


def named_grant(data):
    """The grant that a RetireGrant request names, by its token or by its id, or None."""
    token = data.get("GrantToken")
    if token:
        return next((grant for grant in kms._grants.values() if token in grant["_tokens"]), None)
    return kms._grants.get(data.get("GrantId") or "")


def _granted(ctx, operation):
    if operation == "RetireGrant":
        grant = kms._grants.get(ctx.service_context.get(GRANT) or "")
        # Of a grant that isn't there nothing says who may retire it, and KMS answers NotFoundException.
        return grant is None or _may_retire(grant, ctx)
    return operation not in NOT_BY_OPERATION and any(
        _is_caller(grant["GranteePrincipal"], ctx) and operation in grant["Operations"] and _meets(grant, ctx, operation)
        for grant in kms._grants.values()
        if grant["KeyId"] == ctx.resource_arn
    )


def _may_retire(grant, ctx):
    """KMS, RetireGrant: the retiring principal, or the grantee of a grant that holds RetireGrant."""
    if _is_caller(grant.get("RetiringPrincipal"), ctx):
        return True
    return _is_caller(grant["GranteePrincipal"], ctx) and "RetireGrant" in grant["Operations"]


def _is_caller(principal, ctx):
    return principal is not None and principal in (ctx.principal_arn, role_arn_of_session(ctx.principal_arn))


def _meets(grant, ctx, operation):
    """KMS, GrantConstraints: they bind operations that carry an encryption context. A pair's name may differ by case."""
    if operation in ("DescribeKey", "GetPublicKey"):
        return True
    given = {key[len(CONTEXT) :]: value for key, value in ctx.service_context.items() if key.startswith(CONTEXT)}
    for kind, wanted in (grant.get("Constraints") or {}).items():
        pairs = {name.lower(): value for name, value in wanted.items()}
        if kind not in ("EncryptionContextEquals", "EncryptionContextSubset"):
            return False
        if any(given.get(name) != value for name, value in pairs.items()):
            return False
        if kind == "EncryptionContextEquals" and set(given) != set(pairs):
            return False
    return True


def _within(limits, ctx):
    return all(evaluator._first_match(ctx, [one for stated in layer for one in stated], "Allow") for layer in limits)
