/**
 * The one place that knows what "right" means: from what a tenant key should be and what was read from AWS, the actions
 * still needed. Applying them is provisioning; an empty plan is a clean verification.
 */

import type { DesiredTenantKey } from "./desired-state.ts";
import { TenantKeysError } from "./errors.ts";
import type { KeyArn, RoleArn } from "./ids.ts";
import type { Attempt } from "./key-record.ts";
import type { LifecycleState } from "./lifecycle.ts";
import { ATTEMPT_TAG, hasTags } from "./names.ts";
import type { KeyState, ObservedKey, ObservedTenantKey } from "./observed-state.ts";
import { samePolicy } from "./policy-document.ts";

/** What is done to a key is done to the tenant's key, unless another `keyArn` is named. */
export type Action =
  | { readonly kind: "create-role" }
  | { readonly kind: "update-trust-policy" }
  | { readonly kind: "put-role-boundary" }
  | { readonly kind: "tag-role" }
  | { readonly kind: "create-key" }
  | { readonly kind: "enable-rotation" }
  | { readonly kind: "put-role-policy" }
  | { readonly kind: "create-alias" }
  | { readonly kind: "move-alias" }
  | { readonly kind: "admit-tenant"; readonly keyArn?: KeyArn }
  | { readonly kind: "obtain-import-parameters" }
  | { readonly kind: "enable-key"; readonly keyArn?: KeyArn }
  | { readonly kind: "disable-key"; readonly keyArn?: KeyArn }
  | { readonly kind: "shut-out-tenant"; readonly keyArn?: KeyArn }
  | { readonly kind: "schedule-deletion"; readonly keyArn?: KeyArn }
  | { readonly kind: "cancel-deletion"; readonly keyArn?: KeyArn }
  | { readonly kind: "delete-role-policy" }
  | { readonly kind: "delete-role" }
  | { readonly kind: "discard-spare-key"; readonly keyArn: KeyArn }
  | { readonly kind: "revoke-grant"; readonly keyArn: KeyArn; readonly grantId: string };

/**
 * What a key should be: `usable` by its tenant; `disabled`, all else in place; `withdrawn`: disabled, its tenant shut out,
 * its deletion not scheduled; `deleted`: the same, and its deletion scheduled, until it is gone.
 */
export type KeyTarget = "usable" | "disabled" | "withdrawn" | "deleted";

export type Plan =
  | {
      readonly kind: "ready";
      /** The tenant's key, where it is there already. */
      readonly keyArn: KeyArn | undefined;
      /** Steps in order; the actions of one step don't depend on each other. Empty: everything is as it should be. */
      readonly steps: readonly (readonly Action[])[];
      /** Why one of several keys can't be brought to its target. To be thrown when the steps are done. */
      readonly refusal?: TenantKeysError | undefined;
      /** Of a repair: what is needed as well, and isn't its to do. */
      readonly withheld?: readonly Action["kind"][] | undefined;
    }
  | { readonly kind: "refused"; readonly error: TenantKeysError };

/** What the registry remembers that AWS can't say: which keys are ours, and which were disabled or condemned by us. */
export interface RecordedKeys {
  readonly keyArn?: KeyArn | undefined;
  readonly attempts: readonly Attempt[];
  readonly state?: LifecycleState | undefined;
  readonly disablingSinceMs?: number | undefined;
  readonly previousKeyArns?: readonly KeyArn[] | undefined;
  readonly roleArn?: RoleArn | undefined;
  /** Whether other keys of the tenant are still there (`needRole`): its role stays with them. */
  readonly roleIsNeeded?: boolean | undefined;
  /** Whether a customer holds parameters with which material can still be imported. */
  readonly importParametersValid?: boolean | undefined;
}

