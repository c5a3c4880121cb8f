import { type KeyRecord, parseKeyName, parseTenantId, type TenantRecord } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import {
  approvalOutcome,
  GOALS,
  keysMadeOutcome,
  materialOutcome,
  type RegisterGoal,
  registerOutcome,
  rotationOutcome,
  type SentEvent,
} from "./outcomes.ts";
import type { Session } from "./ports.ts";
import { fakeOperator, keptEvent, keyRecord, register, tenantRecord } from "./test-support.ts";
import { type Awaited, waitForOutcome } from "./wait-for-outcome.ts";

const START_MS = 1_000_000;
const DEFAULT = parseKeyName("default");
const PAYROLL = parseKeyName("payroll");
const SENT: SentEvent = { tenantId: parseTenantId("acme"), eventId: "event-1", generation: 7 };

type Look = { readonly tenant?: TenantRecord; readonly keys?: readonly KeyRecord[] };

/** Waits 10 s at most on what the registry shows, one entry per look and the last one from then on. */
async function wait(
  goal: Pick<Awaited, "endOf" | "describe">,
  looks: readonly Look[],
  refusedAfterMs = Number.POSITIVE_INFINITY,
) {
  let nowMs = START_MS;
  let look = -1;
  const seen = () => looks[Math.min(look, looks.length - 1)];
  const operator = fakeOperator({
    tenant: async () => {
      look += 1;
      return seen()?.tenant;
    },
    keysOfTenant: async () => seen()?.keys ?? [],
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
  const { end, refused } = await waitForOutcome(session, { ...SENT, ...goal }, 10_000);
  return { end, refused, tookMs: nowMs - START_MS };
}

const keys = (...records: readonly KeyRecord[]): Look => ({ keys: records });
const failure = (code: string) => ({ code, message: "", step: "", nextAction: "", failedAtMs: 0 });

describe("keys that were declared", () => {
  const made = (keyNames = [DEFAULT], generation: number | undefined = undefined) =>
    keysMadeOutcome({ ...SENT, generation }, keyNames, START_MS);

  test("it ends when the worker has given every key back as active", async () => {
    const inHand = keyRecord({ leaseUntilMs: 1 });
    expect(await wait(made(), [{}, keys(inHand), keys(keyRecord())])).toMatchObject({ end: "done", tookMs: 750 });
  });

  test.each(["awaiting-material", "suspended"] as const)(
    "a key that is made and %s is the end as well",
    async (state) => {
      expect(await wait(made(), [keys(keyRecord({ state }))])).toMatchObject({ end: "done", tookMs: 0 });
    },
  );

  test("a key that is active from an earlier event isn't the end", async () => {
    expect(await wait(made(), [keys(keyRecord({ eventId: "event-0" }))])).toMatchObject({ end: "timeout" });
  });

  test("all of several keys are waited for", async () => {
    const payroll = keyRecord({ keyName: PAYROLL });
    expect(await wait(made([DEFAULT, PAYROLL]), [keys(keyRecord())])).toMatchObject({ end: "timeout" });
    expect(await wait(made([DEFAULT, PAYROLL]), [keys(keyRecord(), payroll)])).toMatchObject({ end: "done" });
  });

  test("a failure that waiting can't help ends it, and one that is tried again doesn't", async () => {
    const failed = (code: string) => keys(keyRecord({ state: "failed", failure: failure(code) }));
    expect(await wait(made(), [failed("role_taken")])).toMatchObject({ end: "refused" });
    expect(await wait(made(), [failed("throttled"), keys(keyRecord())])).toMatchObject({ end: "done" });
  });

  test("a newer declaration by somebody else ends it", async () => {
    const newer = keys(keyRecord({ eventId: "event-9", generation: 8 }));
    expect(await wait(made([DEFAULT], 7), [newer])).toMatchObject({ end: "superseded" });
    expect(await wait(made([DEFAULT], 9), [newer])).toMatchObject({ end: "timeout" });
    const later = keys(keyRecord({ eventId: "event-9", generation: START_MS + 1 }));
    expect(await wait(made(), [later])).toMatchObject({ end: "superseded" });
  });
});

test("an event that the refused store has ends it, whatever the keys show", async () => {
  const goal = keysMadeOutcome({ ...SENT, generation: undefined }, [DEFAULT], START_MS);
  expect(await wait(goal, [{}], 0)).toMatchObject({ end: "refused", refused: { refusalId: "refusal-1" } });
});

test("it gives up at its time limit, not later", async () => {
  const { end, tookMs } = await wait(rotationOutcome(SENT, DEFAULT), [{}]);
  expect(end).toBe("timeout");
  expect(tookMs).toBeGreaterThan(7_000);
  expect(tookMs).toBeLessThanOrEqual(10_000);
});

describe("what is declared of a tenant", () => {
  const look = (goal: RegisterGoal, said: Parameters<typeof register>[0], ...records: readonly KeyRecord[]): Look => ({
    tenant: tenantRecord({ [goal.register]: register({ value: goal.value, generation: 7, ...said }) }),
    keys: records,
  });
  const inState = (state: KeyRecord["state"], changes: Partial<KeyRecord> = {}) => keyRecord({ state, ...changes });

  test.each([
    ["suspended", "active", "suspended"],
    ["resumed", "suspended", "active"],
    ["offboarded", "suspended", "offboarding"],
    ["offboarded", "failed", "pending-deletion"],
    ["reinstated", "pending-deletion", "suspended"],
    ["held", "pending-deletion", "offboarding"],
  ] as const)("%s: a key that is still %s is waited for, until it is %s", async (name, before, after) => {
    const goal: RegisterGoal = GOALS[name];
    const awaited = registerOutcome(SENT, goal);
    expect(await wait(awaited, [look(goal, {}, inState(before))])).toMatchObject({ end: "timeout" });
    const looks = [look(goal, {}, inState(before)), look(goal, {}, inState(after))];
    expect(await wait(awaited, looks)).toMatchObject({ end: "done", tookMs: 250 });
  });

  test("a key that the worker holds is waited for", async () => {
    const awaited = registerOutcome(SENT, GOALS.suspended);
    const held = look(GOALS.suspended, {}, inState("suspended", { leaseUntilMs: 1 }));
    expect(await wait(awaited, [held])).toMatchObject({ end: "timeout" });
  });

  test("a released hold is done once no key waits for it", async () => {
    const goal = GOALS.released;
    const waiting = look(goal, {}, inState("offboarding", { waitingFor: "legal-hold" }));
    expect(await wait(registerOutcome(SENT, goal), [waiting])).toMatchObject({ end: "timeout" });
    const freed = look(goal, {}, inState("offboarding", { waitingFor: "watch-period" }));
    expect(await wait(registerOutcome(SENT, goal), [freed])).toMatchObject({ end: "done" });
  });

  test("an older register isn't the end, a newer one of another event is, and the same said twice is as good", async () => {
    const awaited = registerOutcome(SENT, GOALS.suspended);
    const said = (changes: object) => [look(GOALS.suspended, changes, inState("suspended"))];
    expect(await wait(awaited, [{ keys: [inState("suspended")] }])).toMatchObject({ end: "timeout" });
    expect(await wait(awaited, said({ eventId: "event-0", generation: 6 }))).toMatchObject({ end: "timeout" });
    expect(await wait(awaited, said({ eventId: "event-9", generation: 8 }))).toMatchObject({ end: "superseded" });
    expect(await wait(awaited, said({ eventId: "event-9" }))).toMatchObject({ end: "done" });
    // Refused as a conflict: the refused store says so.
    expect(await wait(awaited, said({ eventId: "event-9", value: false }))).toMatchObject({ end: "timeout" });
  });
});

describe("an approval", () => {
  const leaving = register({ generation: 5, by: "AROAONE:a" });
  const approval = (changes: object = {}) => ({
    offboardingGeneration: 5,
    generation: 7,
    eventId: "event-1",
    by: "AROATWO:b",
    atMs: 1,
    ...changes,
  });
  const awaited = approvalOutcome(SENT, 5, "role");
  const waiting = keyRecord({ state: "offboarding", waitingFor: "approval" });
  const freed = keyRecord({ state: "pending-deletion", waitingFor: "deletion-window" });

  test("is done once two people stand behind the offboarding and no key waits for one", async () => {
    const tenant = tenantRecord({ leaving, approvals: [approval()] });
    const looks = [
      { tenant: tenantRecord({ leaving }), keys: [waiting] },
      { tenant, keys: [waiting] },
    ];
    expect(await wait(awaited, looks)).toMatchObject({ end: "timeout" });
    expect(await wait(awaited, [...looks, { tenant, keys: [freed] }])).toMatchObject({ end: "done" });
  });

  test("of an offboarding from the bus is done once it is recorded, though a second one is needed", async () => {
    const nobody = register({ generation: 5 });
    const tenant = tenantRecord({ leaving: nobody, approvals: [approval()] });
    expect(await wait(awaited, [{ tenant, keys: [waiting] }])).toMatchObject({ end: "done" });
  });

  test("of an offboarding that a newer one replaced is overtaken", async () => {
    const tenant = tenantRecord({ leaving: register({ generation: 6 }) });
    expect(await wait(awaited, [{ tenant, keys: [waiting] }])).toMatchObject({ end: "superseded" });
  });
});

test("a rotation is done when its own generation is, and overtaken by a newer one", async () => {
  const rotated = (rotation: KeyRecord["rotation"]) => [keys(keyRecord({ rotation }))];
  const awaited = rotationOutcome(SENT, DEFAULT);
  expect(await wait(awaited, rotated({ generation: 7, startedAtMs: 1 }))).toMatchObject({ end: "timeout" });
  expect(await wait(awaited, rotated({ generation: 6, startedAtMs: 1, doneAtMs: 2 }))).toMatchObject({
    end: "timeout",
  });
  expect(await wait(awaited, rotated({ generation: 7, startedAtMs: 1, doneAtMs: 2 }))).toMatchObject({ end: "done" });
  expect(await wait(awaited, rotated({ generation: 8, startedAtMs: 1 }))).toMatchObject({ end: "superseded" });
});

test("imported material is done when the key that has it can be used", async () => {
  const awaited = materialOutcome(SENT, DEFAULT);
  const look = (changes: Partial<KeyRecord>) => [keys(keyRecord(changes))];
  const empty = { state: "awaiting-material", materialGeneration: 7 } as const;
  expect(await wait(awaited, look({ state: "awaiting-material" }))).toMatchObject({ end: "timeout" });
  expect(await wait(awaited, look(empty))).toMatchObject({ end: "timeout" });
  expect(await wait(awaited, look({ materialGeneration: 7 }))).toMatchObject({ end: "done" });
  expect(await wait(awaited, look({ materialGeneration: 8 }))).toMatchObject({ end: "superseded" });
});
