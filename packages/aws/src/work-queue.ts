/** The provisioning queue, from the worker's side. */
import { ChangeMessageVisibilityCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { narrowAwsError } from "./narrow-error.ts";
import type { Run } from "./run.ts";

/** SQS's longest visibility is 12 hours; a message that failed five times is worth another look within this. */
const DELAY_MAX_SECONDS = 900;

/** How long a message stays out of sight after its n-th failed receive: doubling from `firstSeconds`, at most 15 minutes. */
export function retryDelaySeconds(firstSeconds: number, receiveCount: number): number {
  return Math.min(DELAY_MAX_SECONDS, firstSeconds * 2 ** Math.min(Math.max(receiveCount - 1, 0), 10));
}

/** Gives a message back to its queue, to be seen again after the delay. */
export async function retryLater(
  sqs: SQSClient,
  run: Run,
  message: { readonly queueUrl: string; readonly receiptHandle: string; readonly delaySeconds: number },
): Promise<void> {
  try {
    const command = new ChangeMessageVisibilityCommand({
      QueueUrl: message.queueUrl,
      ReceiptHandle: message.receiptHandle,
      VisibilityTimeout: message.delaySeconds,
    });
    await sqs.send(command, { abortSignal: run.signal });
  } catch (error) {
    throw narrowAwsError(error, "sqs:ChangeMessageVisibility");
  }
}
