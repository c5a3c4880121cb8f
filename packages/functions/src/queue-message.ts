import type { QueueMessage } from "@tenantkeys/aws";
import type { SQSRecord } from "aws-lambda";

/** https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html */
export function queueMessage(record: SQSRecord): QueueMessage {
  return {
    messageId: record.messageId,
    receiptHandle: record.receiptHandle,
    body: record.body,
    receiveCount: Number(record.attributes.ApproximateReceiveCount),
    sentAtMs: Number(record.attributes.SentTimestamp),
    senderId: record.attributes.SenderId,
  };
}
