/** The schedule's turn of the canary: it tries on its own two tenants what must be refused, and tells what AWS answered. */
import { Logger } from "@aws-lambda-powertools/logger";
import middy from "@middy/core";
import { runCanary, startRun, systemClock } from "@tenantkeys/aws";
import type { Context } from "aws-lambda";
import { createCanaryPorts } from "./canary-ports.ts";
import { logCanaryRun } from "./log-canary-run.ts";
import { reportsIn } from "./log-reports.ts";
import { readVerifyConfig } from "./verification-config.ts";

/** Left of the function's time to end calls, and after that to log, before Lambda kills the run. */
const CLOSING_MS = 3_000;
const LOGGING_MS = 500;

const logger = new Logger({ serviceName: "tenantkeys-canary" });
const portsOf = createCanaryPorts(readVerifyConfig(process.env), reportsIn(logger));

/** Throws where it couldn't look or tell: Lambda's own error count shows it. What it saw is no error of the function's. */
export const handler = middy(async (_event: unknown, context: Context) => {
  const run = startRun(systemClock, context.getRemainingTimeInMillis() - CLOSING_MS - LOGGING_MS, CLOSING_MS);
  return logCanaryRun(logger, await runCanary(await portsOf(run), run), context.awsRequestId);
});
