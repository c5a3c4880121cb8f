"""IAM and STS: ARNs with paths, permissions boundaries as a condition key, and trust policies that name real roles."""

import json

from ministack.core import iam_actions
from ministack.core.responses import get_account_id
from ministack.services import iam
from ministack.services import sts

from .checks import ALSO
from .patching import wrap
from .principals import as_list, unknown_principal

# IAM, "Actions, resources, and condition keys for IAM": the actions that carry iam:PermissionsBoundary.
NEW_BOUNDARY_ACTIONS = {"CreateRole", "CreateUser", "PutRolePermissionsBoundary", "PutUserPermissionsBoundary"}
OWN_BOUNDARY_ACTIONS = {
    f"{verb}{kind}{what}"
    for kind in ("Role", "User")
    for verb, what in (
        ("Put", "Policy"),
        ("Delete", "Policy"),
        ("Attach", "Policy"),
        ("Detach", "Policy"),
        ("Delete", "PermissionsBoundary"),
    )
}


@wrap(iam_actions, "extract_resource_arn")
def extract_resource_arn(original, service, method, path, headers, body, query_params, region, account_id):
    """IAM, "IAM identifiers": the ARN of a role, user or policy has its path, `role/a/b/name` and not `role/name`."""
    arn = original(service, method, path, headers, body, query_params, region, account_id)
    if service != "iam":
        return arn
    given_path = _param(query_params, "Path") or "/"
    for parameter, kind, store in (("RoleName", "role", iam._roles), ("UserName", "user", iam._users)):
        name = _param(query_params, parameter)
        if name:
            record = store.get_scoped(account_id, None, name)
            return record["Arn"] if record else f"arn:aws:iam::{account_id}:{kind}{given_path}{name}"
    if _param(query_params, "Action") == "CreatePolicy":
        return f"arn:aws:iam::{account_id}:policy{given_path}{_param(query_params, 'PolicyName')}"
    return arn


@wrap(iam_actions, "request_tag_context")
def request_tag_context(original, service, iam_action, body, params):
    """IAM, "Available keys for IAM": iam:PermissionsBoundary and iam:PolicyARN.

    iam:PermissionsBoundary is the boundary that the request sets, or, where the request sets none, the one that the
    role or user already has: so a delegated administrator may only change roles that carry the boundary.
    """
    keys = dict(original(service, iam_action, body, params) or {})
    action = iam_action.partition(":")[2]
    if service != "iam":
        return keys
    boundary = None
    if action in NEW_BOUNDARY_ACTIONS:
        boundary = _param(params, "PermissionsBoundary")
    elif action in OWN_BOUNDARY_ACTIONS:
        record = iam._roles.get(_param(params, "RoleName")) or iam._users.get(_param(params, "UserName")) or {}
        boundary = record.get("PermissionsBoundary")
    if boundary:
        keys["iam:PermissionsBoundary"] = boundary
    if action.startswith(("Attach", "Detach")) and _param(params, "PolicyArn"):
        keys["iam:PolicyARN"] = _param(params, "PolicyArn")
    if action == "CreateRole" and _param(params, "Tags.member.1.Key"):
        keys[ALSO] = [("iam:TagRole", _new_role_arn(params), dict(keys))]
    return keys


def _new_role_arn(params):
    """API Reference, CreateRole: tags given there need iam:TagRole on the role as well."""
    path = _param(params, "Path") or "/"
    return f"arn:aws:iam::{get_account_id()}:role{path}{_param(params, 'RoleName')}"


@wrap(iam, "_create_role")
def create_role(original, p):
    """See `refused_trust_policy`."""
    taken = iam._p(p, "RoleName") in iam._roles
    return (None if taken else refused_trust_policy(iam._p(p, "AssumeRolePolicyDocument"))) or original(p)


@wrap(iam, "_update_assume_role_policy")
def update_assume_role_policy(original, p):
    """See `refused_trust_policy`."""
    known = iam._p(p, "RoleName") in iam._roles
    return (refused_trust_policy(iam._p(p, "PolicyDocument")) if known else None) or original(p)


def refused_trust_policy(document):
    """IAM, "Troubleshoot IAM roles": a trust policy must be JSON and name principals that exist."""
    try:
        policy = json.loads(document)
        statements = as_list(policy["Statement"])
        wrong = next((name for name in map(unknown_principal, statements) if name is not None), None)
    except (ValueError, KeyError, TypeError, AttributeError):
        return iam._error(400, "MalformedPolicyDocument", "This policy contains invalid Json", ns="iam")
    if wrong is None:
        return None
    return iam._error(400, "MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{wrong}"', ns="iam")


@wrap(sts, "_assumed_role_arn")
def assumed_role_arn(original, role_arn, session_name):
    """STS, AssumeRole: RoleArn is the role's whole ARN; a wrong path names another role, which doesn't exist."""
    account, name = (role_arn.split(":") + [""] * 5)[4], role_arn.rsplit("/", 1)[-1]
    role = iam._roles.get_scoped(account, None, name)
    if role is not None and role["Arn"] != role_arn:
        message = f"User: is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
        return None, sts._error(403, "AccessDenied", message, ns="sts")
    return original(role_arn, session_name)


def _param(params, name):
    value = (params or {}).get(name, "")
    return (value[0] if value else "") if isinstance(value, list) else value
