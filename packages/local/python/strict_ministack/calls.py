"""What was asked of the local AWS: every permission that was checked, by whom, how often, and with which answer.

AWS has this in CloudTrail. Tests count calls with it, and compare what a role used with what its policy allows.
`GET /_strict/calls` gives it as JSON, `DELETE /_strict/calls` starts anew.
"""

import contextlib
import contextvars
from collections import Counter, defaultdict

import ministack.core.iam_evaluator as evaluator

from .patching import wrap

PATH = "/_strict/calls"
# Enough to see which statement of a policy allowed an action; a resource per tenant would grow without end.
RESOURCES_MAX = 5

_counts = Counter()
_resources = defaultdict(list)
_principals = {}
_counting = contextvars.ContextVar("strict_ministack_counting", default=True)


@contextlib.contextmanager
def uncounted():
    """For asking whether somebody would be allowed, which is no call of theirs."""
    token = _counting.set(False)
    try:
        yield
    finally:
        _counting.reset(token)


@wrap(evaluator, "enforce")
def enforce(original, access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
    """Counts one permission check. Imported before checks.py, so that each further check of a request counts as well."""
    denied = original(access_key_id, iam_action, service, region, resource_arn, service_context)
    if not _counting.get():
        return denied
    call = (_principal(access_key_id), iam_action, denied is None)
    _counts[call] += 1
    resources = _resources[call]
    if len(resources) < RESOURCES_MAX and resource_arn not in resources:
        resources.append(resource_arn)
    return denied


def _principal(access_key_id):
    """The ARN of the session, user or root behind an access key, as far as the evaluator can tell."""
    if access_key_id not in _principals:
        from ministack.core.responses import get_account_id

        found = evaluator.resolve_principal(access_key_id or "", get_account_id())
        _principals[access_key_id] = getattr(found, "arn", "unknown")
    return _principals[access_key_id]


def control(method, _request):
    """Answers for PATH: (HTTP status, JSON document)."""
    if method == "DELETE":
        _counts.clear()
        _resources.clear()
    found = [
        {"principal": principal, "action": action, "allowed": allowed, "count": count, "resources": _resources[call]}
        for call, count in sorted(_counts.items())
        for principal, action, allowed in [call]
    ]
    return 200, {"calls": found}
