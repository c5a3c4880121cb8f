"""EventBridge: entries that PutEvents refuses one by one."""

import json

from ministack.services import eventbridge
from ministack.core.responses import json_response

from .patching import wrap


@wrap(eventbridge, "_put_events")
def put_events(original, data, allow_aws_source=False):
    """EventBridge, PutEvents: Detail must be a JSON object, and Source, DetailType and Detail be there.

    Entries fail one by one: the answer is 200, and the failed ones keep their places in it.
    """
    entries = data.get("Entries", [])
    failures = [_failure(entry) for entry in entries]
    if not any(failures):
        return original(data, allow_aws_source)
    good = [entry for entry, failure in zip(entries, failures) if failure is None]
    answer = original({**data, "Entries": good}, allow_aws_source)
    if answer[0] != 200:
        return answer
    body = json.loads(answer[2])
    placed = iter(body["Entries"])
    results = [failure or next(placed) for failure in failures]
    failed = body["FailedEntryCount"] + sum(failure is not None for failure in failures)
    return json_response({"FailedEntryCount": failed, "Entries": results})


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
