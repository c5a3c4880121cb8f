/**
 * The plan of a repair: of what a tenant key lacks, that which the repair's rules permit. The key is the one that the
 * registry names, wherever an alias or tags lead. What would let somebody in or open the key again is done only where
 * key and role are certainly the tenant's; what protects is done in any case.
 */
import { checkContainment } from "../containment.ts";
import type { DesiredTenantKey } from "../desired-state.ts";
import type { TenantKeysError } from "../errors.ts";
import type { KeyArn } from "../ids.ts";
import { hasTags } from "../names.ts";
import type { ObservedKey, ObservedRole, ObservedTenantKey } from "../observed-state.ts";
import {
  type Action,
  DYING,
  discardActions,
  importActions,
  isRecordedAttempt,
  type KeyTarget,
  keysSeen,
  leaveRoleSteps,
  mustSetRotation,
  type Plan,
  planDeparture,
  previousKeys,
  type RecordedKeys,
  refusal,
} from "../plan.ts";
import { samePolicy } from "../policy-document.ts";
import { admitsAlready } from "./narrowing.ts";
import type { RepairPermissions } from "./repair.ts";
import { trustsNobodyElse } from "./rules/principals.ts";

/** An action that is needed, and why it can't be this repair's even where its rules permit it. */
interface Needed {
  readonly action: Action;
  readonly obstacle?: TenantKeysError | undefined;
  /** Whether the rules permit it here, beside its kind. */
  readonly permitted?: boolean;
}

interface Repairing {
  readonly desired: DesiredTenantKey;
  readonly observed: ObservedTenantKey;
  readonly recorded: RecordedKeys;
  readonly permissions: RepairPermissions;
  readonly target: KeyTarget;
}

/** What is done with the role of a tenant that leaves, while its keys are there. */
const MARKS_ROLE: readonly Action["kind"][] = ["tag-role", "put-role-boundary"];

export function planRepair(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  recorded: RecordedKeys,
  target: KeyTarget,
  permissions: RepairPermissions,
): Plan {
  const repairing: Repairing = { desired, observed, recorded, permissions, target };
  const keys = tenantKeys(observed, recorded);
  if (target === "withdrawn" || target === "deleted") {
    const departure = planDeparture(desired, withRoleMarked(repairing), recorded, target);
    if (departure.kind === "refused") return departure;
    const marks = roleSteps(repairing).map((step) => step.filter(({ action }) => MARKS_ROLE.includes(action.kind)));
    const wanted = [...marks, grantsNeeded(repairing), ...departure.steps.map(needed)];
    return permit(permissions, departure.keyArn, wanted, departure.refusal);
  }
  const [key] = keys;
  if (key === undefined || key.keyArn !== recorded.keyArn) {
    const message = `the registry says ${recorded.keyArn ?? "that no key was made yet"}, and it can't be looked at`;
    return { kind: "refused", error: refusal("key_missing", message, desired) };
  }
  const unworkable = keys.map((one) => refuseUnworkable(desired, one)).find((error) => error !== undefined);
  if (unworkable !== undefined) return { kind: "refused", error: unworkable };
  return permit(permissions, key.keyArn, steps(repairing, key, keys));
}

/** As it is once the role's tags and boundary are back, where this repair puts them back first. */
function withRoleMarked(repairing: Repairing): ObservedTenantKey {
  const { observed, desired } = repairing;
  const { role } = observed;
  if (desired.role.kind === "shared" || role === undefined) return observed;
  if (roleObstacles(repairing).toUse !== undefined) return observed;
  const { tags, boundaryArn } = desired.ownRole;
  return { ...observed, role: { ...role, tags: { ...role.tags, ...tags }, boundaryArn } };
}

/** The same for a key of the tenant's own account, of which only the role is ours. */
export function planOwnKeyRepair(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  recorded: RecordedKeys,
  ownKeyArn: KeyArn,
  target: KeyTarget,
  permissions: RepairPermissions,
): Plan {
  const repairing: Repairing = { desired, observed, recorded, permissions, target };
  const admitted = observed.role !== undefined && samePolicy(observed.rolePolicy, desired.rolePolicy(ownKeyArn));
  const rolePolicy: readonly Needed[] =
    target === "usable"
      ? roleNeeds(repairing, admitted ? [] : [{ kind: "put-role-policy" }])
      : roleNeeds(repairing, observed.rolePolicy === undefined ? [] : [{ kind: "delete-role-policy" }]);
  return permit(permissions, ownKeyArn, [...roleSteps(repairing), rolePolicy]);
}

