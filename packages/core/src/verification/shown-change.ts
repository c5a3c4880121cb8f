/**
 * Whether a read of KMS already shows what an event says was done. KMS's reads may lag behind its writes by seconds, and
 * CloudTrail's events come about as fast, so a guard that looks at once may see the key as it was.
 * https://docs.aws.amazon.com/kms/latest/developerguide/accessing-kms.html#programming-eventual-consistency
 */
import type { KeyState } from "../observed-state.ts";
import { samePolicy } from "../policy-document.ts";
import type { KmsEvent } from "./touched-key.ts";

const isDying = (state: KeyState) => state === "PendingDeletion" || state === "PendingReplicaDeletion";

/** By operation, the states in which a key can be once the operation shows. */
const SHOWN_IN: Readonly<Record<string, (state: KeyState) => boolean>> = {
  ScheduleKeyDeletion: isDying,
  CancelKeyDeletion: (state) => !isDying(state),
  DisableKey: (state) => state !== "Enabled",
  EnableKey: (state) => state !== "Disabled",
};

/** What must be read to know it; undefined of operations whose effect isn't looked for. */
export function shownBy({ operation, policyText }: KmsEvent): "state" | "policy" | undefined {
  if (Object.hasOwn(SHOWN_IN, operation)) return "state";
  return operation === "PutKeyPolicy" && policyText !== undefined ? "policy" : undefined;
}

export function stateShows({ operation }: KmsEvent, state: KeyState): boolean {
  const isShown = Object.hasOwn(SHOWN_IN, operation) ? SHOWN_IN[operation] : undefined;
  return isShown === undefined || isShown(state);
}

/** @param policy as KMS gives it back: with its lists in another order, perhaps */
export function policyShows({ policyText }: KmsEvent, policy: string): boolean {
  if (policyText === undefined) return true;
  try {
    return samePolicy(JSON.parse(policyText), JSON.parse(policy));
  } catch {
    // A policy that isn't JSON, or nests too deep to compare, shows nothing either way: verification judges it.
    return true;
  }
}
