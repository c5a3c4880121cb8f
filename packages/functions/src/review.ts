/** The schedule's turn: keys that wait for a time, and whose time has come, go back to the provisioning queue. */
import { randomUUID } from "node:crypto";
import { Logger } from "@aws-lambda-powertools/logger";
import middy from "@middy/core";
import { createClients, sendDueReviews, startRun, systemClock } from "@tenantkeys/aws";
import type { Context } from "aws-lambda";
import { readReviewConfig } from "./review-config.ts";

/** Left of the function's time to end calls, and after that to log, before Lambda kills the run. */
const CLOSING_MS = 3_000;
const LOGGING_MS = 500;

const logger = new Logger({ serviceName: "tenantkeys-review" });
const { tableName, ...stage } = readReviewConfig(process.env);
const ports = { clients: createClients(stage), tableName, stage, newEventId: randomUUID };

/** Throws where something couldn't be read or sent: Lambda's own error count shows it, and the next turn tries again. */
export const handler = middy(async (_event: unknown, context: Context) => {
  const run = startRun(systemClock, context.getRemainingTimeInMillis() - CLOSING_MS - LOGGING_MS, CLOSING_MS);
  const { error, ...counts } = await sendDueReviews(ports, run);
  logger.info("reviews sent", { ...counts, requestId: context.awsRequestId });
  if (error !== undefined) throw error;
  return counts;
});
