/** What a function of verification says in its log of what it did, or couldn't do, beside its work. */
import type { Logger } from "@aws-lambda-powertools/logger";
import { automaticRepairLog } from "./log-automatic-repair.ts";
import { untoldLog } from "./log-untold.ts";
import type { Reports } from "./verification-ports.ts";

export function reportsIn(logger: Pick<Logger, "info" | "warn" | "error">): Reports {
  return {
    onUntold: untoldLog(logger),
    onRepair: automaticRepairLog(logger),
    onUncalled: ({ code, message, nextAction }) =>
      logger.error("the alarm topic wasn't told of a critical finding", { code, reason: message, nextAction }),
  };
}
