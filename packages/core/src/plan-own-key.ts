/**
 * The plan for a key of the tenant's own account. The key isn't ours: it is never made, rotated, disabled, deleted, and
 * its policy never changed. What is ours is the tenant's role, and whether its policy names the key.
 */
import type { DesiredTenantKey } from "./desired-state.ts";
import type { KeyArn } from "./ids.ts";
import type { ObservedTenantKey } from "./observed-state.ts";
import {
  type Action,
  isOurRole,
  type KeyTarget,
  leaveRoleSteps,
  type Plan,
  ready,
  refuseForeignRole,
  roleActions,
} from "./plan.ts";
import { samePolicy } from "./policy-document.ts";

export function planOwnKey(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  ownKeyArn: KeyArn,
  target: KeyTarget,
  roleIsNeeded?: boolean,
): Plan {
  if (target === "deleted" || target === "withdrawn") {
    const leave = () => leaveRoleSteps(desired, observed, roleIsNeeded);
    const steps = target === "deleted" ? leave() : [shutOutActions(desired, observed)];
    return ready(target === "deleted" ? undefined : ownKeyArn, steps);
  }
  const refusal = refuseForeignRole(desired, observed);
  if (refusal !== undefined) return { kind: "refused", error: refusal };
  const admitted = observed.role !== undefined && samePolicy(observed.rolePolicy, desired.rolePolicy(ownKeyArn));
  const letIn: readonly Action[] = admitted ? [] : [{ kind: "put-role-policy" }];
  const steps = [roleActions(desired, observed), target === "usable" ? letIn : shutOutActions(desired, observed)];
  return ready(ownKeyArn, steps);
}

function shutOutActions(desired: DesiredTenantKey, observed: ObservedTenantKey): readonly Action[] {
  const letIn = isOurRole(desired, observed) && observed.rolePolicy !== undefined;
  return letIn ? [{ kind: "delete-role-policy" }] : [];
}
