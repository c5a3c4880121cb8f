import type { TakenKey as Held, Known, Run, WorkerPorts } from "@tenantkeys/aws";
import { completeKeyProfile, parseStageSettings, TenantKeysError, workerSettings } from "@tenantkeys/core";
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { captureLog, type LogLine } from "./test-support.ts";

const fakes = vi.hoisted(() => ({ ports: {} as unknown }));
vi.mock("./worker-ports.ts", () => ({ workerPorts: () => fakes.ports }));

type Handler = (event: SQSEvent, context: Context) => Promise<SQSBatchResponse>;

let handler: Handler;
let lines: () => readonly LogLine[];
let refused: string[];
let givenBack: string[];
/** What each run was given to work with, in milliseconds. */
let workingMs: number[];

/** Ports under which `active-…` tenants are known by a newer sign-up already and others meet an AWS that throttles. */
function stubbedPorts(): Partial<WorkerPorts> {
  return {
    context: { stage: "dev" } as WorkerPorts["context"],
    profiles: { default: completeKeyProfile() },
    stage: {
      stage: "dev",
      profiles: { default: {} },
      keyProfiles: {},
      eventMappings: [],
    } as unknown as WorkerPorts["stage"],
    queueUrl: "https://sqs.example/q",
    receivesMax: 5,
    retryDelaySeconds: 5,
    leaseDurationMs: 75_000,
    newAttemptId: () => "attempt-1",
    inTurn: (_name, task) => task(),
    registry: {
      declare: async (run: Run, _known: Known, { record, tenant }: Held) => {
        workingMs.push(run.deadlineMs - run.clock.nowMs());
        if (!record.tenantId.startsWith("active-")) throw new TenantKeysError("throttled", "slower");
        return { kind: "conflict", record: { ...record, generation: record.generation + 1, fence: 9 }, tenant };
      },
    } as unknown as WorkerPorts["registry"],
    refusedStore: { keep: async (_run, { refusalId }) => void refused.push(refusalId) },
    publisher: { publishReply: async () => {} },
    sqs: {
      send: async (command: { input: { ReceiptHandle: string } }) => void givenBack.push(command.input.ReceiptHandle),
    } as unknown as WorkerPorts["sqs"],
  };
}

beforeAll(async () => {
  lines = captureLog();
  vi.stubEnv("AWS_REGION", "eu-west-1");
  vi.stubEnv(
    "TENANTKEYS_STAGE_CONFIG",
    JSON.stringify({
      settings: workerSettings(
        parseStageSettings({ stage: "dev", applicationRoleArns: ["arn:aws:iam::111122223333:role/app"] }),
      ),
      accountId: "111122223333",
      queueUrl: "https://sqs.example/q",
    }),
  );
  fakes.ports = stubbedPorts();
  handler = (await import("./provision.ts")).handler as unknown as Handler;
});

afterAll(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

beforeEach(() => {
  vi.clearAllMocks();
  [refused, givenBack, workingMs] = [[], [], []];
});

const CONTEXT = { awsRequestId: "request-1", getRemainingTimeInMillis: () => 60_000 } as unknown as Context;

function record(messageId: string, detail: object, attempt = 1): SQSRecord {
  const body = JSON.stringify({
    id: `event-of-${messageId}`,
    source: "tenantkeys.application",
    "detail-type": "TenantSignedUp",
    time: "2026-11-01T09:00:00Z",
    detail: { version: "1", ...detail },
  });
  const attributes = { ApproximateReceiveCount: String(attempt), SentTimestamp: "1767225600000" };
  return { messageId, receiptHandle: `receipt-of-${messageId}`, body, attributes } as unknown as SQSRecord;
}

const handle = (...Records: SQSRecord[]) => handler({ Records }, CONTEXT);
const good = record("good", { tenantId: "active-acme" });
const bad = record("bad", { tenantId: "Not A Tenant" });
const later = record("later", { tenantId: "throttled-acme" }, 2);

describe("the provisioning function", () => {
  test("gives back only what is to be tried again: the rest of the batch is done with", async () => {
    await expect(handle(good, bad, later)).resolves.toEqual({ batchItemFailures: [{ itemIdentifier: "later" }] });
    expect(refused).toEqual(["bad"]);
    expect(givenBack).toEqual(["receipt-of-later"]);
  });

  test("logs a line for each message, and Powertools' own lines hold no body", async () => {
    await handle(good, bad, later);
    expect(lines().map(({ level, message, eventId, attempt }) => [level, message, eventId, attempt])).toEqual(
      expect.arrayContaining([
        ["INFO", "TenantSignedUp done", "event-of-good", 1],
        ["ERROR", "event refused and kept", "event-of-bad", 1],
        ["WARN", "event given back to the queue", "event-of-later", 2],
      ]),
    );
    expect(JSON.stringify(lines())).not.toContain("tenantkeys.application");
  });

  test("counts a refused event in its line, and no event that is tried again", async () => {
    await handle(bad, later);
    expect(lines().map(({ eventId, Stage, ProvisioningFailed }) => [eventId, Stage, ProvisioningFailed])).toEqual(
      expect.arrayContaining([
        ["event-of-bad", "dev", 1],
        ["event-of-later", undefined, undefined],
      ]),
    );
  });

  test("answers a batch in which everything failed message by message, and doesn't fail as a whole", async () => {
    const another = record("another", { tenantId: "throttled-umbrella" });
    await expect(handle(later, another)).resolves.toEqual({
      batchItemFailures: [{ itemIdentifier: "later" }, { itemIdentifier: "another" }],
    });
  });

  test("answers a good batch with no failures, and the next batch doesn't inherit those of the last", async () => {
    await handle(later);
    await expect(handle(good)).resolves.toEqual({ batchItemFailures: [] });
  });

  test("leaves three and a half seconds of its time for ending calls and answering", async () => {
    await handle(good);
    expect(workingMs[0]).toBeGreaterThan(56_000);
    expect(workingMs[0]).toBeLessThanOrEqual(56_500);
  });
});
