/** One line of log per message of verification: which, which try, what became of it and why. Never the message itself. */
import type { Logger } from "@aws-lambda-powertools/logger";
import type { VerificationOutcome } from "@tenantkeys/aws";
import type { SQSRecord } from "aws-lambda";

type Result = Extract<VerificationOutcome, { readonly kind: "done" }>["result"];

/** Of an event of AWS's own which it was; who called, and from where, is in CloudTrail. */
function withoutEvent(result: Result) {
  if (!("event" in result)) return result;
  const { event, ...rest } = result;
  return { ...rest, eventId: event.eventId, operation: event.operation, keyArns: event.keyArns };
}

export function logVerification(
  logger: Logger,
  { messageId, attributes }: Pick<SQSRecord, "messageId" | "attributes">,
  outcome: VerificationOutcome,
  requestId: string,
): void {
  const about = { messageId, attempt: Number(attributes.ApproximateReceiveCount), requestId };
  if (outcome.kind === "done") {
    const { result } = outcome;
    // With `watchKeyUse` there is one for every use of a key.
    const isQuiet = result.kind === "ignored" && result.reason === "usual-use";
    logger[isQuiet ? "debug" : "info"](`${outcome.work} ${result.kind}`, { ...about, result: withoutEvent(result) });
    return;
  }
  const { error } = outcome;
  const { tenantId, keyName, step } = error.details;
  const cause = error.cause instanceof Error ? `${error.cause.name}: ${error.cause.message}` : undefined;
  const reason = { code: error.code, reason: error.message, step, nextAction: error.nextAction, cause };
  const details = { ...about, tenantId, keyName, ...reason };
  if (outcome.kind === "refused") logger.error("message refused: it goes to the dead-letter queue", details);
  else logger.warn("message given back to the queue", details);
}
