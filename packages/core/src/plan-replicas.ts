/**
 * The plan for the replicas of a multi-Region key. KMS shares a replica's id, material and rotation with its primary; its
 * policy, alias, tags and whether it is enabled are its own, so each is compared by itself.
 * https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html
 */
import type { DesiredTenantKey } from "./desired-state.ts";
import type { TenantKeysError } from "./errors.ts";
import type { KeyArn, Region } from "./ids.ts";
import type { ObservedKey } from "./observed-state.ts";
import { type KeyTarget, type RecordedKeys, refuseState } from "./plan.ts";
import { samePolicy } from "./policy-document.ts";

/** Where a key is besides its own Region. */
export interface Replica {
  readonly region: Region;
  readonly keyArn: KeyArn;
}

/** What was read of one replica, in its own Region. */
export interface ObservedReplica extends Replica {
  /** Undefined: there is none. */
  readonly key: ObservedKey | undefined;
  /** Whether the alias there leads to it. */
  readonly aliased: boolean;
}

export type ReplicaActionKind =
  | "replicate"
  | "create-alias"
  | "admit-tenant"
  | "enable-key"
  | "disable-key"
  | "shut-out-tenant"
  | "cancel-deletion"
  | "schedule-deletion";

/** KMS takes a moment to make a replica, and says so in its state; any other state is judged as the key's own. */
export function refuseReplica(
  desired: DesiredTenantKey,
  key: ObservedKey,
  recorded: Pick<RecordedKeys, "state" | "disablingSinceMs">,
  target: KeyTarget,
): TenantKeysError | undefined {
  const isBeingMade = key.state === "Creating" || key.state === "Updating";
  if (isBeingMade || target === "withdrawn" || target === "deleted") return undefined;
  return refuseState(desired, key, recorded, target);
}

/** @param desired the key as it should be in this replica's Region */
export function planReplica(
  desired: Pick<DesiredTenantKey, "admittedPolicy" | "departingPolicy">,
  { key, aliased }: ObservedReplica,
  target: KeyTarget,
): readonly ReplicaActionKind[] {
  if (key === undefined) return target === "usable" ? ["replicate", "create-alias", "admit-tenant"] : [];
  const dying = key.state === "PendingDeletion";
  // In what state that leaves it only KMS knows: the next look goes on.
  if (dying && target !== "deleted") return ["cancel-deletion"];
  const leaving = target === "withdrawn" || target === "deleted";
  const policy = leaving ? desired.departingPolicy : desired.admittedPolicy;
  const policyDiffers = !samePolicy(key.policy, policy);
  const actions: readonly (ReplicaActionKind | undefined)[] = [
    target === "usable" && key.state === "Disabled" ? "enable-key" : undefined,
    !leaving && !aliased ? "create-alias" : undefined,
    policyDiffers ? (leaving ? "shut-out-tenant" : "admit-tenant") : undefined,
    target !== "usable" && key.state === "Enabled" ? "disable-key" : undefined,
    target === "deleted" && !dying ? "schedule-deletion" : undefined,
  ];
  return actions.filter((kind) => kind !== undefined);
}

/** Decided when a key is made, and visible in its id: a Region that its profile gained later has no replica of it. */
export function hasReplicas(keyArn: KeyArn): boolean {
  return keyArn.includes(":key/mrk-");
}

/** A replica's ARN is its primary's in another Region. */
export function replicaArn(primary: KeyArn, region: Region): KeyArn {
  const parts = primary.split(":");
  return [...parts.slice(0, 3), region, ...parts.slice(4)].join(":") as KeyArn;
}
