"""Records that ministack keeps for ever, cut back so that a long run stays small."""

import ministack.services.cloudwatch_logs as logs
from ministack.services import eventbridge
from ministack.services import lambda_svc

from .patching import wrap

# Nobody reads these back through an API; ministack keeps them for its own state files, which are switched off.
EVENTS_MAX = 100
# One stream for each invocation: enough to find what went wrong in the last few runs of 500 tenants.
LOG_STREAMS_MAX = 2_000


@wrap(eventbridge, "_events_log_list")
def events_log_list(original):
    """Not an AWS rule: a limit on memory."""
    entries = original()
    del entries[:-EVENTS_MAX]
    return entries


@wrap(lambda_svc, "_emit_lambda_logs")
def emit_lambda_logs(original, func, request_id, log_text, error, duration_ms, log_source=None):
    """Not an AWS rule: a limit on memory. The oldest streams of a log group go first."""
    original(func, request_id, log_text, error, duration_ms, log_source=log_source)
    for group in list(logs._log_groups.values()):
        streams = group["streams"]
        for name in list(streams)[: max(0, len(streams) - LOG_STREAMS_MAX)]:
            streams.pop(name, None)
