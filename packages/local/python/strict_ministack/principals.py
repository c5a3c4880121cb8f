"""Who a policy means: role ARNs with their paths, the unique ids behind them, and the keys that describe a caller."""

import json

import ministack.core.iam_evaluator as evaluator
from ministack.services import iam
from ministack.services import kms

from .patching import wrap

INVALID_SESSION = "The security token included in the request is invalid."


@wrap(evaluator, "_resolve_condition_key")
def resolve_condition_key(original, key, ctx):
    """IAM, "AWS global condition context keys".

    aws:PrincipalArn of a role session is the role's ARN with its path, not the session's; aws:PrincipalType of the root
    user is Account; aws:ViaAWSService and aws:PrincipalIsAWSService are false when a person or a program asks.
    """
    name = key.lower()
    if name == "aws:principalarn":
        return role_arn_of_session(ctx.principal_arn) or ctx.principal_arn
    if name == "aws:principaltype" and ctx.principal_type == "Root":
        return "Account"
    if name in ("aws:viaawsservice", "aws:principalisawsservice") and name not in ctx.service_context:
        return "false"
    return original(key, ctx)


@wrap(evaluator, "_principal_matches")
def principal_matches(original, principal, caller_arn):
    """IAM, "AWS JSON policy elements: Principal": a role's ARN has its path, and a wildcard can't be part of an ARN."""
    if not isinstance(principal, dict):
        return principal == "*"
    role_arn = role_arn_of_session(caller_arn)
    named = [
        value
        for value in as_list(principal.get("AWS"))
        if value == "*" or (isinstance(value, str) and "*" not in value and "?" not in value)
        if not (role_arn and ":role/" in value and value != role_arn)
    ]
    return original({**principal, "AWS": named}, caller_arn)


@wrap(evaluator, "resolve_principal")
def resolve_principal(original, access_key_id, account_id, credential=None):
    """IAM, "Delete roles or instance profiles": a session of a deleted role is worth nothing, though its name lives on.

    A session carries its role's unique id, so one made before the role was deleted and created again is told apart.
    """
    principal = original(access_key_id, account_id, credential)
    role_id = str(getattr(principal, "keys", {}).get("aws:userid", "")).partition(":")[0]
    if getattr(principal, "type", "") == "AssumedRole" and role_id.startswith("AROA"):
        role = role_of_session(principal.arn)
        if role is None or role["RoleId"] != role_id:
            return evaluator.AuthError("InvalidClientTokenId", INVALID_SESSION)
    return principal


@wrap(iam, "_delete_role")
def delete_role(original, p):
    """See `forget_principal`."""
    role = iam._roles.get(iam._p(p, "RoleName"))
    answer = original(p)
    if role and answer[0] == 200:
        forget_principal(role["Arn"], role["RoleId"])
    return answer


@wrap(iam, "_delete_user")
def delete_user(original, p):
    """See `forget_principal`."""
    user = iam._users.get(iam._p(p, "UserName"))
    answer = original(p)
    if user and answer[0] == 200:
        forget_principal(user["Arn"], user["UserId"])
    return answer


def forget_principal(arn, unique_id):
    """IAM, "AWS JSON policy elements: Principal": a policy keeps a role's or user's unique id, and shows its ARN.

    Once the role is gone the id shows, and a role created again under the same name isn't let in. Conditions are
    compared as text, so an ARN in a condition stays. A grant keeps its grantee's and retiring principal's in the same way.
    """
    for grant in list(kms._grants._data.values()):
        for field in ("GranteePrincipal", "RetiringPrincipal"):
            if grant.get(field) == arn:
                grant[field] = unique_id
    for store, field in ((kms._keys, "Policy"), (iam._roles, "AssumeRolePolicyDocument")):
        for record in list(store._data.values()):
            if arn in str(record.get(field) or ""):
                record[field] = _with_id_for_arn(record[field], arn, unique_id)


def _with_id_for_arn(document, arn, unique_id):
    policy = json.loads(document)
    for statement in as_list(policy.get("Statement")):
        principal = statement.get("Principal")
        if isinstance(principal, dict) and arn in as_list(principal.get("AWS")):
            named = [unique_id if value == arn else value for value in as_list(principal["AWS"])]
            principal["AWS"] = named if isinstance(principal["AWS"], list) else named[0]
    return json.dumps(policy)


def unknown_principal(statement):
    """The first principal of a statement that doesn't exist, or None. An account is taken to exist."""
    principal = statement.get("Principal", statement.get("NotPrincipal"))
    if principal == "*":
        return None
    if not isinstance(principal, dict) or not principal or not set(principal) <= {"AWS", "Service", "Federated"}:
        return str(principal)
    for value in as_list(principal.get("AWS")):
        if not (isinstance(value, str) and _principal_exists(value)):
            return str(value)
    return None


def _principal_exists(value):
    if value == "*" or evaluator._ACCOUNT_PRINCIPAL.fullmatch(value):
        return True
    parts = value.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        return False
    service, account, resource = parts[2], parts[4], parts[5]
    name = resource.rsplit("/", 1)[-1]
    if service == "sts" and resource.startswith("assumed-role/"):
        return role_of_session(value) is not None
    for kind, store in (("role/", iam._roles), ("user/", iam._users)):
        if service == "iam" and resource.startswith(kind):
            record = store.get_scoped(account, None, name)
            return record is not None and record["Arn"] == value
    return False


def role_of_session(arn):
    """The role that a session's ARN was assumed from, or None."""
    if ":assumed-role/" not in arn:
        return None
    return iam._roles.get_scoped(arn.split(":")[4], None, arn.split("/")[1])


def role_arn_of_session(arn):
    return (role_of_session(arn) or {}).get("Arn")


def as_list(value):
    return value if isinstance(value, list) else [] if value is None else [value]
