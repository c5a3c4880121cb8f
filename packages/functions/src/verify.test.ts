import type { Run, VerificationDelivery, VerificationOutcome, VerificationWorkerPorts } from "@tenantkeys/aws";
import { parseStageSettings, TenantKeysError } from "@tenantkeys/core";
import type { Context, SQSEvent, SQSRecord } from "aws-lambda";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { captureLog, type LogLine } from "./test-support.ts";

type Work = (ports: VerificationWorkerPorts, run: Run, delivery: VerificationDelivery) => Promise<VerificationOutcome>;
type Handler = (event: SQSEvent, context: Context) => Promise<unknown>;

const fakes = vi.hoisted(() => ({ work: undefined as unknown, settings: undefined as unknown }));
vi.mock("@tenantkeys/aws", async (original) => ({
  ...(await original<typeof import("@tenantkeys/aws")>()),
  workVerificationMessage: (...args: Parameters<Work>) => (fakes.work as Work)(...args),
  readDeployedStage: async () => ({ settings: fakes.settings, context: { stage: "dev" } }),
}));

const CONTEXT = { awsRequestId: "request-1", getRemainingTimeInMillis: () => 300_000 } as unknown as Context;
const DONE: VerificationOutcome = {
  kind: "done",
  work: "shard",
  result: { kind: "done", tenantKeys: 200, closed: false },
};

let handler: Handler;
let lines: () => readonly LogLine[];
let given: {
  readonly ports: VerificationWorkerPorts;
  readonly delivery: VerificationDelivery;
  readonly workingMs: number;
};

function answerWith(outcomeOf: (body: string) => VerificationOutcome): void {
  fakes.work = async (ports: VerificationWorkerPorts, run: Run, delivery: VerificationDelivery) => {
    given = { ports, delivery, workingMs: run.deadlineMs - run.clock.nowMs() };
    return outcomeOf(delivery.body);
  };
}

function message(body: string, messageId = "message-1"): SQSRecord {
  return {
    messageId,
    body,
    receiptHandle: "receipt-1",
    attributes: { ApproximateReceiveCount: "2" },
    eventSourceARN: "arn:aws:sqs:eu-west-1:111122223333:tenantkeys-dev-verification",
  } as unknown as SQSRecord;
}

beforeAll(async () => {
  lines = captureLog();
  vi.stubEnv("AWS_REGION", "eu-west-1");
  vi.stubEnv("TENANTKEYS_STAGE", "dev");
  vi.stubEnv("TENANTKEYS_ACCOUNT_ID", "111122223333");
  vi.stubEnv("TENANTKEYS_REGISTRY_TABLE", "tenantkeys-dev-registry");
  vi.stubEnv("TENANTKEYS_QUEUE_URL", "https://sqs.example/111122223333/tenantkeys-dev-provisioning");
  handler = (await import("./verify.ts")).handler as unknown as Handler;
});

afterAll(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

beforeEach(() => {
  vi.clearAllMocks();
  fakes.settings = parseStageSettings({
    stage: "dev",
    applicationRoleArns: ["arn:aws:iam::111122223333:role/app/acme-web"],
  });
  answerWith(() => DONE);
});

test("a message is worked on with its queue's own address, and what it says", async () => {
  await expect(handler({ Records: [message("a body")] }, CONTEXT)).resolves.toEqual({ batchItemFailures: [] });
  expect(given.delivery).toEqual({
    messageId: "message-1",
    body: "a body",
    receiptHandle: "receipt-1",
    receiveCount: 2,
    queueUrl: "https://sqs.example/111122223333/tenantkeys-dev-verification",
  });
  expect(lines()).toMatchObject([{ level: "INFO", message: "shard done", attempt: 2, result: { tenantKeys: 200 } }]);
});

test("a run begins nothing in its last ten seconds", async () => {
  await handler({ Records: [message("a body")] }, CONTEXT);
  expect(given.workingMs).toBeLessThanOrEqual(289_500);
  expect(given.workingMs).toBeGreaterThan(289_000);
});

test("a message that isn't done goes back, and the others are done", async () => {
  const error = new TenantKeysError("throttled", "kms:DescribeKey", { step: "kms:DescribeKey" });
  answerWith((body) => (body === "a" ? { kind: "retry", error } : DONE));
  const records = [message("a", "message-a"), message("b", "message-b")];
  await expect(handler({ Records: records }, CONTEXT)).resolves.toEqual({
    batchItemFailures: [{ itemIdentifier: "message-a" }],
  });
  expect(lines().find(({ level }) => level === "WARN")).toMatchObject({
    message: "message given back to the queue",
    messageId: "message-a",
    code: "throttled",
    step: "kms:DescribeKey",
  });
});

test("of an event of AWS's own the log says which it was, and of a key's usual use nothing", async () => {
  const event = { eventId: "event-1", operation: "Decrypt", keyArns: ["arn:x"], sourceAddress: "203.0.113.1" };
  const ignored = (reason: string) =>
    ({ kind: "done", work: "aws-event", result: { kind: "ignored", event, reason } }) as unknown as VerificationOutcome;
  answerWith(() => ignored("usual-use"));
  await handler({ Records: [message("a")] }, CONTEXT);
  expect(lines()).toEqual([]);
  answerWith(() => ignored("refused-call"));
  await handler({ Records: [message("a")] }, CONTEXT);
  expect(lines()).toMatchObject([
    { message: "aws-event ignored", result: { reason: "refused-call", eventId: "event-1", operation: "Decrypt" } },
  ]);
  expect(JSON.stringify(lines())).not.toContain("203.0.113.1");
});

test("a message that nobody understands goes back as well, to end in the dead-letter queue, with an error in the log", async () => {
  const error = new TenantKeysError("event_type_unknown", "of kind holiday");
  answerWith(() => ({ kind: "refused", error }));
  await expect(handler({ Records: [message("a")] }, CONTEXT)).resolves.toMatchObject({
    batchItemFailures: [{ itemIdentifier: "message-1" }],
  });
  expect(lines().find(({ level }) => level === "ERROR")).toMatchObject({
    message: "message refused: it goes to the dead-letter queue",
    code: "event_type_unknown",
    reason: "of kind holiday",
  });
});
