import { describe, expect, test } from "vitest";
import { ERROR_CODES } from "./errors.ts";
import {
  canFollow,
  type EventOutcome,
  LIFECYCLE_EVENT_TYPES,
  LIFECYCLE_STATES,
  type LifecycleEventType,
  type LifecycleState,
  outcomeOf,
  STATES_OR_UNKNOWN,
  type StateOrUnknown,
  TRANSITIONS,
} from "./lifecycle.ts";

const FOLLOWS: Record<LifecycleState, readonly LifecycleState[]> = {
  provisioning: ["active", "awaiting-material", "suspended", "offboarding", "failed"],
  failed: ["provisioning", "offboarding"],
  "awaiting-material": ["active", "suspended", "offboarding"],
  active: ["suspended", "awaiting-material", "offboarding"],
  suspended: ["active", "awaiting-material", "offboarding"],
  offboarding: ["pending-deletion", "active", "suspended", "awaiting-material", "provisioning", "destroyed"],
  "pending-deletion": ["destroyed", "active", "suspended", "awaiting-material", "offboarding"],
  destroyed: ["provisioning"],
};

const pairs = LIFECYCLE_STATES.flatMap((from) => LIFECYCLE_STATES.map((to) => [from, to] as const));

describe("states", () => {
  test.each(pairs)("from %s to %s is as documented", (from, to) => {
    expect(canFollow(from, to)).toBe(FOLLOWS[from].includes(to));
  });

  test("every transition is one that may follow, and says through what", () => {
    expect(TRANSITIONS).toHaveLength(Object.values(FOLLOWS).flat().length);
    for (const { from, to, through } of TRANSITIONS)
      expect([FOLLOWS[from], through]).toEqual([expect.arrayContaining([to]), expect.stringMatching(/./)]);
  });

  test("a key that was ever usable is destroyed only after offboarding and a pending deletion", () => {
    expect(LIFECYCLE_STATES.filter((state) => canFollow(state, "pending-deletion"))).toEqual(["offboarding"]);
    expect(LIFECYCLE_STATES.filter((state) => canFollow(state, "destroyed"))).toEqual([
      "offboarding",
      "pending-deletion",
    ]);
  });
});

type Row = readonly EventOutcome[];
/** States in the order of STATES_OR_UNKNOWN: unknown, provisioning, failed, awaiting-material, active, suspended, offboarding, pending-deletion, destroyed. */
const KEY: Row = [
  "converge",
  "converge",
  "converge",
  "converge",
  "converge",
  "converge",
  "tenant_offboarded",
  "tenant_offboarded",
  "new-life",
];
const SUSPENSION: Row = [
  "record",
  "converge",
  "record",
  "converge",
  "converge",
  "converge",
  "record",
  "record",
  "key_destroyed",
];
const WAY_OUT: Row = [
  "record",
  "record",
  "record",
  "record",
  "record",
  "record",
  "converge",
  "converge",
  "key_destroyed",
];
const EXPECTED: Record<LifecycleEventType, Row> = {
  TenantSignedUp: KEY,
  TenantKeyAdded: KEY,
  TenantSuspended: SUSPENSION,
  TenantResumed: SUSPENSION,
  TenantOffboarded: [
    "record",
    "converge",
    "converge",
    "converge",
    "converge",
    "converge",
    "converge",
    "converge",
    "record",
  ],
  TenantReinstated: [
    "record",
    "converge",
    "record",
    "converge",
    "converge",
    "converge",
    "converge",
    "converge",
    "key_destroyed",
  ],
  TenantOffboardingApproved: WAY_OUT,
  TenantLegalHoldPlaced: WAY_OUT,
  TenantLegalHoldReleased: WAY_OUT.with(8, "record"),
  TenantKeyRotationRequested: [
    "key_unknown",
    "state_conflict",
    "state_conflict",
    "state_conflict",
    "converge",
    "state_conflict",
    "tenant_offboarded",
    "tenant_offboarded",
    "key_destroyed",
  ],
  TenantKeyMaterialSupplied: [
    "key_unknown",
    "state_conflict",
    "state_conflict",
    "converge",
    "converge",
    "converge",
    "tenant_offboarded",
    "tenant_offboarded",
    "key_destroyed",
  ],
  TenantKeyReviewDue: [
    "ignore",
    "ignore",
    "ignore",
    "converge",
    "converge",
    "converge",
    "converge",
    "converge",
    "ignore",
  ],
  TenantKeyRepairRequested: [
    "key_unknown",
    "state_conflict",
    "state_conflict",
    "converge",
    "converge",
    "converge",
    "converge",
    "converge",
    "key_destroyed",
  ],
};

describe("events", () => {
  const cells = LIFECYCLE_EVENT_TYPES.flatMap((event) =>
    STATES_OR_UNKNOWN.map((state, index) => [event, state, EXPECTED[event][index]] as const),
  );

  test("no pair of event and state is left out", () => {
    expect(cells).toHaveLength(13 * 9);
    expect(new Set(cells.map(([event, state]) => `${event} ${state}`)).size).toBe(cells.length);
  });

  test.each(cells)("%s for a key that is %s: %s", (event, state, outcome) => {
    expect(outcomeOf(event, state)).toBe(outcome);
  });

  test("whatever refuses is an error code, and none of them is tried again", () => {
    const outcomes = new Set<EventOutcome>(cells.map(([event, state]) => outcomeOf(event, state)));
    const said: readonly EventOutcome[] = ["converge", "record", "new-life", "ignore"];
    const codes: readonly string[] = [...outcomes].filter((outcome) => !said.includes(outcome));
    expect(ERROR_CODES).toEqual(expect.arrayContaining([...codes]));
  });

  test("only a sign-up begins anew, and only where the key is gone", () => {
    const anew = (state: StateOrUnknown) =>
      LIFECYCLE_EVENT_TYPES.filter((event) => outcomeOf(event, state) === "new-life");
    expect(STATES_OR_UNKNOWN.map((state) => anew(state).length)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 2]);
  });
});
