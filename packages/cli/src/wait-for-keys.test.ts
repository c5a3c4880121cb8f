import { type KeyRecord, parseKeyName, parseTenantId } from "@tenantkeys/core";
import { expect, test } from "vitest";
import type { Session } from "./ports.ts";
import { fakeOperator, keptEvent, keyRecord } from "./test-support.ts";
import { waitForKeys } from "./wait-for-keys.ts";

const START_MS = 1_000_000;
const SIGN_UP = {
  tenantId: parseTenantId("acme"),
  keyNames: [parseKeyName("default")],
  eventId: "event-1",
  generation: undefined,
};

/** Waits 10 s at most on what the registry shows, one entry per look and the last one from then on. */
async function wait(looks: readonly (readonly KeyRecord[])[], signUp = {}, refusedAfterMs = Number.POSITIVE_INFINITY) {
  let nowMs = START_MS;
  let look = 0;
  const operator = fakeOperator({
    keysOfTenant: async () => looks[Math.min(look++, looks.length - 1)] ?? [],
    listRefused: async (_, filter) =>
      nowMs - START_MS >= refusedAfterMs && filter.eventId === "event-1" ? [keptEvent()] : [],
  });
  const sleep = async (durationMs: number) => {
    nowMs += durationMs;
  };
  const clock = { nowMs: () => nowMs, sleep };
  const run = { clock, deadlineMs: nowMs + 1e6, signal: new AbortController().signal };
  const progress = { update: () => {}, clear: () => {} };
  const session = { operator, run, progress } as unknown as Session;
  const { end, refused } = await waitForKeys(session, { ...SIGN_UP, ...signUp }, 10_000);
  return { end, refused, tookMs: nowMs - START_MS };
}

const failure = (code: string) => ({ code, message: "", step: "", nextAction: "", failedAtMs: 0 });

test("it ends when the worker has given every key back as active", async () => {
  const inHand = keyRecord({ leaseUntilMs: 1 });
  expect(await wait([[], [inHand], [keyRecord()]])).toMatchObject({ end: "active", tookMs: 750 });
});

test("a key that is active from an earlier event isn't the end", async () => {
  expect(await wait([[keyRecord({ eventId: "event-0" })]])).toMatchObject({ end: "timeout" });
});

test("all of several keys are waited for", async () => {
  const keyNames = [parseKeyName("default"), parseKeyName("payroll")];
  const payroll = keyRecord({ keyName: parseKeyName("payroll") });
  expect(await wait([[keyRecord()]], { keyNames })).toMatchObject({ end: "timeout" });
  expect(await wait([[keyRecord(), payroll]], { keyNames })).toMatchObject({ end: "active" });
});

test("a failure that waiting can't help ends it, and one that is tried again doesn't", async () => {
  const failed = (code: string) => keyRecord({ state: "failed", failure: failure(code) });
  expect(await wait([[failed("role_taken")]])).toMatchObject({ end: "refused" });
  expect(await wait([[failed("throttled")], [keyRecord()]])).toMatchObject({ end: "active" });
});

test("an event that was refused before any key was declared ends it", async () => {
  expect(await wait([[]], {}, 0)).toMatchObject({ end: "refused", refused: { refusalId: "refusal-1" } });
});

test("a newer declaration by somebody else ends it", async () => {
  const newer = keyRecord({ eventId: "event-9", generation: 8 });
  expect(await wait([[newer]], { generation: 7 })).toMatchObject({ end: "superseded" });
  expect(await wait([[newer]], { generation: 9 })).toMatchObject({ end: "timeout" });
  expect(await wait([[keyRecord({ eventId: "event-9", generation: START_MS + 1 })]])).toMatchObject({
    end: "superseded",
  });
});

test("it gives up at its time limit, not later", async () => {
  const { end, tookMs } = await wait([[]]);
  expect(end).toBe("timeout");
  expect(tookMs).toBeGreaterThan(7_000);
  expect(tookMs).toBeLessThanOrEqual(10_000);
});
