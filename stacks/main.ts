/** The whole stage. Each file beside this one is one concern. */
import { archive, bus } from "./bus.ts";
import { auditorRole, operatorPolicy, sharedTenantRole, tenantBoundary } from "./permissions.ts";
import { queue, queueDeadLetter, ruleDeadLetter, target, worker } from "./provisioning.ts";
import { deployedSettings, registry } from "./registry.ts";
import { review } from "./review.ts";

export const outputs = {
  bus: bus.name,
  registry: registry.name,
  queue: queue.url,
  deadLetterQueues: [queueDeadLetter.url, ruleDeadLetter.url],
  operatorPolicy: operatorPolicy.arn,
};

// Made for their own sake: nothing refers to them.
export const resources = {
  archive,
  auditorRole,
  deployedSettings,
  review,
  sharedTenantRole,
  target,
  tenantBoundary,
  worker,
};
