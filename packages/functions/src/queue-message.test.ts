import type { SQSRecord } from "aws-lambda";
import { expect, test } from "vitest";
import { queueMessage } from "./queue-message.ts";

test("a queue message is an SQS record with its counts and times as numbers, and its sender", () => {
  const record: SQSRecord = {
    messageId: "message-1",
    receiptHandle: "receipt-1",
    body: "{}",
    attributes: {
      ApproximateReceiveCount: "3",
      SentTimestamp: "1767225600000",
      SenderId: "AIDAEXAMPLE",
      ApproximateFirstReceiveTimestamp: "1767225600001",
    },
    messageAttributes: {},
    md5OfBody: "",
    eventSource: "aws:sqs",
    eventSourceARN: "arn:aws:sqs:eu-west-1:111122223333:q",
    awsRegion: "eu-west-1",
  };
  expect(queueMessage(record)).toEqual({
    messageId: "message-1",
    receiptHandle: "receipt-1",
    body: "{}",
    receiveCount: 3,
    sentAtMs: 1_767_225_600_000,
    senderId: "AIDAEXAMPLE",
  });
});
