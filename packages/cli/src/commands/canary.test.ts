import {
  type CanaryRun,
  type CanaryState,
  canaryAttempts,
  parseStageSettings,
  type TriedAttempt,
} from "@tenantkeys/core";
import { expect, test } from "vitest";
import { fakeOperator, runCommand } from "../test-support.ts";

/** The command runs at 1,000,000 ms. */
const NOW_MINUTES = 16;
const MINUTE_MS = 60_000;

function canaryRun(state: CanaryState, minutes: number, odd?: Pick<TriedAttempt, "result" | "reason">): CanaryRun {
  const attempts = state === "not-ready" ? [] : canaryAttempts("per-tenant");
  const tried = attempts.map((one): TriedAttempt => {
    const isOdd = one.by === "a" && one.of === "b" && one.action === "kms:Decrypt";
    return { ...one, result: one.must === "work" ? "worked" : "refused", ...(isOdd ? odd : {}) };
  });
  const startedAtMs = minutes * MINUTE_MS;
  return { startedAtMs, endedAtMs: startedAtMs + 1_500, state, attempts: tried };
}

const PASSED = canaryRun("passed", 10);
const BREACHED = canaryRun("breached", 15, { result: "worked" });
const FAILED = canaryRun("failed", 15, { result: "failed", reason: "KMSInternalException" });

function operatorOf(runs: readonly CanaryRun[], canary = true) {
  const applicationRoleArns = ["arn:aws:iam::111122223333:role/app"];
  return fakeOperator({
    settings: parseStageSettings({ stage: "dev", applicationRoleArns, canary, canaryIntervalMinutes: 5 }),
    canaryRuns: async (_, which, limit) =>
      runs.filter(({ state }) => which === "runs" || state === "breached").slice(0, limit),
  });
}

test("runs are listed with what they came to, and a canary that passed is exit code 0", async () => {
  const { exitCode, out, err } = await runCommand(["canary"], operatorOf([PASSED, canaryRun("not-ready", 5)]));
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: "" });
  const rows = out.split("\n").map((line) => line.split(/ {2,}/));
  const tried = String(PASSED.attempts.length);
  expect(rows.slice(1, 3)).toEqual([
    ["1970-01-01T00:10:00Z", "passed", tried, "0", "0", "1.5", "-"],
    ["1970-01-01T00:05:00Z", "not-ready", "0", "0", "0", "1.5", "-"],
  ]);
});

test("a breach is exit code 2, and what worked is listed", async () => {
  const { exitCode, out } = await runCommand(["canary", "--limit", "1"], operatorOf([BREACHED, PASSED]));
  expect(exitCode).toBe(2);
  expect(out).toMatch(/breach +kms:Decrypt with b's key by tenant a +be-refused +worked +-/);
  expect(out).not.toContain("passed");
});

test("a run that failed is exit code 3, with AWS's word for it, and no more than that while an earlier one counts", async () => {
  const { exitCode, out, err } = await runCommand(["canary", "--limit", "1"], operatorOf([FAILED, PASSED]));
  expect({ exitCode, err }).toEqual({ exitCode: 3, err: "" });
  expect(out).toMatch(/failure +kms:Decrypt with b's key by tenant a +be-refused +failed +KMSInternalException/);
});

test("a canary that is overdue is exit code 3, and says since when", async () => {
  const late = canaryRun("passed", NOW_MINUTES - 21);
  const { exitCode, err } = await runCommand(["canary"], operatorOf([late]));
  expect(exitCode).toBe(3);
  expect(err).toBe(
    "overdue: a run in which everything was answered is due every 5 minutes, and the last began at 1969-12-31T23:55:00.000Z\n",
  );
  const none = await runCommand(["canary", "--json"], operatorOf([]));
  expect(none.exitCode).toBe(3);
  expect(JSON.parse(none.out)).toEqual({ runs: [], late: expect.stringContaining("there is none") });
});

test("breaches of old are listed alone, and are history", async () => {
  const { exitCode, out } = await runCommand(["canary", "--breaches", "--json"], operatorOf([PASSED, BREACHED]));
  expect(exitCode).toBe(0);
  expect(JSON.parse(out).runs).toHaveLength(1);
});

test("a stage without a canary is told so, and nothing is overdue there", async () => {
  const { exitCode, out, err } = await runCommand(["canary"], operatorOf([], false));
  expect({ exitCode, out, err }).toEqual({ exitCode: 0, out: "no runs\n", err: "the stage's setting canary is off\n" });
});
