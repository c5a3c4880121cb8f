/** The plan of a repair for one replica: of what it lacks, that which the repair's rules permit. */
import { checkContainment } from "../containment.ts";
import type { DesiredTenantKey } from "../desired-state.ts";
import { hasTags } from "../names.ts";
import type { ObservedKey } from "../observed-state.ts";
import type { KeyTarget } from "../plan.ts";
import { type ObservedReplica, planReplica, type ReplicaActionKind } from "../plan-replicas.ts";
import { samePolicy } from "../policy-document.ts";
import { admitsAlready } from "./narrowing.ts";
import type { RepairPermissions } from "./repair.ts";

export interface ReplicaRepair {
  readonly actions: readonly ReplicaActionKind[];
  readonly withheld: readonly ReplicaActionKind[];
}

/** What else speaks against opening a replica, or for making one. */
export interface AroundReplica {
  /** The key that it is a replica of, where it can be read. */
  readonly primary: Pick<ObservedKey, "tags"> | undefined;
  /** Whether a stranger has, or may have, a grant for it that this repair doesn't revoke. */
  readonly letsInByGrant: boolean;
}

/** What is done even to a replica that isn't certainly the tenant's. */
const PROTECTING: readonly ReplicaActionKind[] = ["cancel-deletion", "disable-key", "shut-out-tenant"];

/** @param desired the key as it should be in this replica's Region */
export function planReplicaRepair(
  desired: DesiredTenantKey,
  observed: ObservedReplica,
  target: KeyTarget,
  permissions: RepairPermissions,
  { primary, letsInByGrant }: AroundReplica,
): ReplicaRepair {
  const needed = planReplica(desired, observed, target);
  const { key } = observed;
  const admits = permissions.replicaActions.has("admit-tenant") && mayAdmit(desired, key, permissions);
  const contained = key === undefined || checkContainment(key.policy, desired).kind === "contained";
  // A changed record must never hand a key to another tenant: whose key it is, its own tags say, or its primary's.
  const isTheirs = hasTags((key ?? primary)?.tags ?? {}, desired.keyOwnership);
  const permits = (kind: ReplicaActionKind) => {
    if (!isTheirs && !PROTECTING.includes(kind)) return false;
    if (kind === "admit-tenant") return admits;
    // A key that lets in a stranger stays shut, unless its policy is put first.
    if (kind === "enable-key" && ((!contained && !admits) || letsInByGrant)) return false;
    return permissions.replicaActions.has(kind);
  };
  const actions = needed.filter(permits).toSorted((one, other) => Number(isOpening(one)) - Number(isOpening(other)));
  // A replica that isn't made has neither name nor tenant.
  const isLeftOut = key === undefined && !actions.includes("replicate");
  return { actions: isLeftOut ? [] : actions, withheld: needed.filter((kind) => isLeftOut || !actions.includes(kind)) };
}

const isOpening = (kind: ReplicaActionKind) => kind === "enable-key";

/** A replica that never admitted its tenant was made by a repair, or a worker, that was cut off. */
function mayAdmit(desired: DesiredTenantKey, key: ObservedKey | undefined, permissions: RepairPermissions): boolean {
  if (key === undefined || samePolicy(key.policy, desired.creationPolicy)) return true;
  if (!permissions.mendsReplicas) return false;
  return permissions.askedBy === "person" || admitsAlready(key.policy, desired);
}
