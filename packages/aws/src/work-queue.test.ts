import { describe, expect, test } from "vitest";
import { awsError, type Call, FakeClock, fakeClients, runOn } from "./test-support.ts";
import { retryDelaySeconds, retryLater } from "./work-queue.ts";

describe("retryDelaySeconds", () => {
  test("doubles with every receive, up to 15 minutes", () => {
    const receives = Array.from({ length: 11 }, (_, index) => index + 1);
    expect(receives.map((receive) => retryDelaySeconds(5, receive))).toEqual([
      5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900,
    ]);
  });

  test.each([0, 1])("starts with the first delay at receive %i", (receive) => {
    expect(retryDelaySeconds(7, receive)).toBe(7);
  });

  test("stays a delay that SQS takes, however often a message came", () => {
    for (const first of [1, 5, 900]) {
      expect(retryDelaySeconds(first, 1_000_000)).toBe(900);
    }
  });
});

describe("retryLater", () => {
  const message = { queueUrl: "https://sqs.example/q", receiptHandle: "receipt", delaySeconds: 20 };

  test("gives the message back with its delay, within the run", async () => {
    const calls: Call[] = [];
    const run = runOn(new FakeClock());
    await retryLater(fakeClients((call) => calls.push(call)).sqs, run, message);
    expect(calls).toEqual([
      {
        client: "sqs",
        name: "ChangeMessageVisibility",
        input: { QueueUrl: "https://sqs.example/q", ReceiptHandle: "receipt", VisibilityTimeout: 20 },
        signal: run.signal,
      },
    ]);
  });

  test("throws what AWS said, narrowed", async () => {
    const { sqs } = fakeClients(() => {
      throw awsError("AccessDenied", 403);
    });
    await expect(retryLater(sqs, runOn(new FakeClock()), message)).rejects.toMatchObject({
      code: "access_denied",
      details: { step: "sqs:ChangeMessageVisibility" },
    });
  });
});
