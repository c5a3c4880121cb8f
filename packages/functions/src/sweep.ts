/** The schedule's turn on verification: a sweep that is due begins, one that stopped half way goes on. */
import { Logger } from "@aws-lambda-powertools/logger";
import middy from "@middy/core";
import { startRun, sweepTick, systemClock } from "@tenantkeys/aws";
import type { Context } from "aws-lambda";
import { reportsIn } from "./log-reports.ts";
import { readSweepConfig } from "./verification-config.ts";
import { createSweepPorts } from "./verification-ports.ts";

/** Left of the function's time to end calls, give the lease back and log, before Lambda kills the run. */
const CLOSING_MS = 5_000;
const LOGGING_MS = 500;

const logger = new Logger({ serviceName: "tenantkeys-sweep" });
const portsOf = createSweepPorts(readSweepConfig(process.env), reportsIn(logger));

/** Throws where something couldn't be read, written or sent: Lambda's own error count shows it, and the next turn goes on. */
export const handler = middy(async (_event: unknown, context: Context) => {
  const livesMs = context.getRemainingTimeInMillis();
  const run = startRun(systemClock, livesMs - CLOSING_MS - LOGGING_MS, CLOSING_MS);
  const outcome = await sweepTick(await portsOf(run, livesMs), run);
  logger.info(`sweep: ${outcome.did}`, { ...outcome, requestId: context.awsRequestId });
  return outcome;
});
