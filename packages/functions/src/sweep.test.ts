import type { Run, SweepPorts, TickOutcome } from "@tenantkeys/aws";
import { parseStageSettings, TenantKeysError } from "@tenantkeys/core";
import type { Context } from "aws-lambda";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { captureLog, type LogLine } from "./test-support.ts";

type SweepTick = (ports: SweepPorts, run: Run) => Promise<TickOutcome>;
type Handler = (event: unknown, context: Context) => Promise<unknown>;

const SETTINGS = parseStageSettings({
  stage: "dev",
  applicationRoleArns: ["arn:aws:iam::111122223333:role/app/acme-web"],
});
const fakes = vi.hoisted(() => ({ sweepTick: undefined as unknown, settings: undefined as unknown }));
vi.mock("@tenantkeys/aws", async (original) => ({
  ...(await original<typeof import("@tenantkeys/aws")>()),
  sweepTick: (ports: SweepPorts, run: Run) => (fakes.sweepTick as SweepTick)(ports, run),
  readDeployedStage: async () => ({ settings: fakes.settings, context: { stage: "dev" } }),
}));

const CONTEXT = { awsRequestId: "request-1", getRemainingTimeInMillis: () => 900_000 } as unknown as Context;
const OUTCOME: TickOutcome = { did: "listed", sweepId: "sweep-1", shards: 3, overdue: false };

let handler: Handler;
let lines: () => readonly LogLine[];
let given: { readonly ports: SweepPorts; readonly workingMs: number };

function answerWith(answer: () => Promise<TickOutcome>): void {
  fakes.sweepTick = (ports: SweepPorts, run: Run) => {
    given = { ports, workingMs: run.deadlineMs - run.clock.nowMs() };
    return answer();
  };
}

beforeAll(async () => {
  lines = captureLog();
  vi.stubEnv("AWS_REGION", "eu-west-1");
  vi.stubEnv("TENANTKEYS_STAGE", "dev");
  vi.stubEnv("TENANTKEYS_ACCOUNT_ID", "111122223333");
  vi.stubEnv("TENANTKEYS_REGISTRY_TABLE", "tenantkeys-dev-registry");
  vi.stubEnv("TENANTKEYS_QUEUE_URL", "https://sqs.example/provisioning");
  vi.stubEnv("TENANTKEYS_VERIFICATION_QUEUE_URL", "https://sqs.example/verification");
  handler = (await import("./sweep.ts")).handler as unknown as Handler;
});

afterAll(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

beforeEach(() => {
  vi.clearAllMocks();
  fakes.settings = SETTINGS;
  answerWith(async () => OUTCOME);
});

test("a turn works on the stage's table and queue, with the settings that the stage was deployed with", async () => {
  await expect(handler({}, CONTEXT)).resolves.toEqual(OUTCOME);
  expect(given.ports).toMatchObject({
    tableName: "tenantkeys-dev-registry",
    queueUrl: "https://sqs.example/verification",
    settings: { stage: "dev", sweepIntervalMinutes: 60 },
  });
});

test("a turn's lease lasts longer than the run can live", async () => {
  await handler({}, CONTEXT);
  expect(given.ports.leaseDurationMs).toBe(915_000);
  expect(given.workingMs).toBeLessThanOrEqual(894_500);
  expect(given.workingMs).toBeGreaterThan(894_000);
});

test("a turn keeps its rates from one to the next, and takes others when the settings change", async () => {
  await handler({}, CONTEXT);
  const { quota } = given.ports;
  await handler({}, CONTEXT);
  expect(given.ports.quota).toBe(quota);
  fakes.settings = { ...SETTINGS, sweepQuotaShare: 0.1 };
  await handler({}, CONTEXT);
  expect(given.ports.quota).not.toBe(quota);
});

test("a turn is one line of log that says what was done", async () => {
  await handler({}, CONTEXT);
  expect(lines()).toMatchObject([{ level: "INFO", message: "sweep: listed", ...OUTCOME, requestId: "request-1" }]);
});

test("a turn that fails fails, so that Lambda counts it", async () => {
  const error = new TenantKeysError("access_denied", "dynamodb:Scan");
  answerWith(() => Promise.reject(error));
  await expect(handler({}, CONTEXT)).rejects.toBe(error);
});
