/** From a sign-up on the bus to the worker: rule, queue, function, and a dead-letter queue behind each hand-over. */
import { policyDocument, rulePattern, workerSettings } from "@tenantkeys/core";
import { bus } from "./bus.ts";
import { logRetention } from "./log-retention.ts";
import { provisionerRoleArgs, tenantBoundary } from "./permissions.ts";
import { registry } from "./registry.ts";
import { retained } from "./retained.ts";
import { accountId, names, settings } from "./stage.ts";

/** SQS's longest: what waits for a person shouldn't disappear over a holiday. */
const DEAD_LETTER_RETENTION_SECONDS = 14 * 24 * 60 * 60;
/** AWS's own advice for an SQS event source: at least six times the function's time-out. */
const VISIBILITY_SECONDS = 6 * settings.provisionTimeoutSeconds;

/** Sign-ups that the worker gave up. */
export const queueDeadLetter = new sst.aws.Queue("ProvisioningDeadLetter", {
  transform: {
    queue: {
      name: names.queueDeadLetter,
      messageRetentionSeconds: DEAD_LETTER_RETENTION_SECONDS,
      sqsManagedSseEnabled: true,
    },
  },
});

/** Sign-ups that EventBridge couldn't hand to the queue. */
export const ruleDeadLetter = new sst.aws.Queue("SignUpsDeadLetter", {
  transform: {
    queue: {
      name: names.ruleDeadLetter,
      messageRetentionSeconds: DEAD_LETTER_RETENTION_SECONDS,
      sqsManagedSseEnabled: true,
    },
  },
});

export const queue = new sst.aws.Queue("Provisioning", {
  visibilityTimeout: `${VISIBILITY_SECONDS} seconds`,
  dlq: { queue: queueDeadLetter.arn, retry: settings.receivesMax },
  transform: {
    queue: { name: names.queue, messageRetentionSeconds: DEAD_LETTER_RETENTION_SECONDS, sqsManagedSseEnabled: true },
  },
});

const rule = new aws.cloudwatch.EventRule("SignUps", {
  name: names.rule,
  description: "Events about tenants, for the worker",
  eventBusName: bus.name,
  eventPattern: JSON.stringify(rulePattern(settings)),
});

/** Only this bus's own rule may put messages in: SST's queue policy would let every rule, topic and bucket. */
function letRuleSend(name: string, target: sst.aws.Queue) {
  return new aws.sqs.QueuePolicy(name, {
    queueUrl: target.url,
    policy: $resolve([target.arn, rule.arn]).apply(([queueArn, ruleArn]) =>
      JSON.stringify(
        policyDocument([
          {
            Sid: "SignUpRuleSends",
            Effect: "Allow",
            Principal: { Service: "events.amazonaws.com" },
            Action: "sqs:SendMessage",
            Resource: queueArn,
            Condition: { ArnEquals: { "aws:SourceArn": ruleArn }, StringEquals: { "aws:SourceAccount": accountId } },
          },
        ]),
      ),
    ),
  });
}

const mayFeedQueue = letRuleSend("ProvisioningPolicy", queue);
const mayFeedDeadLetter = letRuleSend("SignUpsDeadLetterPolicy", ruleDeadLetter);

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