export function plan(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  recorded: RecordedKeys,
  target: KeyTarget = "usable",
): Plan {
  if (target === "withdrawn" || target === "deleted") return planDeparture(desired, observed, recorded, target);
  const refusal = refuseForeignRole(desired, observed);
  if (refusal !== undefined) return { kind: "refused", error: refusal };
  const key = findTenantKey(desired, observed, recorded, target);
  if (key instanceof TenantKeysError) return { kind: "refused", error: key };
  const replaced = previousKeys(observed, recorded);
  // Whoever disabled or condemned one of them behind our back is left to it: it can't be used meanwhile.
  const previous = replaced.filter((one) => refuseState(desired, one, recorded, target) === undefined);
  const steps = [
    ...reviveSteps(key, target),
    ...previous.flatMap((one) => reviveSteps(one, target).map((step) => onKey(step, one.keyArn))),
    [...roleActions(desired, observed), ...(key === undefined ? [{ kind: "create-key" } as const] : [])],
    configureActions(desired, observed, recorded, key, target),
    [...admitActions(desired, observed, key), ...importActions(desired, key, recorded)],
    previous.flatMap((one) => onKey(admitActions(desired, observed, one), one.keyArn)),
    moveAliasActions(observed, recorded, key),
    disableActions(key, target),
    previous.flatMap((one) => onKey(disableActions(one, target), one.keyArn)),
    ...(desired.role.kind === "shared" ? leaveRoleSteps(desired, observed) : []),
    discardActions(desired, observed, recorded, key),
  ];
  return ready(key?.keyArn, steps, refuseHiddenPrevious(desired, observed) ?? refuseUnavailable(desired, replaced));
}

export function ready(
  keyArn: KeyArn | undefined,
  steps: readonly (readonly Action[])[],
  refusal?: TenantKeysError | undefined,
): Plan {
  const planned = { kind: "ready", keyArn, steps: steps.filter((step) => step.length > 0) } as const;
  return refusal === undefined ? planned : { ...planned, refusal };
}

/** The same actions, on the key that is named. */
export function onKey(actions: readonly Action[], keyArn: KeyArn): readonly Action[] {
  return actions.map((action) => ({ ...action, keyArn }) as Action);
}

/** The keys that the tenant's key replaced, as far as they are there. */
export function previousKeys(
  observed: ObservedTenantKey,
  { previousKeyArns = [] }: RecordedKeys,
): readonly ObservedKey[] {
  return keysSeen(observed).filter(({ keyArn }) => previousKeyArns.includes(keyArn));
}

/** Each key once, that of the alias first. */
export function keysSeen({ alias, taggedKeys }: ObservedTenantKey): readonly ObservedKey[] {
  if (alias.kind !== "present") return taggedKeys;
  return [alias.key, ...taggedKeys.filter(({ keyArn }) => keyArn !== alias.key.keyArn)];
}

/** A key that was replaced decrypts what it always did, so one that can't be shut mustn't pass for shut. */
function refuseHiddenPrevious(
  desired: DesiredTenantKey,
  { hiddenPreviousKeys = [] }: ObservedTenantKey,
): TenantKeysError | undefined {
  if (hiddenPreviousKeys.length === 0) return undefined;
  const message = `${hiddenPreviousKeys.join(", ")}: replaced, still there, and its policy doesn't let tenantkeys look`;
  return refusal("key_missing", message, desired);
}

/** KMS doesn't say whether it will be enabled when its store is connected again. */
function refuseUnavailable(desired: DesiredTenantKey, previous: readonly ObservedKey[]): TenantKeysError | undefined {
  const unavailable = previous.find(({ state }) => state === "Unavailable");
  if (unavailable === undefined) return undefined;
  const message = `${unavailable.keyArn}, which was replaced, is unavailable: its key store isn't connected`;
  return refusal("key_store_unavailable", message, desired);
}

/** Last: applications that use the alias go over to a key that is ready. */
function moveAliasActions(
  { alias }: ObservedTenantKey,
  { previousKeyArns = [] }: RecordedKeys,
  key: ObservedKey | undefined,
): readonly Action[] {
  const replaced = alias.kind === "present" && previousKeyArns.includes(alias.key.keyArn);
  return replaced && key !== undefined ? [{ kind: "move-alias" }] : [];
}

export const DYING: readonly KeyState[] = ["PendingDeletion", "PendingReplicaDeletion"];

/** In what state a cancelled deletion leaves a key only KMS knows: cancelling ends the plan, and the next one goes on. */
function reviveSteps(key: ObservedKey | undefined, target: KeyTarget): readonly (readonly Action[])[] {
  if (key === undefined) return [];
  return [
    DYING.includes(key.state) ? [{ kind: "cancel-deletion" }] : [],
    key.state === "Disabled" && target === "usable" ? [{ kind: "enable-key" }] : [],
  ];
}

function disableActions(key: ObservedKey | undefined, target: KeyTarget): readonly Action[] {
  // A key without material can't be disabled, nor used.
  const enabled = key === undefined || key.state === "Enabled";
  return target === "disabled" && enabled ? [{ kind: "disable-key" }] : [];
}

export function importActions(
  desired: DesiredTenantKey,
  key: ObservedKey | undefined,
  recorded: RecordedKeys,
): readonly Action[] {
  const wantsMaterial = key === undefined ? desired.origin === "EXTERNAL" : key.state === "PendingImport";
  return wantsMaterial && recorded.importParametersValid !== true ? [{ kind: "obtain-import-parameters" }] : [];
}