/** The recorded key first, then those that it replaced. */
function tenantKeys(observed: ObservedTenantKey, recorded: RecordedKeys): readonly ObservedKey[] {
  const current = keysSeen(observed).filter(({ keyArn }) => keyArn === recorded.keyArn);
  return [...current, ...previousKeys(observed, recorded)];
}

/** Whoever may decrypt too much is shut out before a key is opened again. */
function steps(repairing: Repairing, key: ObservedKey, keys: readonly ObservedKey[]): readonly (readonly Needed[])[] {
  const { desired, observed, recorded } = repairing;
  const leftOver = [...importActions(desired, key, recorded), ...discardActions(desired, observed, recorded, key)];
  return [
    ...roleSteps(repairing),
    grantsNeeded(repairing),
    rolePolicyNeeded(repairing, key, keys),
    keys.flatMap((one) => admissionNeeded(repairing, one)),
    keys.flatMap(revivalNeeded),
    keys.flatMap((one) => enablingNeeded(repairing, one)),
    [...rotationNeeded(repairing, key), ...aliasNeeded(repairing, key)],
    keys.flatMap((one) => disablingNeeded(repairing, one)),
    ...(desired.role.kind === "shared" ? leaveRoleSteps(desired, observed).map(needed) : []),
    needed(leftOver),
  ];
}

function needed(actions: readonly Action[]): readonly Needed[] {
  return actions.map((action) => ({ action }));
}

/** Keeps what is permitted and in nobody's way. An obstacle is told only where it stood in the way of the repair. */
function permit(
  { actions }: RepairPermissions,
  keyArn: KeyArn | undefined,
  wanted: readonly (readonly Needed[])[],
  unseen?: TenantKeysError | undefined,
): Plan {
  const withheld = new Set<Action["kind"]>();
  let obstacle = unseen;
  const kept = wanted.map((step) =>
    step.flatMap((one) => {
      const permitted = actions.has(one.action.kind) && one.permitted !== false;
      if (permitted && one.obstacle === undefined) return [one.action];
      withheld.add(one.action.kind);
      if (permitted) obstacle ??= one.obstacle;
      return [];
    }),
  );
  return {
    kind: "ready",
    keyArn,
    steps: kept.filter((step) => step.length > 0),
    withheld: [...withheld],
    ...(obstacle === undefined ? {} : { refusal: obstacle }),
  };
}

function refuseUnworkable(desired: DesiredTenantKey, { keyArn, state }: ObservedKey): TenantKeysError | undefined {
  if (state === "Unavailable") {
    return refusal("key_store_unavailable", `${keyArn} is unavailable: its key store isn't connected`, desired);
  }
  if (state !== "Creating" && state !== "Updating") return undefined;
  return refusal("plan_not_converging", `${keyArn} is ${state}: KMS isn't done with it`, desired);
}

function roleSteps(repairing: Repairing): readonly (readonly Needed[])[] {
  const { desired, observed } = repairing;
  const { role } = observed;
  if (desired.role.kind === "shared") return [];
  if (role === undefined) return [needed([{ kind: "create-role" }])];
  const obstacles = roleObstacles(repairing);
  const differs: readonly (Needed | false)[] = [
    !hasTags(role.tags, desired.role.tags) && { action: { kind: "tag-role" }, obstacle: obstacles.toMark },
    role.boundaryArn !== desired.role.boundaryArn && {
      action: { kind: "put-role-boundary" },
      obstacle: obstacles.toMark,
    },
  ];
  const trusts = samePolicy(role.trustPolicy, desired.role.trustPolicy);
  return [
    differs.filter((one) => one !== false),
    trusts ? [] : [{ action: { kind: "update-trust-policy" }, obstacle: obstacles.toUse }],
  ];
}

interface RoleObstacles {
  /** To put its tags or its boundary on it. */
  readonly toMark: TenantKeysError | undefined;
  /** To give it rights or let it into a key. */
  readonly toUse: TenantKeysError | undefined;
}

