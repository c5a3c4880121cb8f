/** The verification worker: shards of a sweep, tenants to look at, and AWS's own events about keys. */
import { BatchProcessor, EventType, processPartialResponse } from "@aws-lambda-powertools/batch";
import { Logger } from "@aws-lambda-powertools/logger";
import middy from "@middy/core";
import { startRun, systemClock, workVerificationMessage } from "@tenantkeys/aws";
import type { Context, SQSEvent, SQSRecord } from "aws-lambda";
import { reportsIn } from "./log-reports.ts";
import { logVerification } from "./log-verification.ts";
import { readVerifyConfig } from "./verification-config.ts";
import { verificationDelivery } from "./verification-delivery.ts";
import { createVerificationWorkerPorts } from "./verification-ports.ts";

/** Left of the function's time, when no further key may be begun, to end calls and write down how far it came. */
const CLOSING_MS = 10_000;
const ANSWERING_MS = 500;

const logger = new Logger({ serviceName: "tenantkeys-verify" });
const config = readVerifyConfig(process.env);
const portsOf = createVerificationWorkerPorts(config, reportsIn(logger));
const processor = new BatchProcessor(EventType.SQS);

export const handler = middy(async (event: SQSEvent, context: Context) => {
  const run = startRun(systemClock, context.getRemainingTimeInMillis() - CLOSING_MS - ANSWERING_MS, CLOSING_MS);
  const ports = await portsOf(run);
  const work = async (record: SQSRecord) => {
    const outcome = await workVerificationMessage(ports, run, verificationDelivery(record, config));
    logVerification(logger, record, outcome, context.awsRequestId);
    if (outcome.kind !== "done") throw outcome.error;
  };
  return processPartialResponse(event, work, processor, { context, throwOnFullBatchFailure: false });
});
