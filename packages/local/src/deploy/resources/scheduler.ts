import {
  CreateScheduleCommand,
  type CreateScheduleCommandInput,
  CreateScheduleGroupCommand,
  type CreateScheduleGroupCommandInput,
  type DeadLetterConfig,
  type EventBridgeParameters,
  type FlexibleTimeWindow,
  type RetryPolicy,
  SchedulerClient,
  type SqsParameters,
  type Target,
  UpdateScheduleCommand,
} from "@aws-sdk/client-scheduler";
import { createOrAdopt, type ResourceContext, type ResourceHandlers } from "../resource-context.ts";
import type { ResourceRequest, ResourceResult } from "../resource-provider.ts";
import {
  block,
  HANDLED,
  type InputRules,
  physicalName,
  REGION_IGNORED,
  requiredText,
  tags,
  translateInputs,
} from "../translate-inputs.ts";

const WINDOW_RULES: InputRules<FlexibleTimeWindow> = {
  mode: "Mode",
  maximumWindowInMinutes: "MaximumWindowInMinutes",
};
const RETRY_RULES: InputRules<RetryPolicy> = {
  maximumEventAgeInSeconds: "MaximumEventAgeInSeconds",
  maximumRetryAttempts: "MaximumRetryAttempts",
};
const DEAD_LETTER_RULES: InputRules<DeadLetterConfig> = { arn: "Arn" };
const SQS_RULES: InputRules<SqsParameters> = { messageGroupId: "MessageGroupId" };
const EVENT_RULES: InputRules<EventBridgeParameters> = { detailType: "DetailType", source: "Source" };
const TARGET_RULES: InputRules<Target> = {
  arn: "Arn",
  roleArn: "RoleArn",
  input: "Input",
  deadLetterConfig: block("DeadLetterConfig", DEAD_LETTER_RULES),
  retryPolicy: block("RetryPolicy", RETRY_RULES),
  sqsParameters: block("SqsParameters", SQS_RULES),
  eventbridgeParameters: block("EventBridgeParameters", EVENT_RULES),
};

const SCHEDULE_RULES: InputRules<CreateScheduleCommandInput> = {
  name: HANDLED,
  region: REGION_IGNORED,
  description: "Description",
  groupName: "GroupName",
  kmsKeyArn: "KmsKeyArn",
  scheduleExpression: "ScheduleExpression",
  scheduleExpressionTimezone: "ScheduleExpressionTimezone",
  state: "State",
  startDate: { to: "StartDate", convert: (value) => new Date(String(value)) },
  endDate: { to: "EndDate", convert: (value) => new Date(String(value)) },
  actionAfterCompletion: "ActionAfterCompletion",
  flexibleTimeWindow: block("FlexibleTimeWindow", WINDOW_RULES),
  target: block("Target", TARGET_RULES),
};

const GROUP_RULES: InputRules<CreateScheduleGroupCommandInput> = {
  name: HANDLED,
  region: REGION_IGNORED,
  tags: tags("Tags"),
};

async function createSchedule(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const scheduler = context.client(SchedulerClient);
  const Name = physicalName(request);
  const { FlexibleTimeWindow, Target, ...params } = translateInputs(request, SCHEDULE_RULES);
  if (FlexibleTimeWindow === undefined || Target === undefined) {
    throw new Error("a schedule needs a flexibleTimeWindow and a target");
  }
  const ScheduleExpression = requiredText(request, "scheduleExpression");
  const schedule = { ...params, Name, FlexibleTimeWindow, Target, ScheduleExpression };
  const arn = await createOrAdopt(
    async () => (await scheduler.send(new CreateScheduleCommand(schedule))).ScheduleArn,
    ["ConflictException"],
    async () => (await scheduler.send(new UpdateScheduleCommand(schedule))).ScheduleArn,
  );
  return { id: `${params.GroupName ?? "default"}/${Name}`, state: { arn, name: Name } };
}

async function createGroup(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const Name = physicalName(request);
  const params = translateInputs(request, GROUP_RULES);
  await createOrAdopt(
    async () => void (await context.client(SchedulerClient).send(new CreateScheduleGroupCommand({ ...params, Name }))),
    ["ConflictException"],
    // A group is its name and tags: nothing to update.
    async () => undefined,
  );
  const arn = `arn:aws:scheduler:${context.region}:${context.accountId}:schedule-group/${Name}`;
  return { id: Name, state: { arn, name: Name } };
}

export const handlers: ResourceHandlers = {
  "aws:scheduler/schedule:Schedule": { create: createSchedule },
  "aws:scheduler/scheduleGroup:ScheduleGroup": { create: createGroup },
};
