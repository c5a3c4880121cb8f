/** One line of log per message: who, which event, which try, what became of it and why. Never the event itself. */
import type { Logger } from "@aws-lambda-powertools/logger";
import type { KeyOutcome, QueueMessage, WorkOutcome } from "@tenantkeys/aws";

/** @param metrics fields for the root of the line (`outcomeMetrics`) */
export function logOutcome(
  logger: Logger,
  message: QueueMessage,
  outcome: WorkOutcome,
  requestId: string,
  metrics: Readonly<Record<string, unknown>>,
): void {
  const about = { messageId: message.messageId, attempt: message.receiveCount, requestId, ...metrics };
  if (outcome.kind === "done") {
    const { type, tenantId, eventId, generation } = outcome.event;
    logger.info(`${type} done`, { ...about, tenantId, eventId, generation, outcome: describe(outcome) });
    return;
  }
  const { error, eventId } = outcome;
  const { tenantId, keyName, step, field } = error.details;
  const reason = { code: error.code, reason: error.message, step, field, nextAction: error.nextAction };
  const cause = error.cause instanceof Error ? `${error.cause.name}: ${error.cause.message}` : undefined;
  const details = { ...about, tenantId, keyName, eventId, ...reason, cause };
  if (outcome.kind === "refused") logger.error("event refused and kept", details);
  else if (outcome.lastReceive) logger.error("event given up to the dead-letter queue", details);
  else logger.warn("event given back to the queue", details);
}

/** Each key and what it is now, or that nothing changed and why. */
function describe({ result }: Extract<WorkOutcome, { readonly kind: "done" }>): readonly string[] {
  switch (result.about) {
    case "sign-up":
      return result.keys.map((key) => ("key" in key ? `${key.key.keyName}: ${key.kind}` : key.kind));
    case "tenant":
      return result.outcome.kind === "superseded" ? ["superseded"] : result.outcome.keys.map(keyText);
    case "key":
      return result.outcome.kind === "done" ? [keyText(result.outcome)] : [result.outcome.kind];
  }
}

function keyText({ before, record }: KeyOutcome): string {
  return `${record.keyName}: ${before === record.state ? before : `${before} to ${record.state}`}`;
}
