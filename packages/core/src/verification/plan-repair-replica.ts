/** The plan of a repair for one replica: of what it lacks, that which the repair's rules permit. */
import { checkContainment } from "../containment.ts";
import type { DesiredTenantKey } from "../desired-state.ts";
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

/**
 * @param desired the key as it should be in this replica's Region
 * @param letsInByGrant whether a stranger has, or may have, a grant for it that this repair doesn't revoke
 */
export function planReplicaRepair(
  desired: DesiredTenantKey,
  observed: ObservedReplica,
  target: KeyTarget,
  permissions: RepairPermissions,
  letsInByGrant = false,
): ReplicaRepair {
  const needed = planReplica(desired, observed, target);
  const { key } = observed;
  const admits = permissions.replicaActions.has("admit-tenant") && mayAdmit(desired, key, permissions);
  const contained = key === undefined || checkContainment(key.policy, desired).kind === "contained";
  const permits = (kind: ReplicaActionKind) => {
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
