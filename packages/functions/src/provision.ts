/** The provisioning worker: a batch of events from the queue, each done, refused or given back by itself. */
import { BatchProcessor, EventType, processPartialResponse } from "@aws-lambda-powertools/batch";
import { Logger } from "@aws-lambda-powertools/logger";
import middy from "@middy/core";
import { startRun, systemClock, workEvent } from "@tenantkeys/aws";
import type { Context, SQSEvent, SQSRecord } from "aws-lambda";
import { outcomeMetrics } from "./embedded-metrics.ts";
import { logOutcome } from "./log-outcome.ts";
import { queueMessage } from "./queue-message.ts";
import { readStageConfig } from "./stage-config.ts";
import { workerPorts } from "./worker-ports.ts";

/** Left of the function's time, when no further action may start, to end calls and write the failure down. */
const CLOSING_MS = 3_000;
/** Left after that to answer, before Lambda kills the run. */
const ANSWERING_MS = 500;

const logger = new Logger({ serviceName: "tenantkeys-provision" });
const ports = workerPorts(readStageConfig(process.env));
const processor = new BatchProcessor(EventType.SQS);

export const handler = middy(async (event: SQSEvent, context: Context) => {
  const workingMs = context.getRemainingTimeInMillis() - CLOSING_MS - ANSWERING_MS;
  const run = startRun(systemClock, workingMs, CLOSING_MS);
  const work = async (record: SQSRecord) => {
    const message = queueMessage(record);
    const outcome = await workEvent(ports, run, message);
    const metrics = outcomeMetrics(ports.context.stage, message, outcome, systemClock.nowMs());
    logOutcome(logger, message, outcome, context.awsRequestId, metrics);
    if (outcome.kind === "retry") throw outcome.error;
  };
  return processPartialResponse(event, work, processor, { context, throwOnFullBatchFailure: false });
});
