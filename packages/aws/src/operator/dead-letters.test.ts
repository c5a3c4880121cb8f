import { expect, test } from "vitest";
import { CONTEXT, FakeClock, fakeClients, runOn } from "../test-support.ts";
import { replayDeadLetters } from "./dead-letters.ts";

/** Replays one dead letter that this sender had sent. */
async function replay(type: string, SenderId: string) {
  const sent: string[] = [];
  let received = false;
  const { sqs } = fakeClients(({ name }) => {
    if (name === "GetQueueUrl") return { QueueUrl: "https://sqs.example/queue" };
    if (name === "SendMessage" || name === "DeleteMessage") sent.push(name);
    if (name !== "ReceiveMessage" || received) return {};
    received = true;
    const Body = JSON.stringify({ "detail-type": type, detail: { tenantId: "acme" } });
    return { Messages: [{ MessageId: "letter-1", ReceiptHandle: "receipt-1", Body, Attributes: { SenderId } }] };
  });
  const ports = {
    sqs,
    deadLetterQueue: "dlq",
    provisioningQueue: "queue",
    place: CONTEXT,
    failureCodes: async () => [],
  };
  const outcomes: unknown[] = [];
  const options = { dryRun: false, forceStage: false, limit: 10 };
  for await (const outcome of replayDeadLetters(ports, runOn(new FakeClock()), options)) outcomes.push(outcome);
  return { outcomes, sent };
}

test("a dead letter that a function of the stage may not have sent gets no better sender by a replay", async () => {
  const { outcomes, sent } = await replay("TenantOffboardingApproved", "AROAFUNCTIONEXAMPLE:tenantkeys-dev-verify");
  expect(outcomes).toMatchObject([{ kind: "failed", error: { code: "sender_refused" } }]);
  expect(sent).toEqual([]);
});

test.each([
  ["TenantKeyReviewDue", "AROAFUNCTIONEXAMPLE:tenantkeys-dev-verify"],
  ["TenantOffboarded", "AROAPERSONEXAMPLE:alice"],
  ["TenantSignedUp", "AIDAEVENTBRIDGEEXAMPLE"],
])("any other is replayed: %s of %s", async (type, senderId) => {
  const { outcomes, sent } = await replay(type, senderId);
  expect(outcomes).toMatchObject([{ kind: "replayed" }]);
  expect(sent).toEqual(["SendMessage", "DeleteMessage"]);
});