/**
 * The way out. The key is never looked for by what anybody could have tagged or aliased: only the key that the registry
 * names, or that a recorded attempt made, is disabled or condemned.
 */
export function planDeparture(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  recorded: RecordedKeys,
  target: "withdrawn" | "deleted",
): Plan {
  const current = ownKey(observed, recorded);
  const previous = previousKeys(observed, recorded);
  // Gone for good is only a tenant's key of which no predecessor is left either.
  const keys = current === undefined ? previous : [current, ...previous];
  const [key] = keys;
  const unseen =
    refuseUnseenKey(desired, observed, recorded, current) ??
    refuseHiddenPrevious(desired, observed) ??
    (target === "deleted"
      ? keys.map((one) => refuseUntagged(desired, one)).find((one) => one !== undefined)
      : undefined);
  if (key !== undefined) {
    const leavesRole = isOurRole(desired, observed) && observed.rolePolicy !== undefined;
    // While one of them hides the others are shut, and no end is begun that couldn't be the tenant's.
    const schedules = unseen === undefined;
    const steps = [
      leavesRole ? [{ kind: "delete-role-policy" } as const] : [],
      ...keys.flatMap((one) => departureSteps(desired, one, target, schedules).map((step) => onKey(step, one.keyArn))),
      discardActions(desired, observed, recorded, key),
    ];
    return ready(key.keyArn, steps, unseen);
  }
  if (unseen !== undefined) return { kind: "refused", error: unseen };
  const steps = [
    ...leaveRoleSteps(desired, observed, recorded.roleIsNeeded),
    discardActions(desired, observed, recorded, undefined),
  ];
  return ready(undefined, steps);
}

/** A changed record must never end another tenant's key: it goes only where its own tags say whose it is. */
export function refuseUntagged(
  desired: DesiredTenantKey,
  { keyArn, state, tags }: ObservedKey,
): TenantKeysError | undefined {
  if (DYING.includes(state) || hasTags(tags, desired.keyOwnership)) return undefined;
  return refusal("key_taken", `${keyArn} isn't tagged as this tenant's, so it isn't deleted`, desired);
}

/** The tenant's key, where neither it nor its end was seen. */
function refuseUnseenKey(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  recorded: RecordedKeys,
  current: ObservedKey | undefined,
): TenantKeysError | undefined {
  const gone = observed.recordedKey === "gone" && recorded.state === "pending-deletion";
  if (current !== undefined || recorded.keyArn === undefined || gone) return undefined;
  const message = `the registry says ${recorded.keyArn}, and it can't be looked at, so nothing is done about its end`;
  return refusal("key_missing", message, desired);
}

function departureSteps(
  desired: DesiredTenantKey,
  key: ObservedKey,
  target: "withdrawn" | "deleted",
  schedules: boolean,
): readonly (readonly Action[])[] {
  return [
    target === "withdrawn" && DYING.includes(key.state) ? [{ kind: "cancel-deletion" }] : [],
    withdrawActions(desired, key),
    target === "deleted" && schedules && !DYING.includes(key.state) ? [{ kind: "schedule-deletion" }] : [],
  ];
}

function withdrawActions(desired: DesiredTenantKey, key: ObservedKey): readonly Action[] {
  const actions: Action[] = [];
  if (key.state === "Enabled") actions.push({ kind: "disable-key" });
  if (!samePolicy(key.policy, desired.departingPolicy)) actions.push({ kind: "shut-out-tenant" });
  return actions;
}

/** The role goes with the last of its keys. */
export function leaveRoleSteps(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  roleIsNeeded = false,
): readonly (readonly Action[])[] {
  if (observed.role === undefined || !isOurRole(desired, observed)) return [];
  const others = observed.role.policyNames.filter((name) => name !== desired.ownRole.policyName);
  return [
    observed.rolePolicy === undefined ? [] : [{ kind: "delete-role-policy" }],
    others.length === 0 && !roleIsNeeded ? [{ kind: "delete-role" }] : [],
  ];
}

function ownKey(observed: ObservedTenantKey, recorded: RecordedKeys): ObservedKey | undefined {
  const known = keysSeen(observed);
  if (recorded.keyArn !== undefined) return known.find((key) => key.keyArn === recorded.keyArn);
  return known.find((key) => isRecordedAttempt(key, recorded) && !DYING.includes(key.state));
}