/** A role under our path that the registry names is the tenant's, whatever became of its tags. */
function roleObstacles({ desired, observed, recorded, permissions: { actions } }: Repairing): RoleObstacles {
  const { role } = observed;
  if (desired.role.kind === "shared" || role === undefined) {
    return { toMark: undefined, toUse: undefined };
  }
  const elsewhere = role.path !== desired.role.path && `its path is ${role.path}, not ${desired.role.path}`;
  const isNamed = recorded.roleArn === role.arn;
  const tagged = hasTags(role.tags, desired.role.tags);
  const untagged = !tagged && "it doesn't carry this tenant's tenantkeys tags";
  const stranger = untagged && !isNamed && "neither its tags nor the registry say that it is this tenant's";
  const unbound = role.boundaryArn !== desired.role.boundaryArn && "it doesn't have the stage's permissions boundary";
  const taken = (reason: string | false) =>
    reason === false
      ? undefined
      : refusal("role_taken", `role ${desired.role.name}: nothing is done with it, because ${reason}`, desired);
  return {
    toMark: taken(elsewhere || stranger),
    toUse: taken(
      elsewhere || (actions.has("tag-role") ? stranger : untagged) || (!actions.has("put-role-boundary") && unbound),
    ),
  };
}

/** What is done with the role, where it is there or is made by this very repair. */
function roleNeeds(repairing: Repairing, actions: readonly Action[]): readonly Needed[] {
  const { desired, observed, permissions } = repairing;
  const missing = desired.role.kind === "own" && observed.role === undefined;
  const permitted = !missing || permissions.actions.has("create-role");
  const obstacle = roleObstacles(repairing).toUse;
  return actions.map((action) => ({ action, permitted, obstacle }));
}

function grantsNeeded({ observed, permissions }: Repairing): readonly Needed[] {
  return (observed.grantsTooMany ?? []).map(({ keyArn, grantId, kind }) => ({
    action: { kind: "revoke-grant", keyArn, grantId },
    permitted: permissions.grants[kind],
  }));
}

function rolePolicyNeeded(repairing: Repairing, key: ObservedKey, keys: readonly ObservedKey[]): readonly Needed[] {
  const { desired, observed, recorded } = repairing;
  if (desired.role.kind === "shared") return [];
  const wanted = desired.rolePolicy(key.keyArn, ...(recorded.previousKeyArns ?? []));
  if (observed.role !== undefined && samePolicy(observed.rolePolicy, wanted)) return [];
  const stranger = keys.map((one) => keyObstacle(repairing, one)).find((error) => error !== undefined);
  const [policy] = roleNeeds(repairing, [{ kind: "put-role-policy" }]);
  return policy === undefined ? [] : [{ ...policy, obstacle: policy.obstacle ?? stranger }];
}

/** A changed record must never hand a key to another tenant: whose key it is, its own tags say. */
function keyObstacle({ desired, recorded }: Repairing, key: ObservedKey): TenantKeysError | undefined {
  if (!hasTags(key.tags, desired.keyOwnership)) {
    return refusal("key_taken", `${key.keyArn} isn't tagged as this tenant's`, desired);
  }
  // Of a key that was replaced the attempt is over and no longer kept.
  if (key.keyArn !== recorded.keyArn || isRecordedAttempt(key, recorded)) return undefined;
  return refusal(
    "key_taken",
    `${key.keyArn} carries this tenant's tags, and no attempt in the registry made it`,
    desired,
  );
}

function admissionNeeded(repairing: Repairing, key: ObservedKey): readonly Needed[] {
  const { desired, observed, permissions } = repairing;
  const roleIsNew = desired.role.kind === "own" && observed.role === undefined;
  if (!roleIsNew && samePolicy(key.policy, desired.admittedPolicy)) return [];
  const [needs] = roleNeeds(repairing, [{ kind: "admit-tenant", keyArn: key.keyArn }]);
  if (needs === undefined) return [];
  const mayWiden = permissions.askedBy === "person" || admitsAlready(key.policy, desired);
  return [
    {
      ...needs,
      permitted: needs.permitted !== false && mayWiden,
      obstacle: needs.obstacle ?? keyObstacle(repairing, key),
    },
  ];
}

