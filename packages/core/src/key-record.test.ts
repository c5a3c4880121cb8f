import { expect, test } from "vitest";
import { parseAttemptId, parseKeyArn } from "./ids.ts";
import { type Attempt, decideDeclaration, type KeyDeclaration, type KeyRecord, unusedAttempt } from "./key-record.ts";
import { LIFECYCLE_STATES } from "./lifecycle.ts";
import type { TenantRecord } from "./tenant-record.ts";
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

const TENANT: TenantRecord = { tenantId: ACME, version: 1, lifeGeneration: 1, updatedAtMs: NOW_MS };
/** Offboarded by an event newer than what the record declares, or older than the newest sign-up. */
const leavingSince = (generation: number): TenantRecord => ({
  ...TENANT,
  leaving: { value: true, generation, eventId: "offboarding", atMs: NOW_MS },
});

/** The same rule, said as a table: age first, then the end, then the lease. */
function expected([state, generation, lease]: Case) {
  if (generation === "older") return { kind: "superseded", byGeneration: 5 };
  if (state === "destroyed") {
    return generation === "newer" ? { kind: "new-life" } : { kind: "superseded", byGeneration: 5 };
  }
  if (lease === "taken") return { kind: "busy", leaseUntilMs: NOW_MS + 1 };
  return { kind: "proceed", attempts: ATTEMPTS };
}

test.each(cases)("a key that is %s, declared with an %s generation, its lease %s", (...given) => {
  const [state, generation, lease] = given;
  const record = { ...RECORD, state, leaseUntilMs: LEASES[lease] };
  const declaration = { ...DECLARATION, generation: GENERATIONS[generation] };
  expect(decideDeclaration(record, TENANT, declaration, NOW_MS)).toEqual(expected(given));
});

test.each(LIFECYCLE_STATES.filter((state) => state !== "destroyed"))(
  "for a tenant that is leaving a declaration of a key that is %s is only recorded, and refused where it is newer",
  (state) => {
    const record = { ...RECORD, state };
    const newer = decideDeclaration(record, leavingSince(5), { ...DECLARATION, generation: 6 }, NOW_MS);
    expect(newer).toMatchObject({ kind: "record", error: { code: "tenant_offboarded", retryable: false } });
    const older = decideDeclaration(record, leavingSince(7), { ...DECLARATION, generation: 6 }, NOW_MS);
    expect(older).toEqual({ kind: "record", error: undefined });
  },
);

test("a key that is gone is made anew only by what is newer than the tenant's offboarding too", () => {
  const gone = { ...RECORD, state: "destroyed" } as const;
  const declare = (generation: number) =>
    decideDeclaration(gone, leavingSince(7), { ...DECLARATION, generation }, NOW_MS);
  expect(declare(7)).toEqual({ kind: "superseded", byGeneration: 7 });
  expect(declare(8)).toEqual({ kind: "new-life" });
});

test("a sign-up that was refused while the tenant was leaving makes the key anew once it is gone, replayed as it was", () => {
  const refused = { ...RECORD, state: "destroyed", generation: 8 } as const;
  const replayed = { ...DECLARATION, generation: 8 };
  expect(decideDeclaration(refused, leavingSince(7), replayed, NOW_MS)).toEqual({ kind: "new-life" });
  expect(decideDeclaration(refused, leavingSince(8), replayed, NOW_MS)).toMatchObject({ kind: "superseded" });
});

test("a key that is gone may be followed by one of the tenant's own", () => {
  const ownKeyArn = parseKeyArn("arn:aws:kms:eu-west-1:444455556666:key/1234");
  const gone = { ...RECORD, state: "destroyed" } as const;
  const declaration = { ...DECLARATION, generation: 8, ownKeyArn };
  expect(decideDeclaration(gone, leavingSince(7), declaration, NOW_MS)).toEqual({ kind: "new-life" });
});

test("a key that tenantkeys made doesn't become the tenant's own, nor the other way round", () => {
  const ownKeyArn = parseKeyArn("arn:aws:kms:eu-west-1:444455556666:key/1234");
  for (const [record, declaration] of [
    [RECORD, { ...DECLARATION, generation: 6, ownKeyArn }],
    [
      { ...RECORD, ownKeyArn },
      { ...DECLARATION, generation: 6 },
    ],
  ] as const) {
    const decision = decideDeclaration(record, TENANT, declaration, NOW_MS);
    expect(decision).toMatchObject({ kind: "refused", error: { code: "state_conflict" } });
  }
});

test("the same generation with another profile is refused, since neither of the two is newer", () => {
  const decision = decideDeclaration(RECORD, TENANT, { ...DECLARATION, profile: "strict" }, NOW_MS);
  expect(decision).toMatchObject({ kind: "refused", error: { code: "generation_conflict" } });
  expect(decision).toHaveProperty("error.details", { tenantId: ACME, keyName: DEFAULT_KEY, step: "declare" });
});

test("a newer generation may declare another profile, and an older one's profile doesn't matter", () => {
  const other = { ...DECLARATION, profile: "strict" };
  expect(decideDeclaration(RECORD, TENANT, { ...other, generation: 6 }, NOW_MS).kind).toBe("proceed");
  expect(decideDeclaration(RECORD, TENANT, { ...other, generation: 4 }, NOW_MS).kind).toBe("superseded");
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
