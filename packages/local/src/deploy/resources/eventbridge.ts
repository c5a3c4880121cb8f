import {
  CreateArchiveCommand,
  type CreateArchiveCommandInput,
  CreateEventBusCommand,
  type CreateEventBusCommandInput,
  type DeadLetterConfig,
  DescribeEventBusCommand,
  EventBridgeClient,
  type InputTransformer,
  type LogConfig,
  PutPermissionCommand,
  PutRuleCommand,
  type PutRuleCommandInput,
  PutTargetsCommand,
  type RetryPolicy,
  type SqsParameters,
  TagResourceCommand,
  type Target,
  UpdateArchiveCommand,
  UpdateEventBusCommand,
} from "@aws-sdk/client-eventbridge";
import { createOrAdopt, type ResourceContext, type ResourceHandlers } from "../resource-context.ts";
import type { ResourceRequest, ResourceResult } from "../resource-provider.ts";
import {
  block,
  HANDLED,
  type InputRules,
  ignored,
  json,
  jsonText,
  physicalName,
  REGION_IGNORED,
  requiredText,
  tags,
  translateInputs,
} from "../translate-inputs.ts";

const DEAD_LETTER_RULES: InputRules<DeadLetterConfig> = { arn: "Arn" };
const LOG_RULES: InputRules<LogConfig> = { level: "Level", includeDetail: "IncludeDetail" };

const BUS_RULES: InputRules<CreateEventBusCommandInput> = {
  name: HANDLED,
  region: REGION_IGNORED,
  description: "Description",
  eventSourceName: "EventSourceName",
  kmsKeyIdentifier: "KmsKeyIdentifier",
  deadLetterConfig: block("DeadLetterConfig", DEAD_LETTER_RULES),
  logConfig: block("LogConfig", LOG_RULES),
  tags: tags("Tags"),
};

const RULE_RULES: InputRules<PutRuleCommandInput> = {
  name: HANDLED,
  region: REGION_IGNORED,
  description: "Description",
  eventBusName: "EventBusName",
  eventPattern: json("EventPattern"),
  scheduleExpression: "ScheduleExpression",
  roleArn: "RoleArn",
  state: "State",
  isEnabled: { to: "State", convert: (enabled) => (enabled === false ? "DISABLED" : "ENABLED") },
  tags: tags("Tags"),
  forceDestroy: ignored("only acts when the rule is deleted"),
};

const RETRY_RULES: InputRules<RetryPolicy> = {
  maximumEventAgeInSeconds: "MaximumEventAgeInSeconds",
  maximumRetryAttempts: "MaximumRetryAttempts",
};
const TRANSFORMER_RULES: InputRules<InputTransformer> = {
  inputPaths: "InputPathsMap",
  inputTemplate: "InputTemplate",
};
const SQS_RULES: InputRules<SqsParameters> = { messageGroupId: "MessageGroupId" };

const TARGET_RULES: InputRules<Target> = {
  rule: HANDLED,
  eventBusName: HANDLED,
  region: REGION_IGNORED,
  targetId: "Id",
  arn: "Arn",
  roleArn: "RoleArn",
  input: "Input",
  inputPath: "InputPath",
  inputTransformer: block("InputTransformer", TRANSFORMER_RULES),
  deadLetterConfig: block("DeadLetterConfig", DEAD_LETTER_RULES),
  retryPolicy: block("RetryPolicy", RETRY_RULES),
  sqsTarget: block("SqsParameters", SQS_RULES),
  forceDestroy: ignored("only acts when the target is deleted"),
};

const ARCHIVE_RULES: InputRules<CreateArchiveCommandInput> = {
  name: HANDLED,
  region: REGION_IGNORED,
  description: "Description",
  eventPattern: json("EventPattern"),
  eventSourceArn: "EventSourceArn",
  kmsKeyIdentifier: "KmsKeyIdentifier",
  retentionDays: "RetentionDays",
};