/** In what state a cancelled deletion leaves a key only KMS knows: the next look goes on. */
function revivalNeeded({ keyArn, state }: ObservedKey): readonly Needed[] {
  return DYING.includes(state) ? needed([{ kind: "cancel-deletion", keyArn }]) : [];
}

function enablingNeeded(repairing: Repairing, key: ObservedKey): readonly Needed[] {
  if (repairing.target !== "usable" || key.state !== "Disabled") return [];
  const permitted =
    isPolicySafe(repairing, key) && areGrantsSafe(repairing, key) && isTrustSafe(repairing, repairing.observed.role);
  const obstacle = keyObstacle(repairing, key);
  return [{ action: { kind: "enable-key", keyArn: key.keyArn }, permitted, obstacle }];
}

/** A key that lets in a stranger stays shut, unless its policy is put first. */
function isPolicySafe(repairing: Repairing, key: ObservedKey): boolean {
  if (checkContainment(key.policy, repairing.desired).kind === "contained") return true;
  const { actions } = repairing.permissions;
  return admissionNeeded(repairing, key).every(
    ({ action, permitted, obstacle }) => actions.has(action.kind) && permitted !== false && obstacle === undefined,
  );
}

/** The same for one that a stranger may use by a grant, which no policy tells. Not looked at is not safe. */
function areGrantsSafe({ observed, permissions }: Repairing, { keyArn }: ObservedKey): boolean {
  if (observed.grantsTooMany === undefined) return false;
  const revokes = permissions.actions.has("revoke-grant") && permissions.grants.foreign;
  return revokes || !observed.grantsTooMany.some((grant) => grant.keyArn === keyArn && grant.kind === "foreign");
}

/** And for one whose tenant's role a stranger may take on: the key's policy lets in the role, whoever that is by then. */
function isTrustSafe(repairing: Repairing, role: ObservedRole | undefined): boolean {
  const { desired, permissions } = repairing;
  if (desired.role.kind === "shared" || role === undefined) return true;
  if (trustsNobodyElse(role.trustPolicy, desired.role.trustPolicy)) return true;
  return permissions.actions.has("update-trust-policy") && roleObstacles(repairing).toUse === undefined;
}

function disablingNeeded({ target }: Repairing, { keyArn, state }: ObservedKey): readonly Needed[] {
  return target === "disabled" && state === "Enabled" ? needed([{ kind: "disable-key", keyArn }]) : [];
}

/** KMS refuses it for a key that is disabled, and says of a dying one that it isn't rotated. */
function rotationNeeded(repairing: Repairing, key: ObservedKey): readonly Needed[] {
  const { desired, target } = repairing;
  if (DYING.includes(key.state) || !mustSetRotation(desired, key, target)) return [];
  return [{ action: { kind: "enable-rotation" }, permitted: isOrWillBeEnabled(repairing, key) }];
}

function isOrWillBeEnabled(repairing: Repairing, key: ObservedKey): boolean {
  if (key.state === "Enabled") return true;
  return enablingNeeded(repairing, key).some(
    ({ permitted, obstacle }) =>
      repairing.permissions.actions.has("enable-key") && permitted !== false && obstacle === undefined,
  );
}

/** An alias leads to no key that is scheduled for deletion: KMS refuses it. */
function aliasNeeded(repairing: Repairing, key: ObservedKey): readonly Needed[] {
  const { desired, observed, permissions } = repairing;
  const { alias } = observed;
  const obstacle = keyObstacle(repairing, key);
  const mayLead = !DYING.includes(key.state);
  if (alias.kind === "absent") return [{ action: { kind: "create-alias" }, permitted: mayLead, obstacle }];
  if (alias.kind === "present" && alias.key.keyArn === key.keyArn) return [];
  const offDying = alias.kind === "present" ? DYING.includes(alias.key.state) : permissions.movesAliasOffHiddenKey;
  const permitted = mayLead && (permissions.movesAliasOffAnyKey || offDying);
  const hidden =
    alias.kind === "unreadable" && !permitted
      ? refusal("alias_taken", `${desired.aliasName} leads to a key that doesn't let tenantkeys look`, desired)
      : undefined;
  return [
    { action: { kind: "move-alias" }, permitted: permitted || hidden !== undefined, obstacle: hidden ?? obstacle },
  ];
}
