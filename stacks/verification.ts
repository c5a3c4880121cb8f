/**
 * Verification: a schedule calls the sweep function, which cuts what is to be verified into shards; the verify function
 * takes them from a queue, and events about touched keys from another, so that a full sweep keeps none of these waiting.
 */
import { SWEEP_TICK_MINUTES } from "@tenantkeys/core";
import { logRetention } from "./log-retention.ts";
import { queue } from "./provisioning.ts";
import { queueTransform, visibilityFor } from "./queues.ts";
import { registry } from "./registry.ts";
import { accountId, names, settings } from "./stage.ts";
import { sweeperRoleArgs, sweepScheduleRoleArgs, verifierRoleArgs } from "./verification-permissions.ts";

/** Lambda's longest. A sweep that needs more is gone on with by the next tick. */
const SWEEP_TIMEOUT_SECONDS = 900;
/** Many times what a shard takes, and short enough that a lost one comes back within half an hour. */
const VERIFY_TIMEOUT_SECONDS = 300;
/** AWS's advice for an SQS event source is at least this: throttling alone then fills no dead-letter queue. */
const RECEIVES_MAX = 5;
/** Lambda's least. Events about keys are few, and every further function would take from the share of the quotas. */
const GUARD_CONCURRENCY = 2;

/** Shards that the verify function gave up. */
export const verificationDeadLetter = new sst.aws.Queue("VerificationDeadLetter", {
  transform: queueTransform(names.verificationDeadLetter),
});

export const verificationQueue = new sst.aws.Queue("Verification", {
  visibilityTimeout: visibilityFor(VERIFY_TIMEOUT_SECONDS),
  dlq: { queue: verificationDeadLetter.arn, retry: RECEIVES_MAX },
  transform: queueTransform(names.verificationQueue),
});

/** Events about keys that EventBridge couldn't hand over, or that the verify function gave up. */
export const guardDeadLetter = new sst.aws.Queue("GuardDeadLetter", {
  transform: queueTransform(names.guardDeadLetter),
});

export const guardQueue = new sst.aws.Queue("Guard", {
  visibilityTimeout: visibilityFor(VERIFY_TIMEOUT_SECONDS),
  dlq: { queue: guardDeadLetter.arn, retry: RECEIVES_MAX },
  transform: queueTransform(names.guardQueue),
});

const code = {
  runtime: "nodejs24.x",
  architecture: "arm64",
  memory: "512 MB",
  nodejs: { minify: true },
  logging: { format: "json", retention: logRetention(settings.logRetentionDays) },
} as const;

/** Everything else the functions read from the registry: the settings that the stage was deployed with. */
const environment = {
  NODE_OPTIONS: "--enable-source-maps",
  TENANTKEYS_STAGE: settings.stage,
  TENANTKEYS_ACCOUNT_ID: accountId,
  TENANTKEYS_REGISTRY_TABLE: registry.name,
  TENANTKEYS_QUEUE_URL: queue.url,
};

export const sweep = new sst.aws.CronV2("Sweep", {
  // Not the interval of the sweeps: a tick starts one when it is due, and goes on with one that stopped half way.
  schedule: `rate(${SWEEP_TICK_MINUTES} minutes)`,
  // The next tick is soon enough.
  retries: 0,
  function: {
    ...code,
    name: names.sweepFunction,
    description: "tenantkeys: starts, goes on with and closes sweeps",
    handler: "packages/functions/src/sweep.handler",
    timeout: `${SWEEP_TIMEOUT_SECONDS} seconds`,
    environment: { ...environment, TENANTKEYS_VERIFICATION_QUEUE_URL: verificationQueue.url },
    transform: {
      role: (role) => {
        Object.assign(role, sweeperRoleArgs);
      },
    },
  },
  transform: {
    schedule: (schedule) => {
      schedule.name = names.sweepSchedule;
    },
    role: (role) => {
      Object.assign(role, sweepScheduleRoleArgs);
    },
  },
});

export const verify = new sst.aws.Function("Verify", {
  ...code,
  name: names.verifyFunction,
  description: "tenantkeys: verifies shards of a sweep, and keys that somebody touched",
  handler: "packages/functions/src/verify.handler",
  timeout: `${VERIFY_TIMEOUT_SECONDS} seconds`,
  environment,
  transform: {
    role: (role) => {
      Object.assign(role, verifierRoleArgs);
    },
  },
});

/** One message at a time: a shard is as much as a run should hold. */
function verifyFrom(name: string, source: sst.aws.Queue, maximumConcurrency: number) {
  return new aws.lambda.EventSourceMapping(name, {
    eventSourceArn: source.arn,
    functionName: verify.arn,
    batchSize: 1,
    functionResponseTypes: ["ReportBatchItemFailures"],
    scalingConfig: { maximumConcurrency },
  });
}

export const verifyShards = verifyFrom("VerifyShards", verificationQueue, settings.verifyConcurrency);
export const verifyTouched = verifyFrom("VerifyTouched", guardQueue, GUARD_CONCURRENCY);
