import { GetQueueUrlCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { TenantKeysError } from "@tenantkeys/core";
import { narrowAwsError } from "../narrow-error.ts";
import type { Run } from "../run.ts";

/** @throws TenantKeysError `stage_not_deployed` where the queue is missing */
export async function queueUrl(sqs: SQSClient, run: Run, queueName: string): Promise<string> {
  try {
    const answer = await sqs.send(new GetQueueUrlCommand({ QueueName: queueName }), { abortSignal: run.signal });
    if (answer.QueueUrl !== undefined) return answer.QueueUrl;
  } catch (error) {
    throw narrowAwsError(error, "sqs:GetQueueUrl");
  }
  throw new TenantKeysError("aws_unexpected", `sqs:GetQueueUrl: no URL for ${queueName}`, { step: "sqs:GetQueueUrl" });
}
