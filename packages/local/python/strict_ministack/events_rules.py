"""EventBridge: entries that PutEvents refuses one by one, the time that an entry brings, what archives and replays are."""

import contextvars
import json

from ministack.core import iam_actions
from ministack.core.responses import json_response
from ministack.services import eventbridge

from .patching import wrap

ENTRIES_MAX = 10

# The time of the entry being put, in epoch seconds; None where it brings none.
_entry_time = contextvars.ContextVar("strict_ministack_entry_time", default=None)


@wrap(eventbridge, "_put_events")
def put_events(original, data, allow_aws_source=False):
    """EventBridge, PutEvents: Detail must be a JSON object, and Source, DetailType and Detail be there.

    Entries fail one by one: the answer is 200, and the failed ones keep their places in it.
    """
    if not 1 <= len(data.get("Entries", [])) <= ENTRIES_MAX:
        return original(data, allow_aws_source)
    results = [_failure(entry) or _put_entry(original, data, entry, allow_aws_source) for entry in data["Entries"]]
    failed = sum("ErrorCode" in result for result in results)
    return json_response({"FailedEntryCount": failed, "Entries": results})


def _put_entry(original, data, entry, allow_aws_source):
    """EventBridge, PutEventsRequestEntry: Time is the time of the event; the time of the call where none is given."""
    token = _entry_time.set(entry.get("Time"))
    try:
        answer = original({**data, "Entries": [entry]}, allow_aws_source)
    finally:
        _entry_time.reset(token)
    return json.loads(answer[2])["Entries"][0]


@wrap(eventbridge, "_now_ts")
def now_ts(original):
    """See `_put_entry`: ministack gives every event the time of the call."""
    time = _entry_time.get()
    return original() if time is None else time


def _failure(entry):
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            message = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": message}
    try:
        sound = isinstance(json.loads(entry["Detail"]), dict)
    except ValueError:
        sound = False
    return None if sound else {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}


@wrap(iam_actions, "extract_resource_arn")
def extract_resource_arn(original, service, method, path, headers, body, query_params, region, account_id):
    """EventBridge, "Managing access permissions": archives and replays have ARNs, and IAM checks a call against them.

    ministack checks against every resource, which only a policy for "*" passes. StartReplay is checked against the
    archive that it reads.
    """
    arn = original(service, method, path, headers, body, query_params, region, account_id)
    if service != "events" or arn != "*":
        return arn
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return arn
    if "ReplayName" in data:
        return data.get("EventSourceArn") or f"arn:aws:events:{region}:{account_id}:replay/{data['ReplayName']}"
    return f"arn:aws:events:{region}:{account_id}:archive/{data['ArchiveName']}" if "ArchiveName" in data else arn