async function createBus(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const events = context.client(EventBridgeClient);
  const Name = physicalName(request);
  const params = translateInputs(request, BUS_RULES);
  await createOrAdopt(
    async () => void (await events.send(new CreateEventBusCommand({ ...params, Name }))),
    ["ResourceAlreadyExistsException"],
    async () => {
      const { Tags, EventSourceName: _fixed, ...changeable } = params;
      await events.send(new UpdateEventBusCommand({ ...changeable, Name }));
      const ResourceARN = `arn:aws:events:${context.region}:${context.accountId}:event-bus/${Name}`;
      if (Tags !== undefined) await events.send(new TagResourceCommand({ ResourceARN, Tags }));
    },
  );
  return readBus(Name, context);
}

async function readBus(id: string, context: ResourceContext): Promise<ResourceResult> {
  const { Arn } = await context.client(EventBridgeClient).send(new DescribeEventBusCommand({ Name: id }));
  return { id, state: { arn: Arn, name: id } };
}

async function putRule(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const events = context.client(EventBridgeClient);
  const Name = physicalName(request);
  const params = translateInputs(request, RULE_RULES);
  const { RuleArn } = await events.send(new PutRuleCommand({ ...params, Name }));
  // PutRule sets tags only on a rule that it makes: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
  if (params.Tags !== undefined) await events.send(new TagResourceCommand({ ResourceARN: RuleArn, Tags: params.Tags }));
  return { id: `${params.EventBusName ?? "default"}/${Name}`, state: { arn: RuleArn, name: Name } };
}

async function putTarget(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const Rule = requiredText(request, "rule");
  const EventBusName = request.inputs.eventBusName as string | undefined;
  const target: Target = {
    Id: request.name,
    Arn: requiredText(request, "arn"),
    ...translateInputs(request, TARGET_RULES),
  };
  const events = context.client(EventBridgeClient);
  const { FailedEntries = [] } = await events.send(new PutTargetsCommand({ Rule, EventBusName, Targets: [target] }));
  const [failed] = FailedEntries;
  // PutTargets answers 200 also for a target that it refused.
  if (failed !== undefined) throw new Error(`${failed.ErrorCode}: ${failed.ErrorMessage}`);
  return { id: `${Rule}-${target.Id}`, state: { targetId: target.Id } };
}

async function createArchive(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const events = context.client(EventBridgeClient);
  const ArchiveName = physicalName(request);
  const params = translateInputs(request, ARCHIVE_RULES);
  const EventSourceArn = requiredText(request, "eventSourceArn");
  await createOrAdopt(
    async () => void (await events.send(new CreateArchiveCommand({ ...params, ArchiveName, EventSourceArn }))),
    ["ResourceAlreadyExistsException"],
    async () => {
      const { EventSourceArn: _fixed, ...changeable } = params;
      await events.send(new UpdateArchiveCommand({ ...changeable, ArchiveName }));
    },
  );
  const arn = `arn:aws:events:${context.region}:${context.accountId}:archive/${ArchiveName}`;
  return { id: ArchiveName, state: { arn, name: ArchiveName } };
}

async function putBusPolicy(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  translateInputs(request, { eventBusName: HANDLED, policy: HANDLED, region: REGION_IGNORED });
  const EventBusName = (request.inputs.eventBusName as string | undefined) ?? "default";
  const Policy = jsonText(request.inputs.policy);
  await context.client(EventBridgeClient).send(new PutPermissionCommand({ EventBusName, Policy }));
  return { id: EventBusName, state: {} };
}

export const handlers: ResourceHandlers = {
  "aws:cloudwatch/eventBus:EventBus": { create: createBus, read: readBus },
  "aws:cloudwatch/eventRule:EventRule": { create: putRule },
  "aws:cloudwatch/eventTarget:EventTarget": { create: putTarget },
  "aws:cloudwatch/eventArchive:EventArchive": { create: createArchive },
  "aws:cloudwatch/eventBusPolicy:EventBusPolicy": { create: putBusPolicy },
};
