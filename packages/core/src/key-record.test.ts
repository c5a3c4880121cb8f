import { expect, test } from "vitest";
import { parseAttemptId } from "./ids.ts";
import { type Attempt, decideDeclaration, type KeyDeclaration, type KeyRecord, unusedAttempt } from "./key-record.ts";
import { LIFECYCLE_STATES } from "./lifecycle.ts";
import { ACME, DEFAULT_KEY } from "./test-support.ts";

const NOW_MS = Date.parse("2026-03-02T10:00:00Z");
const ATTEMPTS: readonly Attempt[] = [{ attemptId: parseAttemptId("attempt-1"), outcome: "open" }];

const RECORD: KeyRecord = {
  tenantId: ACME,
  keyName: DEFAULT_KEY,
  state: "provisioning",
  generation: 5,
  profile: "default",
  attempts: ATTEMPTS,
  fence: 3,
  leaseUntilMs: 0,
  eventId: "event-1",
  declaredAtMs: NOW_MS - 60_000,
  updatedAtMs: NOW_MS - 60_000,
};

const DECLARATION: KeyDeclaration = {
  tenantId: ACME,
  keyName: DEFAULT_KEY,
  generation: 5,
  profile: "default",
  eventId: "event-2",
};

const GENERATIONS = { older: 4, equal: 5, newer: 6 } as const;
const LEASES = { free: 0, "just ended": NOW_MS, taken: NOW_MS + 1 } as const;
type Case = readonly [KeyRecord["state"], keyof typeof GENERATIONS, keyof typeof LEASES];

const cases = LIFECYCLE_STATES.flatMap((state) =>
  (["older", "equal", "newer"] as const).flatMap((generation) =>
    (["free", "just ended", "taken"] as const).map((lease): Case => [state, generation, lease]),
  ),
);

/** The same rule, said as a table: age first, then the state, then the lease. */
function expected([state, generation, lease]: Case) {
  if (generation === "older") return { kind: "superseded", byGeneration: 5 };
  if (state === "suspended" || state === "pending-deletion" || state === "destroyed") {
    return { kind: "refused", error: expect.objectContaining({ code: "state_conflict", retryable: false }) };
  }
  if (lease === "taken") return { kind: "busy", leaseUntilMs: NOW_MS + 1 };
  return { kind: "proceed", attempts: ATTEMPTS };
}

test.each(cases)("a key that is %s, declared with an %s generation, its lease %s", (...given) => {
  const [state, generation, lease] = given;
  const record = { ...RECORD, state, leaseUntilMs: LEASES[lease] };
  const declaration = { ...DECLARATION, generation: GENERATIONS[generation] };
  expect(decideDeclaration(record, declaration, NOW_MS)).toEqual(expected(given));
});

test("the same generation with another profile is refused, since neither of the two is newer", () => {
  const decision = decideDeclaration(RECORD, { ...DECLARATION, profile: "strict" }, NOW_MS);
  expect(decision).toMatchObject({ kind: "refused", error: { code: "generation_conflict" } });
  expect(decision).toHaveProperty("error.details", { tenantId: ACME, keyName: DEFAULT_KEY, step: "declare" });
});

test("a newer generation may declare another profile, and an older one's profile doesn't matter", () => {
  const other = { ...DECLARATION, profile: "strict" };
  expect(decideDeclaration(RECORD, { ...other, generation: 6 }, NOW_MS).kind).toBe("proceed");
  expect(decideDeclaration(RECORD, { ...other, generation: 4 }, NOW_MS).kind).toBe("superseded");
});

test("a key may be created only under an attempt that certainly made none", () => {
  const [open, created, unused, later] = (["open", "created", "unused", "unused"] as const).map((outcome, index) => ({
    attemptId: parseAttemptId(`attempt-${index}`),
    outcome,
  })) as [Attempt, Attempt, Attempt, Attempt];
  expect(unusedAttempt([])).toBeUndefined();
  expect(unusedAttempt([open, created])).toBeUndefined();
  expect(unusedAttempt([open, unused, later])).toBe(unused);
});
