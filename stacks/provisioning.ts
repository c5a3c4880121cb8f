/** From a sign-up on the bus to the worker: rule, queue, function, and a dead-letter queue behind each hand-over. */
import { rulePattern, workerSettings } from "@tenantkeys/core";
import { bus } from "./bus.ts";
import { logRetention } from "./log-retention.ts";
import { provisionerRoleArgs, tenantBoundary } from "./permissions.ts";
import { letRulesSend } from "./queue-policy.ts";
import { queueTransform, visibilityFor } from "./queues.ts";
import { registry } from "./registry.ts";
import { retained } from "./retained.ts";
import { accountId, names, settings } from "./stage.ts";

/** Sign-ups that the worker gave up. */
export const queueDeadLetter = new sst.aws.Queue("ProvisioningDeadLetter", {
  transform: queueTransform(names.queueDeadLetter),
});

/** Sign-ups that EventBridge couldn't hand to the queue. */
export const ruleDeadLetter = new sst.aws.Queue("SignUpsDeadLetter", {
  transform: queueTransform(names.ruleDeadLetter),
});

export const queue = new sst.aws.Queue("Provisioning", {
  visibilityTimeout: visibilityFor(settings.provisionTimeoutSeconds),
  dlq: { queue: queueDeadLetter.arn, retry: settings.receivesMax },
  transform: queueTransform(names.queue),
});

const rule = new aws.cloudwatch.EventRule("SignUps", {
  name: names.rule,
  description: "Events about tenants, for the worker",
  eventBusName: bus.name,
  eventPattern: JSON.stringify(rulePattern(settings)),
});

const mayFeedQueue = letRulesSend("ProvisioningPolicy", "SignUpRuleSends", queue, [rule]);
const mayFeedDeadLetter = letRulesSend("SignUpsDeadLetterPolicy", "SignUpRuleSends", ruleDeadLetter, [rule]);

export const target = new aws.cloudwatch.EventTarget(
  "SignUpsTarget",
  {
    rule: rule.name,
    eventBusName: bus.name,
    targetId: "provisioning",
    arn: queue.arn,
    deadLetterConfig: { arn: ruleDeadLetter.arn },
    // EventBridge's own longest: a day and 185 tries.
    retryPolicy: { maximumEventAgeInSeconds: 86_400, maximumRetryAttempts: 185 },
  },
  { dependsOn: [mayFeedQueue, mayFeedDeadLetter] },
);

export const worker = queue.subscribe(
  {
    name: names.provisionFunction,
    description: "tenantkeys: makes a tenant's key, alias and role",
    handler: "packages/functions/src/provision.handler",
    runtime: "nodejs24.x",
    architecture: "arm64",
    memory: "512 MB",
    timeout: `${settings.provisionTimeoutSeconds} seconds`,
    nodejs: { minify: true },
    logging: { format: "json", retention: logRetention(settings.logRetentionDays) },
    environment: {
      NODE_OPTIONS: "--enable-source-maps",
      TENANTKEYS_STAGE_CONFIG: queue.url.apply((queueUrl) =>
        JSON.stringify({ settings: workerSettings(settings), accountId, queueUrl }),
      ),
    },
    transform: {
      role: (role, options) => {
        Object.assign(role, provisionerRoleArgs);
        // The boundary first: that the role is there then says that the boundary is (stacks/retained.ts).
        Object.assign(options, retained.provisionerRole, { dependsOn: [tenantBoundary] });
      },
    },
  },
  {
    batch: { size: settings.batchSize, partialResponses: true },
    transform: {
      eventSourceMapping: (mapping) => {
        mapping.scalingConfig = { maximumConcurrency: settings.maximumConcurrency };
      },
    },
  },
  { dependsOn: [registry.nodes.table] },
);
