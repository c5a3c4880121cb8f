/** One line of log per message: who, which event, which try, what became of it and why. Never the event itself. */
import type { Logger } from "@aws-lambda-powertools/logger";
import type { QueueMessage, WorkOutcome } from "@tenantkeys/aws";

export function logOutcome(logger: Logger, message: QueueMessage, outcome: WorkOutcome, requestId: string): void {
  const about = { messageId: message.messageId, attempt: message.receiveCount, requestId };
  if (outcome.kind === "done") {
    const { tenantId, eventId, generation } = outcome.signUp;
    const keys = outcome.keys.map((key) => (key.kind === "active" ? key.key.keyName : "superseded"));
    logger.info("sign-up done", { ...about, tenantId, eventId, generation, keys });
    return;
  }
  const { error, eventId } = outcome;
  const { tenantId, keyName, step, field } = error.details;
  const reason = { code: error.code, reason: error.message, step, field, nextAction: error.nextAction };
  const cause = error.cause instanceof Error ? `${error.cause.name}: ${error.cause.message}` : undefined;
  const details = { ...about, tenantId, keyName, eventId, ...reason, cause };
  if (outcome.kind === "refused") logger.error("sign-up refused and kept", details);
  else if (outcome.lastReceive) logger.error("sign-up given up to the dead-letter queue", details);
  else logger.warn("sign-up given back to the queue", details);
}
