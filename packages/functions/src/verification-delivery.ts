import type { VerificationDelivery } from "@tenantkeys/aws";
import type { SQSRecord } from "aws-lambda";

/**
 * @param provisioningQueueUrl of a queue of the same account and Region: Lambda tells a message's queue by its ARN only,
 *   and their addresses differ in the name alone. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html
 */
export function verificationDelivery(
  record: SQSRecord,
  { provisioningQueueUrl }: { readonly provisioningQueueUrl: string },
): VerificationDelivery {
  const queueName = record.eventSourceARN.split(":").at(-1) ?? "";
  return {
    messageId: record.messageId,
    body: record.body,
    receiptHandle: record.receiptHandle,
    receiveCount: Number(record.attributes.ApproximateReceiveCount),
    queueUrl: provisioningQueueUrl.replace(/[^/]+$/, queueName),
  };
}
