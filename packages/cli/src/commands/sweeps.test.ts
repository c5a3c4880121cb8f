import type { Sweep } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { sweepLateness } from "../sweep-lateness.ts";
import { fakeOperator, runCommand, sweep } from "../test-support.ts";

const MINUTE_MS = 60_000;

function operatorOf(current: Sweep | undefined, ended: readonly Sweep[]) {
  return fakeOperator({ sweeps: async (_, limit) => ({ current, ended: ended.slice(0, limit) }) });
}

const ENDED = sweep({
  ...{ phase: "closed", startedAtMs: 0, endedAtMs: 600_000, shards: 5, shardsDone: 4, shardsLost: 1, readsDenied: 2 },
  ...{ tenants: 200, tenantKeys: 210, tenantKeysVerified: 199, pagesCut: 0 },
  findings: { information: 3, low: 0, medium: 0, high: 2, critical: 1 },
});

test("sweeps are listed with what they saw and didn't see, the one under way first", async () => {
  const underWay = sweep({ startedAtMs: 900_000, shards: 5, shardsDone: 2 });
  const { exitCode, out, err } = await runCommand(["sweeps"], operatorOf(underWay, [ENDED]));
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: "" });
  const rows = out.split("\n").map((line) => line.split(/ {2,}/));
  expect(rows.slice(1, 3)).toEqual([
    ["1970-01-01T00:15:00Z", "checking", "2 of 5", "0", "0", "0", "0", "0", "0", "-"],
    [
      ...["1970-01-01T00:00:00Z", "1970-01-01T00:10:00Z", "4 of 5", "1", "200", "210", "199", "2", "0"],
      "1 critical, 2 high, 3 information",
    ],
  ]);
});

test("the last one is listed once, and where there is none that is said", async () => {
  const json = await runCommand(["sweeps", "--json"], operatorOf(ENDED, [ENDED]));
  expect(JSON.parse(json.out)).toEqual({ sweeps: [JSON.parse(JSON.stringify(ENDED))] });
  const { out, err } = await runCommand(["sweeps"], operatorOf(undefined, []));
  expect(out).toBe("no sweeps\n");
  expect(err).toBe("overdue: no sweep was ever begun, and one is due every 60 minutes\n");
});

describe("with one sweep an hour", () => {
  const late = (current: Sweep, minutes: number) => sweepLateness(current, minutes * MINUTE_MS, 60);

  test("one that runs for longer than an hour is overdue", () => {
    expect(late(sweep(), 59)).toBeUndefined();
    expect(late(sweep(), 61)).toContain("hasn't ended");
  });

  test("a schedule that was silent for two hours is overdue", () => {
    expect(late(sweep({ phase: "closed" }), 119)).toBeUndefined();
    expect(late(sweep({ phase: "closed" }), 121)).toContain("was the last");
  });
});
