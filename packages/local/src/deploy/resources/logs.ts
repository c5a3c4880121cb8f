import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  type CreateLogGroupCommandInput,
  DeleteRetentionPolicyCommand,
  PutRetentionPolicyCommand,
  TagResourceCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { createOrAdopt, type ResourceContext, type ResourceHandlers } from "../resource-context.ts";
import type { ResourceRequest, ResourceResult } from "../resource-provider.ts";
import {
  HANDLED,
  type InputRules,
  ignored,
  physicalName,
  REGION_IGNORED,
  translateInputs,
} from "../translate-inputs.ts";

const LOG_GROUP_RULES: InputRules<CreateLogGroupCommandInput> = {
  name: HANDLED,
  region: REGION_IGNORED,
  kmsKeyId: "kmsKeyId",
  logGroupClass: "logGroupClass",
  deletionProtectionEnabled: "deletionProtectionEnabled",
  tags: "tags",
  retentionInDays: HANDLED,
  skipDestroy: ignored("only acts when the log group is deleted"),
};

async function createLogGroup(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const logs = context.client(CloudWatchLogsClient);
  const logGroupName = physicalName(request);
  const params = translateInputs(request, LOG_GROUP_RULES);
  const arn = `arn:aws:logs:${context.region}:${context.accountId}:log-group:${logGroupName}`;
  await createOrAdopt(
    async () => void (await logs.send(new CreateLogGroupCommand({ ...params, logGroupName }))),
    ["ResourceAlreadyExistsException"],
    async () => {
      if (params.tags !== undefined) await logs.send(new TagResourceCommand({ resourceArn: arn, tags: params.tags }));
    },
  );
  const retentionInDays = Number(request.inputs.retentionInDays ?? 0);
  // Pulumi's 0 means "kept for ever", which CloudWatch Logs calls "no policy".
  if (retentionInDays > 0) await logs.send(new PutRetentionPolicyCommand({ logGroupName, retentionInDays }));
  else await logs.send(new DeleteRetentionPolicyCommand({ logGroupName }));
  return { id: logGroupName, state: { arn, name: logGroupName } };
}

export const handlers: ResourceHandlers = {
  "aws:cloudwatch/logGroup:LogGroup": { create: createLogGroup },
};
