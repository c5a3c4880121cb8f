/** Says in a function's log what AWS Security Hub couldn't be told. It stops nothing: the registry has every finding. */
import type { Logger } from "@aws-lambda-powertools/logger";
import type { SecurityServices } from "@tenantkeys/aws";

export function untoldLog(logger: Pick<Logger, "error">): SecurityServices["onUntold"] {
  return ({ error, sent, failed }) => {
    const { code, message, nextAction } = error;
    logger.error("Security Hub wasn't told of every finding", { sent, failed, code, reason: message, nextAction });
  };
}
