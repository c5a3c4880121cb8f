"""Who sent a message: SQS's system attribute SenderId, which AWS fills in and a sender can't choose."""

import ministack.core.iam_evaluator as evaluator
from ministack.core.responses import get_account_id
from ministack.services import lambda_svc, sqs

from . import checks
from .patching import wrap
from .principals import role_of_session

# EventBridge sends with an identity of an AWS account of its own. Its id has the form of a user's, and is no user here.
EVENTBRIDGE_ID = "AIDAEVENTBRIDGEEXAMPL"
# ministack's: of the form of a role's.
MINISTACKS_EVENTBRIDGE_ID = "AROAEXAMPLE"


@wrap(sqs, "_build_send_sys_attrs")
def build_send_sys_attrs(original, now, sys_attrs_input):
    """SQS, ReceiveMessage, SenderId: "For a user, returns the user ID ... For an IAM role, returns the IAM role ID".

    It is aws:userid, as in STS GetCallerIdentity: a session's is the role's id, a colon and the session's name.
    """
    return {**original(now, sys_attrs_input), "SenderId": _principal_id(checks.caller_access_key())}


def _principal_id(access_key_id):
    found = evaluator.resolve_principal(access_key_id, get_account_id()) if access_key_id else None
    user_id = getattr(found, "keys", {}).get("aws:userid")
    # ministack gives the sessions of functions their role's name in place of its id.
    role = role_of_session(found.arn) if getattr(found, "type", "") == "AssumedRole" else None
    return f"{role['RoleId']}:{user_id.partition(':')[2]}" if role and user_id else user_id or get_account_id()


@wrap(sqs, "_build_sys_attrs")
def build_sys_attrs(original, msg, names):
    """See `_sender`."""
    attributes = original(msg, names)
    return {**attributes, "SenderId": _sender(msg)} if "SenderId" in attributes else attributes


@wrap(lambda_svc, "_run_sqs_batch")
def run_sqs_batch(original, esm, func_rec, event, batch, queue_url, queue_name):
    """Lambda, "Using Lambda with Amazon SQS", example event: a record's attributes have the message's own SenderId."""
    senders = {message["id"]: _sender(message) for message in batch}
    for record in event["Records"]:
        record["attributes"]["SenderId"] = senders[record["messageId"]]
    return original(esm, func_rec, event, batch, queue_url, queue_name)


def _sender(message):
    """EventBridge, "Amazon SQS queues as targets": the service sends, not the one who put the event."""
    sender = message["sys"]["SenderId"]
    return EVENTBRIDGE_ID if sender == MINISTACKS_EVENTBRIDGE_ID else sender
