/** Says in a function's log what was put right without a person asking, and what was left for one. */
import type { Logger } from "@aws-lambda-powertools/logger";
import type { AutomaticRepair } from "@tenantkeys/aws";

export function automaticRepairLog(logger: Pick<Logger, "info" | "warn">): (repair: AutomaticRepair) => void {
  return ({ asked, waiting, beyond, limit }) => {
    if (asked.length > 0) logger.info("the worker was asked for repairs", { asked });
    if (waiting.length > 0) logger.warn("repairs that come back: somebody undoes them", { waiting });
    if (beyond.length > 0) logger.warn("repairs beyond the day's limit: a person has to look", { limit, beyond });
  };
}
