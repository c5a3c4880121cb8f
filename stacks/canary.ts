/**
 * The canary: a schedule calls its function, which tries on two tenants of the stage's own what must be refused. Its role
 * reaches these two and no other.
 */
import { canaryProfile, TenantKeysError } from "@tenantkeys/core";
import { canaryRoleArgs, canaryScheduleRoleArgs } from "./canary-permissions.ts";
import { logRetention } from "./log-retention.ts";
import { queue } from "./provisioning.ts";
import { registry } from "./registry.ts";
import { retained } from "./retained.ts";
import { accountId, names, settings } from "./stage.ts";

/** A run takes some seconds; with AWS throttling it stops trying in time to tell of it. */
const TIMEOUT_SECONDS = 120;

function canaryOf(): sst.aws.CronV2 {
  if (canaryProfile(settings.profiles) === undefined) {
    const message =
      "stage settings: canary: no profile lets a tenant itself encrypt and decrypt (docs/settings.md): add one, or set canary to false";
    throw new TenantKeysError("settings_invalid", message);
  }
  return new sst.aws.CronV2("Canary", {
    schedule: `rate(${settings.canaryIntervalMinutes} minutes)`,
    // A turn that failed is made good by the next one; these bridge a short fault of AWS.
    retries: 2,
    function: {
      name: names.canaryFunction,
      description: "tenantkeys: tries on its own two tenants what must be refused",
      handler: "packages/functions/src/canary.handler",
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
        role: (role, options) => {
          Object.assign(role, canaryRoleArgs);
          Object.assign(options, retained.canaryRole);
        },
      },
    },
    transform: {
      schedule: (schedule) => {
        schedule.name = names.canarySchedule;
      },
      role: (role) => {
        Object.assign(role, canaryScheduleRoleArgs);
      },
    },
  });
}

/** Undefined where the stage says that there is none. */
export const canary = settings.canary ? canaryOf() : undefined;
