/**
 * The life of a tenant's key: its states, which may follow which, and what each event comes to in each state. The diagram
 * and the table in docs/lifecycle.md are compared with this file by a test.
 */
import type { ErrorCode } from "./errors.ts";

/** What may come after each state, and through what. A state may always be kept. */
const NEXT_STATES = {
  provisioning: {
    active: "made",
    "awaiting-material": "made, its material to be imported",
    suspended: "made for a suspended tenant",
    offboarding: "tenant offboarded",
    failed: "refused or given up",
  },
  failed: { provisioning: "replay or retry", offboarding: "tenant offboarded" },
  "awaiting-material": {
    active: "material imported",
    suspended: "material imported, tenant suspended",
    offboarding: "tenant offboarded",
  },
  active: {
    suspended: "tenant suspended",
    "awaiting-material": "material expired",
    offboarding: "tenant offboarded",
  },
  suspended: {
    active: "tenant resumed",
    "awaiting-material": "material expired",
    offboarding: "tenant offboarded",
  },
  offboarding: {
    "pending-deletion": "watch period over, approved, no hold",
    active: "tenant reinstated",
    suspended: "tenant reinstated, still suspended",
    "awaiting-material": "tenant reinstated, material expired",
    provisioning: "tenant reinstated, no key made yet",
    destroyed: "no key was ever made",
  },
  "pending-deletion": {
    destroyed: "KMS says the key is gone",
    active: "tenant reinstated",
    suspended: "tenant reinstated, still suspended",
    "awaiting-material": "tenant reinstated, material expired",
    offboarding: "legal hold placed: deletion cancelled",
  },
  destroyed: { provisioning: "tenant signed up again" },
} as const satisfies Record<string, Readonly<Record<string, string>>>;

/**
 * - `provisioning`: declared, not usable yet · `active`: the tenant's role can use the key
 * - `failed`: refused or given up, with a reason in the record; replaying the event goes on from there
 * - `awaiting-material`: made with origin EXTERNAL, and without key material (not yet imported, or expired)
 * - `suspended`: disabled, everything else in place
 * - `offboarding`: disabled and its tenant shut out; waits for the watch period, an approval or the end of a legal hold
 * - `pending-deletion`: scheduled for deletion in KMS · `destroyed`: KMS says that it is gone
 */
export type LifecycleState = keyof typeof NEXT_STATES;

export const LIFECYCLE_STATES = Object.keys(NEXT_STATES) as readonly LifecycleState[];

export function canFollow(from: LifecycleState, to: LifecycleState): boolean {
  return to in NEXT_STATES[from];
}

export interface Transition {
  readonly from: LifecycleState;
  readonly to: LifecycleState;
  readonly through: string;
}

/** Every transition, for the diagram in docs/lifecycle.md. */
export const TRANSITIONS: readonly Transition[] = LIFECYCLE_STATES.flatMap((from) =>
  Object.entries(NEXT_STATES[from]).map(([to, through]) => ({ from, to: to as LifecycleState, through })),
);

/** `unknown`: the registry has no record of the key. */
export type StateOrUnknown = LifecycleState | "unknown";
export const STATES_OR_UNKNOWN: readonly StateOrUnknown[] = ["unknown", ...LIFECYCLE_STATES];

/**
 * What an event comes to for one key:
 * - `converge`: it is recorded, and the key is brought to what is then declared, which may be what it is already
 * - `record`: it is recorded and changes nothing in AWS now; it counts when a later event asks what is declared
 * - `new-life`: the key that is gone stays gone, and a new one is made, if the event is newer than the old key's end
 * - `ignore`: there is nothing that it could be about
 * - an error code: refused by that name
 */
export type EventOutcome = "converge" | "record" | "new-life" | "ignore" | ErrorCode;

const DECLARES_KEY = {
  unknown: "converge",
  provisioning: "converge",
  failed: "converge",
  "awaiting-material": "converge",
  active: "converge",
  suspended: "converge",
  offboarding: "tenant_offboarded",
  "pending-deletion": "tenant_offboarded",
  destroyed: "new-life",
} as const;

const SUSPENSION = {
  unknown: "record",
  provisioning: "converge",
  // Its own failure is nothing that suspending could mend: it is made as the tenant is then, when its event is replayed.
  failed: "record",
  "awaiting-material": "converge",
  active: "converge",
  suspended: "converge",
  offboarding: "record",
  "pending-deletion": "record",
  destroyed: "key_destroyed",
} as const;

const LEAVING = { ...SUSPENSION, offboarding: "converge", "pending-deletion": "converge" } as const;
/** Only a key on its way out is touched by a hold or an approval. */
const WAY_OUT = {
  ...SUSPENSION,
  provisioning: "record",
  "awaiting-material": "record",
  active: "record",
  suspended: "record",
  offboarding: "converge",
  "pending-deletion": "converge",
} as const;
const OFFBOARDED = { ...LEAVING, failed: "converge" } as const;

const EVENT_OUTCOMES = {
  TenantSignedUp: DECLARES_KEY,
  TenantKeyAdded: DECLARES_KEY,
  TenantSuspended: SUSPENSION,
  TenantResumed: SUSPENSION,
  // Said again for a key that is gone, it is true already.
  TenantOffboarded: { ...OFFBOARDED, destroyed: "record" },
  TenantReinstated: LEAVING,
  TenantOffboardingApproved: WAY_OUT,
  TenantLegalHoldPlaced: WAY_OUT,
  TenantLegalHoldReleased: { ...WAY_OUT, destroyed: "record" },
  TenantKeyRotationRequested: {
    unknown: "key_unknown",
    provisioning: "state_conflict",
    failed: "state_conflict",
    "awaiting-material": "state_conflict",
    active: "converge",
    suspended: "state_conflict",
    offboarding: "tenant_offboarded",
    "pending-deletion": "tenant_offboarded",
    destroyed: "key_destroyed",
  },
  TenantKeyMaterialSupplied: {
    unknown: "key_unknown",
    provisioning: "state_conflict",
    failed: "state_conflict",
    "awaiting-material": "converge",
    active: "converge",
    suspended: "converge",
    offboarding: "tenant_offboarded",
    "pending-deletion": "tenant_offboarded",
    destroyed: "key_destroyed",
  },
  TenantKeyReviewDue: { ...LEAVING, unknown: "ignore", failed: "ignore", provisioning: "ignore", destroyed: "ignore" },
  TenantKeyRepairRequested: {
    unknown: "key_unknown",
    // What isn't made yet has nothing to be put right: its event makes it.
    provisioning: "state_conflict",
    failed: "state_conflict",
    "awaiting-material": "converge",
    active: "converge",
    suspended: "converge",
    offboarding: "converge",
    "pending-deletion": "converge",
    destroyed: "key_destroyed",
  },
} as const satisfies Record<string, Readonly<Record<StateOrUnknown, EventOutcome>>>;

export type LifecycleEventType = keyof typeof EVENT_OUTCOMES;
export const LIFECYCLE_EVENT_TYPES = Object.keys(EVENT_OUTCOMES) as readonly LifecycleEventType[];

export function outcomeOf(event: LifecycleEventType, state: StateOrUnknown): EventOutcome {
  return EVENT_OUTCOMES[event][state];
}
