"""Which permission an SQS request is checked for."""

from ministack.core import iam_actions

from .patching import wrap


@wrap(iam_actions, "extract_iam_action")
def extract_iam_action(original, service, method, path, headers, body, query_params):
    """Amazon SQS API permissions: SendMessageBatch is allowed by sqs:SendMessage, and so the other batches by theirs."""
    action = original(service, method, path, headers, body, query_params)
    return action.removesuffix("Batch") if action and action.startswith("sqs:") else action
