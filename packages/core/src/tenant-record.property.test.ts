import fc from "fast-check";
import { expect, test } from "vitest";
import { parseTenantId } from "./ids.ts";
import {
  type Declared,
  isHeld,
  mergeSignUp,
  mergeTenantEvent,
  newTenant,
  type RegisterEventType,
  type TenantMerge,
  type TenantRecord,
  targetOf,
} from "./tenant-record.ts";

const TENANT = parseTenantId("acme");
const NOW_MS = 1_767_225_600_000;

interface HistoryEvent {
  readonly type: RegisterEventType | "TenantSignedUp";
  readonly generation: number;
}

const TYPES: readonly HistoryEvent["type"][] = [
  "TenantSignedUp",
  "TenantSuspended",
  "TenantResumed",
  "TenantOffboarded",
  "TenantReinstated",
  "TenantLegalHoldPlaced",
  "TenantLegalHoldReleased",
];

function take(tenant: TenantRecord | undefined, { type, generation }: HistoryEvent): TenantRecord | undefined {
  const declared: Declared = { tenantId: TENANT, generation, eventId: `${type}-${generation}` };
  if (type !== "TenantSignedUp") return merged(mergeTenantEvent(tenant, declared, { type }, "role", NOW_MS), tenant);
  return tenant === undefined ? newTenant(declared, NOW_MS) : merged(mergeSignUp(tenant, declared, NOW_MS), tenant);
}

function merged(merge: TenantMerge, before: TenantRecord | undefined): TenantRecord | undefined {
  return merge.kind === "changed" || merge.kind === "known" ? merge.tenant : before;
}

const declaredBy = (history: readonly HistoryEvent[]) => {
  const end = history.reduce<TenantRecord | undefined>(take, undefined);
  return { target: targetOf(end), held: end !== undefined && isHeld(end) };
};

/** What the newest generations say, worked out without the registers. */
function newestSays(history: readonly HistoryEvent[]) {
  const newest = (types: readonly HistoryEvent["type"][]) =>
    history.filter(({ type }) => types.includes(type)).sort((one, other) => other.generation - one.generation)[0];
  const firstSignUp = Math.min(...history.filter(({ type }) => type === "TenantSignedUp").map((e) => e.generation));
  const way = newest(["TenantOffboarded", "TenantReinstated"]);
  const leaves = way?.type === "TenantOffboarded" && (firstSignUp === Infinity || way.generation > firstSignUp);
  const suspended = newest(["TenantSuspended", "TenantResumed"])?.type === "TenantSuspended";
  return {
    target: leaves ? "leaving" : suspended ? "disabled" : "usable",
    held: newest(["TenantLegalHoldPlaced", "TenantLegalHoldReleased"])?.type === "TenantLegalHoldPlaced",
  };
}

/** Different generations, then any order, with some events again and again. */
const histories = fc
  .uniqueArray(fc.record({ type: fc.constantFrom(...TYPES), generation: fc.integer({ min: 1, max: 60 }) }), {
    selector: ({ generation }) => generation,
    minLength: 1,
    maxLength: 12,
  })
  .chain((events) =>
    fc.record({
      events: fc.constant(events),
      one: fc.shuffledSubarray(events, { minLength: events.length }),
      again: fc.array(fc.constantFrom(...events), { maxLength: 12 }),
    }),
  )
  .chain(({ events, one, again }) => {
    const repeated = [...events, ...again];
    return fc.record({
      events: fc.constant(events),
      one: fc.constant(one),
      other: fc.shuffledSubarray(repeated, { minLength: repeated.length }),
    });
  });

test("200 histories of a tenant end, in every order and with every repetition, in what the newest generations declare", () => {
  fc.assert(
    fc.property(histories, ({ events, one, other }) => {
      expect(declaredBy(one)).toEqual(newestSays(events));
      expect(declaredBy(other)).toEqual(newestSays(events));
    }),
    { numRuns: 200 },
  );
});

test("two opposite events of one generation end in the safer one, whichever comes first", () => {
  const safer: readonly (readonly [HistoryEvent["type"], HistoryEvent["type"], ReturnType<typeof declaredBy>])[] = [
    ["TenantSuspended", "TenantResumed", { target: "disabled", held: false }],
    ["TenantReinstated", "TenantOffboarded", { target: "usable", held: false }],
    ["TenantLegalHoldPlaced", "TenantLegalHoldReleased", { target: "usable", held: true }],
  ];
  for (const [wins, loses, end] of safer) {
    const events = [wins, loses].map((type) => ({ type, generation: 7 }));
    expect(declaredBy(events)).toEqual(end);
    expect(declaredBy(events.toReversed())).toEqual(end);
  }
});

test("the loser of one generation is refused by name, and a repetition is known", () => {
  const declared = { tenantId: TENANT, generation: 7, eventId: "event-1" };
  const suspended = mergeTenantEvent(undefined, declared, { type: "TenantSuspended" }, "role", NOW_MS);
  if (suspended.kind !== "changed") throw new Error("the first event wasn't taken");
  const again = mergeTenantEvent(suspended.tenant, declared, { type: "TenantSuspended" }, "role", NOW_MS);
  expect(again).toEqual({ kind: "known", tenant: suspended.tenant });
  const resumed = mergeTenantEvent(suspended.tenant, declared, { type: "TenantResumed" }, "role", NOW_MS);
  expect(resumed).toMatchObject({ kind: "refused", error: { code: "generation_conflict" } });
});
