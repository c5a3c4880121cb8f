/**
 * The schedule that looks whether a waiting key's time has come: a watch period is over, a key should be gone, imported
 * material has expired. Its function has no right in KMS or IAM: it reads times and sends messages.
 */
import { logRetention } from "./log-retention.ts";
import { reviewerRoleArgs, reviewScheduleRoleArgs } from "./permissions.ts";
import { queue } from "./provisioning.ts";
import { registry } from "./registry.ts";
import { accountId, names, settings } from "./stage.ts";

const TIMEOUT_SECONDS = 60;

export const review = new sst.aws.CronV2("Review", {
  schedule: `rate(${settings.reviewIntervalMinutes} minutes)`,
  // A turn that failed is made good by the next one; these bridge a short fault of AWS.
  retries: 2,
  function: {
    name: names.reviewFunction,
    description: "tenantkeys: puts keys whose waiting time is over back on the provisioning queue",
    handler: "packages/functions/src/review.handler",
    runtime: "nodejs24.x",
    architecture: "arm64",
    memory: "256 MB",
    timeout: `${TIMEOUT_SECONDS} seconds`,
    nodejs: { minify: true },
    logging: { format: "json", retention: logRetention(settings.logRetentionDays) },
    environment: {
      NODE_OPTIONS: "--enable-source-maps",
      TENANTKEYS_STAGE: settings.stage,
      TENANTKEYS_ACCOUNT_ID: accountId,
      TENANTKEYS_QUEUE_URL: queue.url,
      TENANTKEYS_REGISTRY_TABLE: registry.name,
    },
    transform: {
      role: (role) => {
        Object.assign(role, reviewerRoleArgs);
      },
    },
  },
  transform: {
    schedule: (schedule) => {
      schedule.name = names.reviewSchedule;
    },
    role: (role) => {
      Object.assign(role, reviewScheduleRoleArgs);
    },
  },
});
