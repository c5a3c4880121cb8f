import { describe, expect, test } from "vitest";
import { decideTick, isOverdue, type Sweep, shardKeysMax, shardTimeoutMs } from "./sweep.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const START_MS = 1_767_225_600_000;

function sweep(more: Partial<Sweep> = {}): Sweep {
  return {
    sweepId: "a",
    number: 1,
    phase: "checking",
    fence: 1,
    leaseUntilMs: START_MS + MINUTE_MS,
    startedAtMs: START_MS,
    shards: 3,
    shardsDone: 0,
    shardsLost: 0,
    tenantKeys: 3,
    tenants: 3,
    tenantKeysVerified: 0,
    tenantsVerified: 0,
    readsDenied: 0,
    pagesCut: 0,
    rounds: 1,
    ...more,
  };
}

describe("a turn of the schedule", () => {
  test.each<readonly [string, Sweep | undefined, number, ReturnType<typeof decideTick>]>([
    ["starts the first sweep", undefined, 0, { kind: "start", missed: false }],
    ["waits for the interval", sweep({ phase: "closed" }), HOUR_MS - 1, { kind: "wait", waitsFor: "interval" }],
    ["starts the next one when it is due", sweep({ phase: "closed" }), HOUR_MS, { kind: "start", missed: false }],
    ["says that one was missed", sweep({ phase: "closed" }), 2 * HOUR_MS + 1, { kind: "start", missed: true }],
    ["waits for a lister", sweep({ phase: "listing" }), MINUTE_MS - 1, { kind: "wait", waitsFor: "lister" }],
    ["takes a lister's place whose lease is over", sweep({ phase: "listing" }), MINUTE_MS, { kind: "list-again" }],
    ["waits for who still sends", sweep(), MINUTE_MS - 1, { kind: "wait", waitsFor: "lister" }],
    ["sends what nobody sends any more", sweep(), MINUTE_MS, { kind: "send-again" }],
    ["looks after the shards that are out", sweep({ sentAtMs: START_MS }), 1, { kind: "look-after-shards" }],
    ["closes what is done, sent or not", sweep({ shardsDone: 3 }), 1, { kind: "close" }],
    ["closes what is done or lost", sweep({ sentAtMs: 1, shardsDone: 1, shardsLost: 2 }), 1, { kind: "close" }],
  ])("%s", (_does, known, sinceMs, decision) => {
    expect(decideTick(known, START_MS + sinceMs, HOUR_MS)).toEqual(decision);
  });
});

describe("a sweep is overdue", () => {
  test("when the next one is due and it goes on", () => {
    expect(isOverdue(sweep(), START_MS + HOUR_MS, HOUR_MS)).toBe(false);
    expect(isOverdue(sweep(), START_MS + HOUR_MS + 1, HOUR_MS)).toBe(true);
  });

  test("after half an hour at the soonest, however short the interval", () => {
    expect(isOverdue(sweep(), START_MS + 30 * MINUTE_MS, 15 * MINUTE_MS)).toBe(false);
    expect(isOverdue(sweep(), START_MS + 30 * MINUTE_MS + 1, 15 * MINUTE_MS)).toBe(true);
  });

  test("never when it is closed, or when there was none", () => {
    expect(isOverdue(sweep({ phase: "closed" }), START_MS + 99 * HOUR_MS, HOUR_MS)).toBe(false);
    expect(isOverdue(undefined, START_MS, HOUR_MS)).toBe(false);
  });
});

describe("a shard", () => {
  test("is sent again after five minutes, and twice the time that the quotas leave for every key", () => {
    expect(shardTimeoutMs(0, 0.4)).toBe(5 * MINUTE_MS);
    expect(shardTimeoutMs(100_000, 0.4)).toBe(800_000);
  });

  test.each([
    [0.4, 10, 200],
    [0.4, 100, 20],
    [0.5, 2, 200],
    [0.01, 100, 10],
  ])("at a share of %d for %i workers holds %i keys", (share, workers, keys) => {
    expect(shardKeysMax(share, workers)).toBe(keys);
  });
});
