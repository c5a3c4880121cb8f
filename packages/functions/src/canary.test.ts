import type { CanaryPorts, Run } from "@tenantkeys/aws";
import {
  type CanaryRun,
  canaryAttempts,
  parseStageSettings,
  TenantKeysError,
  type TriedAttempt,
} from "@tenantkeys/core";
import type { Context } from "aws-lambda";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { captureLog, type LogLine } from "./test-support.ts";

type RunCanary = (ports: CanaryPorts, run: Run) => Promise<CanaryRun>;
type Handler = (event: unknown, context: Context) => Promise<unknown>;

const SETTINGS = parseStageSettings({
  stage: "dev",
  applicationRoleArns: ["arn:aws:iam::111122223333:role/app/acme-web"],
});
const fakes = vi.hoisted(() => ({ runCanary: undefined as unknown, settings: undefined as unknown }));
vi.mock("@tenantkeys/aws", async (original) => ({
  ...(await original<typeof import("@tenantkeys/aws")>()),
  runCanary: (ports: CanaryPorts, run: Run) => (fakes.runCanary as RunCanary)(ports, run),
  readDeployedStage: async () => ({ settings: fakes.settings, context: { stage: "dev" } }),
}));

const CONTEXT = { awsRequestId: "request-1", getRemainingTimeInMillis: () => 120_000 } as unknown as Context;

let handler: Handler;
let lines: () => readonly LogLine[];
let given: { readonly ports: CanaryPorts; readonly workingMs: number };

function answerWith(answer: () => Promise<CanaryRun>): void {
  fakes.runCanary = (ports: CanaryPorts, run: Run) => {
    given = { ports, workingMs: run.deadlineMs - run.clock.nowMs() };
    return answer();
  };
}

function canaryRun(state: CanaryRun["state"], odd: Partial<TriedAttempt> = {}): CanaryRun {
  const attempts = canaryAttempts("per-tenant").map((one): TriedAttempt => {
    const isOdd = one.by === "a" && one.of === "b" && one.action === "kms:Decrypt";
    return { ...one, result: one.must === "work" ? "worked" : "refused", ...((isOdd ? odd : {}) as object) };
  });
  return { startedAtMs: 1_000, endedAtMs: 2_500, state, attempts };
}

beforeAll(async () => {
  lines = captureLog();
  vi.stubEnv("AWS_REGION", "eu-west-1");
  vi.stubEnv("TENANTKEYS_STAGE", "dev");
  vi.stubEnv("TENANTKEYS_ACCOUNT_ID", "111122223333");
  vi.stubEnv("TENANTKEYS_REGISTRY_TABLE", "tenantkeys-dev-registry");
  vi.stubEnv("TENANTKEYS_QUEUE_URL", "https://sqs.example/provisioning");
  handler = (await import("./canary.ts")).handler as unknown as Handler;
});

afterAll(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

beforeEach(() => {
  vi.clearAllMocks();
  fakes.settings = SETTINGS;
  answerWith(async () => canaryRun("passed"));
});

test("a turn asks the stage's worker, with the settings that the stage was deployed with, and leaves time to tell", async () => {
  const attempts = canaryAttempts("per-tenant").length;
  await expect(handler({}, CONTEXT)).resolves.toEqual({ state: "passed", attempts, breaches: 0, failures: 0 });
  expect(given.ports).toMatchObject({
    provisioningQueueUrl: "https://sqs.example/provisioning",
    settings: { stage: "dev", canaryIntervalMinutes: 15 },
  });
  expect(given.workingMs).toBeLessThanOrEqual(116_500);
});

test("a run is one line of log: a breach an error, with what worked and must not", async () => {
  await handler({}, CONTEXT);
  expect(lines()).toMatchObject([{ level: "INFO", message: "canary: passed", durationMs: 1_500 }]);
  vi.clearAllMocks();

  answerWith(async () => canaryRun("breached", { result: "worked" }));
  await handler({}, CONTEXT);
  expect(lines()).toMatchObject([
    {
      level: "ERROR",
      message: "canary: breached",
      breaches: 1,
      unexpected: ["kms:Decrypt with b's key by tenant a: worked"],
      requestId: "request-1",
    },
  ]);
});

test("a run that failed or waits is a warning that says why", async () => {
  answerWith(async () => canaryRun("failed", { result: "failed", reason: "KMSInternalException" }));
  await handler({}, CONTEXT);
  answerWith(async () => ({ ...canaryRun("not-ready"), attempts: [], waitsFor: "tenantkeys-canary-a is unknown" }));
  await handler({}, CONTEXT);
  expect(lines()).toMatchObject([
    { level: "WARN", unexpected: ["kms:Decrypt with b's key by tenant a: failed, KMSInternalException"] },
    { level: "WARN", message: "canary: not-ready", waitsFor: "tenantkeys-canary-a is unknown" },
  ]);
});

test("a run that couldn't look or tell fails, so that Lambda counts it", async () => {
  const error = new TenantKeysError("access_denied", "cloudwatch:PutMetricData");
  answerWith(() => Promise.reject(error));
  await expect(handler({}, CONTEXT)).rejects.toBe(error);
});
