"""CloudWatch: whose data an alarm looks at, and the condition key that limits where a role may write.

`POST /_strict/metrics` with `{"olderSeconds": n}` lets all data have come that much earlier, as if time had passed.
"""

import contextvars
import json

from ministack.core import iam_actions
from ministack.services import cloudwatch

from .patching import wrap

PATH = "/_strict/metrics"

# The dimensions of the alarm being evaluated; None while nothing is.
_dimensions = contextvars.ContextVar("strict_ministack_alarm_dimensions", default=None)


class _Metrics(type(cloudwatch._metrics)):
    """Shows an alarm the metrics of its own dimensions alone."""

    def items(self):
        wanted = _dimensions.get()
        return [(key, points) for key, points in super().items() if wanted is None or key[2] == wanted]


cloudwatch._metrics = _Metrics()


def control(method, request):
    """Answers for PATH: (HTTP status, JSON document)."""
    seconds = request.get("olderSeconds")
    if method != "POST" or isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
        return 400, {"message": "olderSeconds must be a number, 0 or more"}
    for points in cloudwatch._metrics._data.values():
        for point in points:
            point["Timestamp"] -= seconds
    return 200, {}


@wrap(cloudwatch, "_evaluate_alarm")
def evaluate_alarm(original, alarm):
    """CloudWatch, "Metrics concepts": each combination of dimensions is a metric of its own; ministack takes all as one."""
    named = {one["Name"]: one["Value"] for one in alarm.get("Dimensions") or []}
    token = _dimensions.set(cloudwatch._dims_key(named))
    try:
        return original(alarm)
    finally:
        _dimensions.reset(token)


@wrap(iam_actions, "request_tag_context")
def request_tag_context(original, service, iam_action, body, params):
    """CloudWatch, "Using condition keys to limit access to CloudWatch namespaces": cloudwatch:namespace."""
    keys = dict(original(service, iam_action, body, params) or {})
    if iam_action == "cloudwatch:PutMetricData":
        keys["cloudwatch:namespace"] = _namespace(body or b"", params or {})
    return keys


def _namespace(body, params):
    """Whichever of CloudWatch's protocols the SDK speaks."""
    if body[:1] == b"{":
        return json.loads(body).get("Namespace")
    named = params.get("Namespace")
    if named:
        return named[0] if isinstance(named, list) else named
    try:
        import cbor2

        return (cbor2.loads(body) or {}).get("Namespace")
    except Exception:  # Not CBOR either: then nothing is known, and a condition on it fails.
        return None
