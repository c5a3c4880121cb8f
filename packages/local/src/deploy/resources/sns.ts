import {
  CreateTopicCommand,
  SetSubscriptionAttributesCommand,
  SetTopicAttributesCommand,
  SNSClient,
  SubscribeCommand,
  TagResourceCommand,
} from "@aws-sdk/client-sns";
import type { ResourceContext, ResourceHandlers } from "../resource-context.ts";
import type { ResourceRequest, ResourceResult } from "../resource-provider.ts";
import {
  asRecord,
  HANDLED,
  type InputRules,
  ignored,
  jsonText,
  physicalName,
  REGION_IGNORED,
  requiredText,
  tagList,
  text,
  translateInputs,
} from "../translate-inputs.ts";

/** Names of https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html */
const TOPIC_RULES: InputRules<Record<string, string>> = {
  name: HANDLED,
  region: REGION_IGNORED,
  tags: HANDLED,
  fifoTopic: HANDLED,
  displayName: "DisplayName",
  kmsMasterKeyId: "KmsMasterKeyId",
  policy: text("Policy"),
  deliveryPolicy: text("DeliveryPolicy"),
  signatureVersion: text("SignatureVersion"),
  tracingConfig: "TracingConfig",
  contentBasedDeduplication: text("ContentBasedDeduplication"),
};

const SUBSCRIPTION_RULES: InputRules<Record<string, string>> = {
  topic: HANDLED,
  protocol: HANDLED,
  endpoint: HANDLED,
  region: REGION_IGNORED,
  deliveryPolicy: text("DeliveryPolicy"),
  filterPolicy: text("FilterPolicy"),
  filterPolicyScope: "FilterPolicyScope",
  rawMessageDelivery: text("RawMessageDelivery"),
  redrivePolicy: text("RedrivePolicy"),
  subscriptionRoleArn: "SubscriptionRoleArn",
  confirmationTimeoutInMinutes: ignored("how long Pulumi waits for a person"),
  endpointAutoConfirms: ignored("whether Pulumi waits for a person"),
};

async function createTopic(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const sns = context.client(SNSClient);
  const Name = physicalName(request);
  const attributes = translateInputs<Record<string, string>>(request, TOPIC_RULES);
  // CreateTopic gives an existing topic back, but only where nothing it is told differs: so the rest is set afterwards.
  const fifo = request.inputs.fifoTopic === true ? { FifoTopic: "true" } : {};
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name, Attributes: fifo }));
  for (const [AttributeName, AttributeValue] of Object.entries(attributes)) {
    await sns.send(new SetTopicAttributesCommand({ TopicArn, AttributeName, AttributeValue }));
  }
  if (request.inputs.tags !== undefined) {
    const Tags = tagList(asRecord(request.inputs.tags, `${request.type} ${request.name}.tags`));
    await sns.send(new TagResourceCommand({ ResourceArn: TopicArn, Tags }));
  }
  if (TopicArn === undefined) throw new Error("SNS gave no topic ARN back");
  return { id: TopicArn, state: { arn: TopicArn, name: Name, owner: context.accountId } };
}

async function subscribe(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const sns = context.client(SNSClient);
  const attributes = translateInputs<Record<string, string>>(request, SUBSCRIPTION_RULES);
  const { SubscriptionArn } = await sns.send(
    new SubscribeCommand({
      TopicArn: requiredText(request, "topic"),
      Protocol: requiredText(request, "protocol"),
      Endpoint: requiredText(request, "endpoint"),
      ReturnSubscriptionArn: true,
    }),
  );
  // Set afterwards, since Subscribe refuses a known endpoint with other attributes.
  for (const [AttributeName, AttributeValue] of Object.entries(attributes)) {
    await sns.send(new SetSubscriptionAttributesCommand({ SubscriptionArn, AttributeName, AttributeValue }));
  }
  if (SubscriptionArn === undefined) throw new Error("SNS gave no subscription ARN back");
  return { id: SubscriptionArn, state: { arn: SubscriptionArn } };
}

async function setTopicPolicy(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  translateInputs(request, { arn: HANDLED, policy: HANDLED, region: REGION_IGNORED });
  const TopicArn = requiredText(request, "arn");
  const AttributeValue = jsonText(request.inputs.policy);
  const policy = { TopicArn, AttributeName: "Policy", AttributeValue };
  await context.client(SNSClient).send(new SetTopicAttributesCommand(policy));
  return { id: TopicArn, state: {} };
}

export const handlers: ResourceHandlers = {
  "aws:sns/topic:Topic": { create: createTopic },
  "aws:sns/topicSubscription:TopicSubscription": { create: subscribe },
  "aws:sns/topicPolicy:TopicPolicy": { create: setTopicPolicy },
};