export function isOurRole(desired: DesiredTenantKey, observed: ObservedTenantKey): boolean {
  return observed.role !== undefined && foreignRoleReasons(desired, observed).length === 0;
}

export function refuseForeignRole(desired: DesiredTenantKey, observed: ObservedTenantKey): TenantKeysError | undefined {
  // A stage with one shared role makes none per tenant, so one of such a name is in nobody's way.
  const differs = desired.role.kind === "shared" ? [] : foreignRoleReasons(desired, observed);
  if (differs.length === 0) return undefined;
  return refusal(
    "role_taken",
    `role ${desired.role.name} exists and tenantkeys didn't make it: ${differs.join("; ")}`,
    desired,
  );
}

export function foreignRoleReasons(desired: DesiredTenantKey, { role }: ObservedTenantKey): readonly string[] {
  if (role === undefined) return [];
  return [
    role.path === desired.ownRole.path ? undefined : `its path is ${role.path}, not ${desired.ownRole.path}`,
    hasTags(role.tags, desired.ownRole.tags) ? undefined : "it doesn't carry this tenant's tenantkeys tags",
    role.boundaryArn === desired.ownRole.boundaryArn ? undefined : "it doesn't have the stage's permissions boundary",
  ].filter((reason) => reason !== undefined);
}

/** The key that is this tenant's, undefined where none was made yet, or the reason why neither can be said. */
function findTenantKey(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  recorded: RecordedKeys,
  target: KeyTarget,
): ObservedKey | undefined | TenantKeysError {
  const { alias, taggedKeys } = observed;
  if (alias.kind === "unreadable") {
    return refusal("alias_taken", `${desired.aliasName} exists on a key whose policy doesn't know tenantkeys`, desired);
  }
  const { previousKeyArns = [] } = recorded;
  const onCurrent = alias.kind === "present" && !previousKeyArns.includes(alias.key.keyArn);
  const candidate = onCurrent ? alias.key : unaliasedKey(taggedKeys, recorded);
  if (candidate === undefined) {
    if (recorded.keyArn !== undefined) {
      return refusal(
        "key_missing",
        `the registry says ${recorded.keyArn}, and neither alias nor tags lead to it`,
        desired,
      );
    }
    const stranger = taggedKeys.find((key) => !isRecordedAttempt(key, recorded));
    return stranger === undefined ? undefined : strangerRefusal(desired, stranger);
  }
  return refuseKey(desired, candidate, recorded, target) ?? candidate;
}

/** The recorded key, or the newest attempt's, that lost its alias or never got one. */
function unaliasedKey(taggedKeys: readonly ObservedKey[], recorded: RecordedKeys): ObservedKey | undefined {
  if (recorded.keyArn !== undefined) return taggedKeys.find((key) => key.keyArn === recorded.keyArn);
  const newest = recorded.attempts.at(-1);
  return taggedKeys.find((key) => key.tags[ATTEMPT_TAG] === newest?.attemptId && isFresh(key));
}

/** As KMS makes a key: nobody has disabled or condemned it since. */
function isFresh(key: ObservedKey): boolean {
  return key.state === "Enabled" || key.state === "PendingImport";
}

/** An attempt that is known to have made one key didn't make another, whatever tags somebody copied onto it. */
export function isRecordedAttempt(key: ObservedKey, recorded: RecordedKeys): boolean {
  const attempt = recorded.attempts.find(({ attemptId }) => attemptId === key.tags[ATTEMPT_TAG]);
  return attempt !== undefined && (attempt.keyArn === undefined || attempt.keyArn === key.keyArn);
}

function refuseKey(
  desired: DesiredTenantKey,
  key: ObservedKey,
  recorded: RecordedKeys,
  target: KeyTarget,
): TenantKeysError | undefined {
  if (!hasTags(key.tags, desired.keyOwnership)) {
    return refusal(
      "alias_taken",
      `${desired.aliasName} points at ${key.keyArn}, which isn't tagged as this tenant's`,
      desired,
    );
  }
  if (!isRecordedAttempt(key, recorded)) return strangerRefusal(desired, key);
  if (recorded.keyArn !== undefined && recorded.keyArn !== key.keyArn) {
    return refusal(
      "alias_taken",
      `${desired.aliasName} points at ${key.keyArn}; the registry says ${recorded.keyArn}`,
      desired,
    );
  }
  return refuseState(desired, key, recorded, target);
}

/**
 * Whoever disabled a key or scheduled its deletion behind our back had a reason that undoing it would trample on. A key
 * that is disabled just as it should be is in nobody's way, and one with the departing policy is our own doing: a worker
 * may have died, or a replica have failed, before that was written down.
 */
