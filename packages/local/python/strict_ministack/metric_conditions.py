"""Which condition key a CloudWatch request carries."""

import json

from ministack.core import iam_actions

from .patching import wrap


@wrap(iam_actions, "request_tag_context")
def request_tag_context(original, service, iam_action, body, params):
    """CloudWatch, "Using condition keys to limit access to CloudWatch namespaces": cloudwatch:namespace."""
    keys = dict(original(service, iam_action, body, params) or {})
    if iam_action == "cloudwatch:PutMetricData":
        keys["cloudwatch:namespace"] = _namespace(body, params)
    return keys


def _namespace(body, params):
    """Of a request as a form or as JSON; empty, which no policy allows, where there is none or it is in another form."""
    named = (params or {}).get("Namespace")
    if named:
        return named[0] if isinstance(named, list) else named
    try:
        return str(json.loads(body).get("Namespace", ""))
    except (ValueError, AttributeError):
        return ""
