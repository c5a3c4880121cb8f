/** The whole stage. Each file beside this one is one concern. */
import { alarms, alarmTopic, page, subscriptions } from "./alarms.ts";
import { applicationPolicy } from "./application.ts";
import { branchKeyMakerPolicy, branchKeyReaderPolicy, branchKeyTable } from "./branch-keys.ts";
import { archive, bus } from "./bus.ts";
import { canary } from "./canary.ts";
import { dashboard } from "./dashboard.ts";
import { guardTarget, keyUseTarget } from "./guard.ts";
import { auditorRole, operatorPolicy, tenantBoundary } from "./permissions.ts";
import { queue, queueDeadLetter, ruleDeadLetter, target, worker } from "./provisioning.ts";
import { deployedSettings, registry } from "./registry.ts";
import { review } from "./review.ts";
import { sharedTenantRole } from "./shared-role.ts";
import {
  guardDeadLetter,
  sweep,
  verificationDeadLetter,
  verificationQueue,
  verify,
  verifyShards,
  verifyTouched,
} from "./verification.ts";

export const outputs = {
  bus: bus.name,
  registry: registry.name,
  queue: queue.url,
  verificationQueue: verificationQueue.url,
  deadLetterQueues: [queueDeadLetter.url, ruleDeadLetter.url, verificationDeadLetter.url, guardDeadLetter.url],
  operatorPolicy: operatorPolicy.arn,
  applicationPolicy: applicationPolicy.arn,
  alarmTopic: alarmTopic.arn,
};

// Made for their own sake: nothing refers to them.
export const resources = {
  alarms,
  archive,
  auditorRole,
  branchKeyMakerPolicy,
  branchKeyReaderPolicy,
  branchKeyTable,
  canary,
  dashboard,
  deployedSettings,
  guardTarget,
  keyUseTarget,
  page,
  review,
  sharedTenantRole,
  subscriptions,
  sweep,
  target,
  tenantBoundary,
  verify,
  verifyShards,
  verifyTouched,
  worker,
};