export function refuseState(
  desired: DesiredTenantKey,
  key: ObservedKey,
  recorded: Pick<RecordedKeys, "state" | "disablingSinceMs">,
  target: KeyTarget,
): TenantKeysError | undefined {
  const { state = "provisioning", disablingSinceMs } = recorded;
  const isLeaving =
    state === "offboarding" || state === "pending-deletion" || samePolicy(key.policy, desired.departingPolicy);
  if (DYING.includes(key.state)) {
    if (isLeaving) return undefined;
    return refusal("key_pending_deletion", `${key.keyArn} is scheduled for deletion`, desired);
  }
  if (key.state === "Enabled" || (key.state === "PendingImport" && key.origin === "EXTERNAL")) return undefined;
  if (key.state === "Unavailable") {
    return refusal("key_store_unavailable", `${key.keyArn} is unavailable: its key store isn't connected`, desired);
  }
  const disabledByUs = state === "suspended" || disablingSinceMs !== undefined || isLeaving;
  if (key.state === "Disabled" && (disabledByUs || target === "disabled")) return undefined;
  return refusal("key_disabled", `${key.keyArn} is in state ${key.state}`, desired);
}

function strangerRefusal(desired: DesiredTenantKey, key: ObservedKey): TenantKeysError {
  const message = `${key.keyArn} carries this tenant's tags, and no attempt in the registry made it`;
  return refusal("key_taken", message, desired);
}

export function roleActions(desired: DesiredTenantKey, observed: ObservedTenantKey): readonly Action[] {
  if (desired.role.kind === "shared") return [];
  if (observed.role === undefined) return [{ kind: "create-role" }];
  return samePolicy(observed.role.trustPolicy, desired.role.trustPolicy) ? [] : [{ kind: "update-trust-policy" }];
}

function configureActions(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  { previousKeyArns = [] }: RecordedKeys,
  key: ObservedKey | undefined,
  target: KeyTarget,
): readonly Action[] {
  const actions: Action[] = [];
  if (mustSetRotation(desired, key, target)) actions.push({ kind: "enable-rotation" });
  const roleIsNew = observed.role === undefined;
  const policyDiffers =
    key === undefined || !samePolicy(observed.rolePolicy, desired.rolePolicy(key.keyArn, ...previousKeyArns));
  if (desired.role.kind === "own" && (roleIsNew || policyDiffers)) actions.push({ kind: "put-role-policy" });
  if (observed.alias.kind === "absent") actions.push({ kind: "create-alias" });
  return actions;
}

/** Read before it is called again: calling EnableKeyRotation anew may move the date of the next rotation. */
export function mustSetRotation(desired: DesiredTenantKey, key: ObservedKey | undefined, target: KeyTarget): boolean {
  if (desired.rotationPeriodDays === undefined) return false;
  if (key === undefined) return true;
  const rotates = key.rotation.enabled && key.rotation.periodDays === desired.rotationPeriodDays;
  // KMS refuses it for a disabled key; and what is read of a dying key is always "off".
  return !rotates && (key.state === "Enabled" || target === "usable");
}

function admitActions(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  key: ObservedKey | undefined,
): readonly Action[] {
  // A role that is made anew has a new unique id, and the key policy holds the old one even where it reads the same.
  const roleIsNew = desired.role.kind === "own" && observed.role === undefined;
  const admitted = key !== undefined && !roleIsNew && samePolicy(key.policy, desired.admittedPolicy);
  return admitted ? [] : [{ kind: "admit-tenant" }];
}

/**
 * Keys of lost attempts: ours by their recorded attempt, not the tenant's key, and still under the policy they were
 * created with, which never let the tenant in. Any other key is left alone.
 */
export function discardActions(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  recorded: RecordedKeys,
  tenantKey: ObservedKey | undefined,
): readonly Action[] {
  return observed.taggedKeys
    .filter((key) => key.keyArn !== tenantKey?.keyArn && key.keyArn !== recorded.keyArn)
    .filter((key) => isFresh(key) && isRecordedAttempt(key, recorded))
    .filter((key) => samePolicy(key.policy, desired.creationPolicy))
    .map((key) => ({ kind: "discard-spare-key", keyArn: key.keyArn }));
}

export function refusal(code: TenantKeysError["code"], message: string, desired: DesiredTenantKey): TenantKeysError {
  return new TenantKeysError(code, message, { tenantId: desired.tenantId, keyName: desired.keyName, step: "plan" });
}
