/** The whole stage. Each file beside this one is one concern. */
import { bus } from "./bus.ts";
import { operatorPolicy } from "./permissions.ts";
import { queue, queueDeadLetter, ruleDeadLetter, target, worker } from "./provisioning.ts";
import { deployedSettings, registry } from "./registry.ts";

export const outputs = {
  bus: bus.name,
  registry: registry.name,
  queue: queue.url,
  deadLetterQueues: [queueDeadLetter.url, ruleDeadLetter.url],
  operatorPolicy: operatorPolicy.arn,
};

// Made for their own sake: nothing refers to them.
export const resources = { target, worker, deployedSettings };
