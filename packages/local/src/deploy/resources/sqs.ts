import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  SetQueueAttributesCommand,
  SQSClient,
  TagQueueCommand,
} from "@aws-sdk/client-sqs";
import { createOrAdopt, type ResourceContext, type ResourceHandlers } from "../resource-context.ts";
import type { ResourceRequest, ResourceResult } from "../resource-provider.ts";
import {
  asRecord,
  HANDLED,
  type InputRules,
  jsonText,
  physicalName,
  REGION_IGNORED,
  requiredText,
  text,
  translateInputs,
} from "../translate-inputs.ts";

/** Names of https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html */
const QUEUE_RULES: InputRules<Record<string, string>> = {
  name: HANDLED,
  region: REGION_IGNORED,
  tags: HANDLED,
  fifoQueue: HANDLED,
  contentBasedDeduplication: HANDLED,
  deduplicationScope: "DeduplicationScope",
  fifoThroughputLimit: "FifoThroughputLimit",
  delaySeconds: text("DelaySeconds"),
  kmsDataKeyReusePeriodSeconds: text("KmsDataKeyReusePeriodSeconds"),
  kmsMasterKeyId: "KmsMasterKeyId",
  maxMessageSize: text("MaximumMessageSize"),
  messageRetentionSeconds: text("MessageRetentionPeriod"),
  policy: text("Policy"),
  receiveWaitTimeSeconds: text("ReceiveMessageWaitTimeSeconds"),
  redriveAllowPolicy: text("RedriveAllowPolicy"),
  redrivePolicy: text("RedrivePolicy"),
  sqsManagedSseEnabled: text("SqsManagedSseEnabled"),
  visibilityTimeoutSeconds: text("VisibilityTimeout"),
};

async function createQueue(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const sqs = context.client(SQSClient);
  const QueueName = physicalName(request);
  const { fifoQueue, contentBasedDeduplication } = request.inputs;
  // SQS refuses these two on a standard queue, also as "false".
  const fifoOnly = fifoQueue === true && {
    FifoQueue: "true",
    ContentBasedDeduplication: String(contentBasedDeduplication ?? false),
  };
  const attributes = { ...translateInputs(request, QUEUE_RULES), ...fifoOnly } as Record<string, string>;
  const tags = request.inputs.tags === undefined ? {} : stringTags(request);
  const url = await createOrAdopt(
    async () => (await sqs.send(new CreateQueueCommand({ QueueName, Attributes: attributes, tags }))).QueueUrl,
    ["QueueNameExists", "QueueAlreadyExists"],
    async () => {
      const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName }));
      const { FifoQueue: _fixed, ...changeable } = attributes;
      await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: changeable }));
      if (Object.keys(tags).length > 0) await sqs.send(new TagQueueCommand({ QueueUrl, Tags: tags }));
      return QueueUrl;
    },
  );
  return queueResult(sqs, QueueName, url);
}

function stringTags(request: ResourceRequest): Record<string, string> {
  const path = `${request.type} ${request.name}.tags`;
  const entries = Object.entries(asRecord(request.inputs.tags, path));
  return Object.fromEntries(entries.map(([key, value]) => [key, String(value)]));
}

async function queueResult(sqs: SQSClient, name: string, url: string | undefined): Promise<ResourceResult> {
  if (url === undefined) throw new Error("SQS gave no queue URL back");
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["QueueArn"] }));
  return { id: url, state: { arn: Attributes?.QueueArn, url, name } };
}

async function setQueuePolicy(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const sqs = context.client(SQSClient);
  translateInputs(request, { queueUrl: HANDLED, policy: HANDLED, region: REGION_IGNORED });
  const QueueUrl = await localUrl(sqs, requiredText(request, "queueUrl"));
  const Policy = jsonText(request.inputs.policy);
  await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy } }));
  return { id: requiredText(request, "queueUrl"), state: {} };
}

/** SST makes a queue's URL out of its ARN, with AWS's own host in it; the local AWS has another. */
async function localUrl(sqs: SQSClient, url: string): Promise<string | undefined> {
  const QueueName = url.split("/").at(-1);
  return (await sqs.send(new GetQueueUrlCommand({ QueueName }))).QueueUrl;
}

async function readQueue(id: string, context: ResourceContext): Promise<ResourceResult> {
  const sqs = context.client(SQSClient);
  return queueResult(sqs, id.split("/").at(-1) ?? id, await localUrl(sqs, id));
}

export const handlers: ResourceHandlers = {
  "aws:sqs/queue:Queue": { create: createQueue, read: readQueue },
  "aws:sqs/queuePolicy:QueuePolicy": { create: setQueuePolicy },
};
