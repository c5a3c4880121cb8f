import type { ReviewPorts, ReviewsSent, Run } from "@tenantkeys/aws";
import { TenantKeysError } from "@tenantkeys/core";
import type { Context } from "aws-lambda";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { captureLog, type LogLine } from "./test-support.ts";

const fakes = vi.hoisted(() => ({ sendDueReviews: undefined as unknown }));
vi.mock("@tenantkeys/aws", async (original) => ({
  ...(await original<typeof import("@tenantkeys/aws")>()),
  sendDueReviews: (ports: ReviewPorts, run: Run) => (fakes.sendDueReviews as SendDueReviews)(ports, run),
}));

type SendDueReviews = (ports: ReviewPorts, run: Run) => Promise<ReviewsSent>;
type Handler = (event: unknown, context: Context) => Promise<unknown>;

const CONTEXT = { awsRequestId: "request-1", getRemainingTimeInMillis: () => 60_000 } as unknown as Context;
const COUNTS = { due: 3, sent: 3, failed: 0, limitReached: false };

let handler: Handler;
let lines: () => readonly LogLine[];
let given: { readonly ports: ReviewPorts; readonly run: Run; readonly nowMs: number; readonly workingMs: number };

function answerWith(answer: () => Promise<ReviewsSent>): void {
  fakes.sendDueReviews = (ports: ReviewPorts, run: Run) => {
    const nowMs = run.clock.nowMs();
    given = { ports, run, nowMs, workingMs: run.deadlineMs - nowMs };
    return answer();
  };
}

beforeAll(async () => {
  lines = captureLog();
  vi.stubEnv("AWS_REGION", "eu-west-1");
  vi.stubEnv("TENANTKEYS_STAGE", "dev");
  vi.stubEnv("TENANTKEYS_ACCOUNT_ID", "111122223333");
  vi.stubEnv("TENANTKEYS_QUEUE_URL", "https://sqs.example/provisioning");
  vi.stubEnv("TENANTKEYS_REGISTRY_TABLE", "tenantkeys-dev-registry");
  handler = (await import("./review.ts")).handler as unknown as Handler;
});

afterAll(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

beforeEach(() => {
  vi.clearAllMocks();
  answerWith(async () => COUNTS);
});

test("a turn looks into the stage's table and tells the stage's queue", async () => {
  await expect(handler({}, CONTEXT)).resolves.toEqual(COUNTS);
  expect(given.ports).toMatchObject({
    tableName: "tenantkeys-dev-registry",
    stage: { stage: "dev", queueUrl: "https://sqs.example/provisioning" },
  });
});

test("a turn is one line of log with its counts", async () => {
  await handler({}, CONTEXT);
  expect(lines()).toHaveLength(1);
  expect(lines()).toMatchObject([{ level: "INFO", message: "reviews sent", ...COUNTS, requestId: "request-1" }]);
});

test("a turn that couldn't send everything logs its counts all the same, and fails", async () => {
  const error = new TenantKeysError("aws_unavailable", "the queue didn't take 1 of 3");
  answerWith(async () => ({ due: 3, sent: 2, failed: 1, limitReached: true, error }));
  await expect(handler({}, CONTEXT)).rejects.toBe(error);
  expect(lines()).toMatchObject([{ due: 3, sent: 2, failed: 1, limitReached: true }]);
});

test("a turn that couldn't read what is due fails", async () => {
  answerWith(() => Promise.reject(new TenantKeysError("access_denied", "dynamodb:Query")));
  await expect(handler({}, CONTEXT)).rejects.toMatchObject({ code: "access_denied" });
});

test("the time is the machine's: neither an event nor the environment shifts it", async () => {
  vi.stubEnv("TENANTKEYS_NOW_MS", "4102444800000");
  const beforeMs = Date.now();
  await handler({ time: "2100-01-01T00:00:00Z", nowMs: 4_102_444_800_000 }, CONTEXT);
  expect(given.nowMs).toBeGreaterThanOrEqual(beforeMs);
  expect(given.nowMs).toBeLessThanOrEqual(Date.now());
});

test("a turn ends its calls half a second before Lambda would kill it, to log what became of it", async () => {
  const timeout = vi.spyOn(AbortSignal, "timeout");
  await handler({}, CONTEXT);
  expect(given.workingMs).toBeGreaterThan(56_000);
  expect(given.workingMs).toBeLessThanOrEqual(56_500);
  expect(timeout).toHaveBeenCalledWith(59_500);
});
