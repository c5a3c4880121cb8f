import { describe, expect, test } from "vitest";
import { DAY_MS, nextDeletionCheckMs, type OffboardingRules, offboardingStep } from "./offboarding.ts";
import { isApproved, mergeTenantEvent, type TenantRecord } from "./tenant-record.ts";
import { ACME } from "./test-support.ts";

const OFFBOARDED_AT_MS = Date.parse("2026-03-02T10:00:00Z");
const WATCH_ENDS_AT_MS = OFFBOARDED_AT_MS + 7 * DAY_MS;
const RULES: OffboardingRules = { watchPeriodDays: 7, approvalRequired: true, approvalPrincipal: "role" };
const ALICE = "AROAALICE:alice";
const ALICE_AGAIN = "AROAALICE:alice-under-another-name";
const BOB = "AROABOB:bob";

const LEAVING: TenantRecord = {
  tenantId: ACME,
  version: 1,
  updatedAtMs: OFFBOARDED_AT_MS,
  leaving: { value: true, generation: 5, eventId: "offboarding", by: ALICE, atMs: OFFBOARDED_AT_MS },
};
const HELD = { value: true, generation: 6, eventId: "hold", atMs: OFFBOARDED_AT_MS };
const approvedBy = (by: string, offboardingGeneration = 5): TenantRecord => ({
  ...LEAVING,
  approvals: [{ offboardingGeneration, generation: 7, eventId: "approval", by, atMs: OFFBOARDED_AT_MS }],
});
const step = (tenant: TenantRecord, nowMs: number, rules = RULES) =>
  offboardingStep(tenant, rules, OFFBOARDED_AT_MS, nowMs);

describe("what a key on its way out waits for", () => {
  test("the watch period is waited for to its last millisecond, approved or not", () => {
    const waits = { kind: "withdraw", waitingFor: "watch-period", nextCheckAtMs: WATCH_ENDS_AT_MS };
    for (const tenant of [LEAVING, approvedBy(BOB)]) {
      expect(step(tenant, OFFBOARDED_AT_MS)).toEqual(waits);
      expect(step(tenant, WATCH_ENDS_AT_MS - 1)).toEqual(waits);
    }
    expect(step(approvedBy(BOB), WATCH_ENDS_AT_MS)).toEqual({ kind: "schedule-deletion" });
  });

  test("without a watch period and an approval to wait for, the deletion is scheduled at once", () => {
    const rules = { ...RULES, watchPeriodDays: 0, approvalRequired: false };
    expect(step(LEAVING, OFFBOARDED_AT_MS, rules)).toEqual({ kind: "schedule-deletion" });
  });

  test("a legal hold outranks everything and no time ends it", () => {
    const held = { ...approvedBy(BOB), hold: HELD };
    for (const nowMs of [OFFBOARDED_AT_MS, WATCH_ENDS_AT_MS, WATCH_ENDS_AT_MS + 3650 * DAY_MS]) {
      expect(step(held, nowMs)).toEqual({ kind: "withdraw", waitingFor: "legal-hold" });
    }
    expect(step({ ...held, hold: { ...HELD, value: false } }, WATCH_ENDS_AT_MS).kind).toBe("schedule-deletion");
  });

  test.each([
    ["nobody's", LEAVING],
    ["the one's who asked for it", approvedBy(ALICE)],
    ["the same role's under another session name", approvedBy(ALICE_AGAIN)],
    ["somebody's who approved an earlier offboarding", approvedBy(BOB, 4)],
  ])("%s approval doesn't do", (_, tenant) => {
    expect(step(tenant, WATCH_ENDS_AT_MS)).toEqual({ kind: "withdraw", waitingFor: "approval" });
  });

  test("where sessions tell people apart, another session of one role may approve, and the same may not", () => {
    expect(isApproved(approvedBy(ALICE_AGAIN), "session")).toBe(true);
    expect(isApproved(approvedBy(ALICE), "session")).toBe(false);
  });

  test("an offboarding that came over the bus, from nobody in particular, takes two people's approval", () => {
    const leaving = { ...HELD, generation: 5 };
    const [bob, alice] = [approvedBy(BOB), approvedBy(ALICE)].map(({ approvals = [] }) => approvals) as [
      NonNullable<TenantRecord["approvals"]>,
      NonNullable<TenantRecord["approvals"]>,
    ];
    expect(isApproved({ ...LEAVING, leaving, approvals: bob }, "role")).toBe(false);
    expect(isApproved({ ...LEAVING, leaving, approvals: [...bob, ...bob] }, "role")).toBe(false);
    expect(isApproved({ ...LEAVING, leaving, approvals: [...bob, ...alice] }, "role")).toBe(true);
  });
});

describe("an approval", () => {
  const approve = (by: string | undefined, tenant: TenantRecord | undefined = LEAVING) =>
    mergeTenantEvent(
      tenant,
      { tenantId: ACME, generation: 8, eventId: "approval", by },
      { type: "TenantOffboardingApproved", offboardingGeneration: 5 },
      "role",
      OFFBOARDED_AT_MS,
    );

  test.each([
    ["the one who asked", ALICE],
    ["the same role in another session", ALICE_AGAIN],
    ["nobody, as the bus brings it", undefined],
  ])("by %s is refused", (_, by) => {
    expect(approve(by)).toMatchObject({ kind: "refused", error: { code: "approval_refused" } });
  });

  test("by somebody else is taken, and again is known", () => {
    const taken = approve(BOB);
    expect(taken).toMatchObject({ kind: "changed", tenant: { approvals: [{ by: BOB, offboardingGeneration: 5 }] } });
    expect(approve(BOB, taken.kind === "changed" ? taken.tenant : undefined)).toMatchObject({ kind: "known" });
  });

  test("that comes before its offboarding is kept, and counts for nothing if both are one person's", () => {
    const early = approve(ALICE, { tenantId: ACME, version: 1, updatedAtMs: 0 });
    if (early.kind !== "changed") throw new Error("the approval wasn't taken");
    expect(isApproved({ ...early.tenant, leaving: LEAVING.leaving }, "role")).toBe(false);
  });
});

test("a dying key is looked at on its date, and daily once that is past", () => {
  const deletionDateMs = OFFBOARDED_AT_MS + 30 * DAY_MS;
  expect(nextDeletionCheckMs({ deletionDateMs }, OFFBOARDED_AT_MS)).toBe(deletionDateMs);
  expect(nextDeletionCheckMs({ deletionDateMs }, deletionDateMs)).toBe(deletionDateMs + DAY_MS);
  expect(nextDeletionCheckMs({ deletionDateMs: undefined }, OFFBOARDED_AT_MS)).toBe(OFFBOARDED_AT_MS + DAY_MS);
});
