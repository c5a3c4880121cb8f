/** Has a tenant key verified soon, beside the sweeps. */
import { SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { type KeyName, type Stage, stageNames, type TenantId } from "@tenantkeys/core";
import type { Run } from "../run.ts";

/**
 * Never throws: what was repaired is done, and the next sweep looks at it in any case.
 * @param queueUrl of the stage's verification queue
 */
export async function askForVerification(
  sqs: SQSClient,
  run: Run,
  queueUrl: string,
  { tenantId, keyName }: { readonly tenantId: TenantId; readonly keyName: KeyName },
): Promise<void> {
  const MessageBody = JSON.stringify({ version: "1", kind: "tenant-key", tenantId, keyName });
  try {
    await sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody }), { abortSignal: run.signal });
  } catch {
    // Said by the sweep instead.
  }
}

/**
 * The queue beside the provisioning queue: of the same account and Region, and named by the stage. So the worker needs no
 * second address in its environment, which holds 4 KB, and no call to look one up.
 */
export function verificationQueueUrl(provisioningQueueUrl: string, stage: Stage): string {
  const { verificationQueue } = stageNames(stage);
  return provisioningQueueUrl.replace(/[^/]+$/, verificationQueue);
}
