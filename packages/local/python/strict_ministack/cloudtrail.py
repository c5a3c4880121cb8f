"""CloudTrail's events of KMS calls on the account's default event bus, while a trail of the Region is logging.

AWS delivers them within minutes; here they are there before the call answers. Calls that were denied don't come (on AWS
they do, with errorCode AccessDenied), nor those that other services make in a caller's name.
"""

import contextvars
import json
import time

import ministack.core.iam_evaluator as evaluator
from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import cloudtrail, eventbridge, kms
from ministack.services.sts import _sessions

from . import checks, kms_rotations, kms_states  # noqa: F401  (their operations come first, so that they are told as well)
from .patching import wrap
from .principals import role_of_session

DETAIL_TYPE = "AWS API Call via CloudTrail"
# EventBridge, "Receiving read-only management events from AWS services": only rules in this state get them.
STATE_WITH_READS = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
READING = ("Describe", "Get", "List", "Encrypt", "Decrypt", "ReEncrypt", "Generate", "Sign", "Verify")
# KMS, "Logging AWS KMS API calls": left out "for security reasons", or bytes without meaning.
UNLOGGED = {"Plaintext", "CiphertextBlob", "ImportToken", "EncryptedKeyMaterial", "GrantToken", "GrantTokens", "Message"}
# Maps whose names are the caller's own words.
CALLERS_WORDS = {"EncryptionContext", "EncryptionContextEquals", "EncryptionContextSubset"}

_read_only = contextvars.ContextVar("strict_ministack_read_only_event", default=False)


@wrap(kms, "handle_request")
async def handle_request(original, method, path, headers, body, query_params):
    """CloudTrail, "AWS service events delivered via AWS CloudTrail": needs a trail that logs."""
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    read_only = operation.startswith(READING)
    if not _logging() or (read_only and not _anybody_listens_to_reads()):
        return await original(method, path, headers, body, query_params)
    request = json.loads(body or b"{}")
    # An alias that the call deletes can't be resolved afterwards.
    before = kms._resolve_key(request.get("TargetKeyId") or request.get("KeyId") or request.get("AliasName") or "")
    answer = await original(method, path, headers, body, query_params)
    detail = _detail(operation, read_only, request, before, answer, headers)
    entry = {"Source": "aws.kms", "DetailType": DETAIL_TYPE, "Detail": json.dumps(detail)}
    token = _read_only.set(read_only)
    try:
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
    finally:
        _read_only.reset(token)
    return answer


@wrap(eventbridge, "_dispatch_event")
def dispatch_event(original, event, view=None):
    """EventBridge, PutRule, parameter State: read-only management events go to rules that ask for them, and to no other."""
    if not _read_only.get():
        original(event, view)
    view = view or eventbridge._pattern_event_view(event)
    for key, rule in list(eventbridge._rules.items()):
        if rule.get("State") != STATE_WITH_READS or rule.get("EventBusName", "default") != event.get("EventBusName"):
            continue
        if rule.get("EventPattern") and eventbridge._matches_pattern_view(rule["EventPattern"], view, f"rule {key}"):
            for target in eventbridge._targets.get(key, []):
                eventbridge._invoke_target(target, event, rule, view)


def _logging():
    return any(trail.get("IsLogging") for _, _, trail in cloudtrail._visible_trail_items())


def _anybody_listens_to_reads():
    return any(rule.get("State") == STATE_WITH_READS for rule in eventbridge._rules.values())


def _detail(operation, read_only, request, before, answer, headers):
    succeeded = answer[0] == 200
    response = json.loads(answer[2] or b"{}")
    arn = response.get("KeyMetadata", {}).get("Arn") or (before["Arn"] if before else None)
    named = [f"arn:aws:kms:{get_region()}:{get_account_id()}:{request['AliasName']}"] if "AliasName" in request else []
    detail = {
        "eventVersion": "1.11",
        "userIdentity": _identity(checks.caller_access_key()),
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "eventSource": "kms.amazonaws.com",
        "eventName": operation,
        "awsRegion": get_region(),
        "sourceIPAddress": evaluator._request_origin.get()[0],
        "userAgent": headers.get("user-agent", ""),
        "requestParameters": _logged(request) or None,
        "responseElements": _response(operation, read_only, response, arn) if succeeded else None,
        "requestID": new_uuid(),
        "eventID": new_uuid(),
        "readOnly": read_only,
        "resources": [
            {"accountId": get_account_id(), "type": "AWS::KMS::Key", "ARN": name} for name in named + ([arn] if arn else [])
        ],
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": get_account_id(),
        "eventCategory": "Management",
    }
    if not succeeded:
        detail |= {"errorCode": response.get("__type", "Unknown"), "errorMessage": response.get("message", "")}
    return detail


def _response(operation, read_only, response, arn):
    """KMS, the examples of log entries: most calls tell the key's ARN, though they answer nothing."""
    if read_only or operation == "PutKeyPolicy":
        return None
    logged = _logged(response)
    if operation != "CreateKey" and arn:
        logged["keyId"] = arn
    if "DeletionDate" in response:
        # Not ISO: such as "Apr 12, 2021 18:58:30 PM".
        logged["deletionDate"] = time.strftime("%b %d, %Y %H:%M:%S %p", time.gmtime(response["DeletionDate"]))
    return logged


def _logged(value, name=None):
    """CloudTrail writes names with a small first letter."""
    if isinstance(value, list):
        return [_logged(one) for one in value]
    if not isinstance(value, dict) or name in CALLERS_WORDS:
        return value
    return {
        field[:1].lower() + field[1:]: _logged(one, field) for field, one in value.items() if field not in UNLOGGED
    }


def _identity(access_key_id):
    """CloudTrail, "CloudTrail userIdentity element"."""
    found = evaluator.resolve_principal(access_key_id, get_account_id())
    account = getattr(found, "account", get_account_id())
    arn = getattr(found, "arn", f"arn:aws:iam::{account}:root")
    user_id = getattr(found, "keys", {}).get("aws:userid") or account
    identity = {"principalId": user_id, "arn": arn, "accountId": account, "accessKeyId": access_key_id}
    kind = getattr(found, "type", "Root")
    if kind != "AssumedRole":
        named = {"userName": arn.rsplit("/", 1)[-1]} if kind == "User" else {}
        return {"type": "IAMUser" if kind == "User" else kind, **identity, **named}
    role = role_of_session(arn) or {}
    issuer = {"type": "Role", "principalId": role.get("RoleId"), "arn": role.get("Arn")}
    issued_at = (_sessions.get(access_key_id) or {}).get("IssuedAt") or time.time()
    attributes = {
        "creationDate": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(issued_at)),
        "mfaAuthenticated": "false",
    }
    session = {
        "sessionIssuer": {**issuer, "accountId": account, "userName": role.get("RoleName")},
        "attributes": attributes,
    }
    return {"type": kind, **identity, "sessionContext": session}
