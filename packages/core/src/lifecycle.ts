/** The states of a tenant's key, and which may follow which. */

const NEXT_STATES = {
  provisioning: ["active", "failed"],
  failed: ["provisioning"],
  active: ["suspended", "pending-deletion"],
  suspended: ["active", "pending-deletion"],
  "pending-deletion": ["suspended", "destroyed"],
  destroyed: [],
} as const satisfies Record<string, readonly string[]>;

/**
 * - `provisioning`: declared, not usable yet · `active`: the tenant's role can use the key
 * - `failed`: refused or given up, with a reason in the record; replaying the event goes on from there
 * - `suspended`, `pending-deletion`, `destroyed`: the key is disabled, is dying, is gone
 */
export type LifecycleState = keyof typeof NEXT_STATES;

export const LIFECYCLE_STATES = Object.keys(NEXT_STATES) as readonly LifecycleState[];

export function canFollow(from: LifecycleState, to: LifecycleState): boolean {
  const next: readonly LifecycleState[] = NEXT_STATES[from];
  return next.includes(to);
}

/** A sign-up goes on from these states; in the others the key's life is somebody's decision that it must not undo. */
export function acceptsSignUp(state: LifecycleState): boolean {
  return state === "provisioning" || state === "failed" || state === "active";
}
