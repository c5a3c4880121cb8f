/**
 * The one place that knows what "right" means: from what a tenant key should be and what was read from AWS, the actions
 * still needed. Applying them is provisioning; an empty plan is a clean verification.
 */

import type { DesiredTenantKey } from "./desired-state.ts";
import { TenantKeysError } from "./errors.ts";
import type { KeyArn } from "./ids.ts";
import type { Attempt } from "./key-record.ts";
import { ATTEMPT_TAG, hasTags } from "./names.ts";
import type { ObservedKey, ObservedTenantKey } from "./observed-state.ts";
import { samePolicy } from "./policy-document.ts";

export type Action =
  | { readonly kind: "create-role" }
  | { readonly kind: "update-trust-policy" }
  | { readonly kind: "create-key" }
  | { readonly kind: "enable-rotation" }
  | { readonly kind: "put-role-policy" }
  | { readonly kind: "create-alias" }
  | { readonly kind: "admit-tenant" }
  | { readonly kind: "discard-spare-key"; readonly keyArn: KeyArn };

export type Plan =
  | {
      readonly kind: "ready";
      /** The tenant's key, where it is there already. */
      readonly keyArn: KeyArn | undefined;
      /** Steps in order; the actions of one step don't depend on each other. Empty: everything is as it should be. */
      readonly steps: readonly (readonly Action[])[];
    }
  | { readonly kind: "refused"; readonly error: TenantKeysError };

/** What the registry remembers that AWS can't say: which keys are ours. */
export interface RecordedKeys {
  readonly keyArn?: KeyArn | undefined;
  readonly attempts: readonly Attempt[];
}

export function plan(desired: DesiredTenantKey, observed: ObservedTenantKey, recorded: RecordedKeys): Plan {
  const refusal = refuseForeignRole(desired, observed);
  if (refusal !== undefined) return { kind: "refused", error: refusal };
  const key = findTenantKey(desired, observed, recorded);
  if (key instanceof TenantKeysError) return { kind: "refused", error: key };
  const steps = [
    [...roleActions(desired, observed), ...(key === undefined ? [{ kind: "create-key" } as const] : [])],
    configureActions(desired, observed, key),
    admitActions(desired, observed, key),
    discardActions(desired, observed, recorded, key),
  ];
  return { kind: "ready", keyArn: key?.keyArn, steps: steps.filter((step) => step.length > 0) };
}

function refuseForeignRole(desired: DesiredTenantKey, observed: ObservedTenantKey): TenantKeysError | undefined {
  const { role } = observed;
  if (role === undefined) return undefined;
  const differs = [
    role.path === desired.role.path ? undefined : `its path is ${role.path}, not ${desired.role.path}`,
    hasTags(role.tags, desired.role.tags) ? undefined : "it doesn't carry this tenant's tenantkeys tags",
    role.boundaryArn === desired.role.boundaryArn ? undefined : "it doesn't have the stage's permissions boundary",
  ].filter((reason) => reason !== undefined);
  if (differs.length === 0) return undefined;
  return refusal(
    "role_taken",
    `role ${desired.role.name} exists and tenantkeys didn't make it: ${differs.join("; ")}`,
    desired,
  );
}

/** The key that is this tenant's, undefined where none was made yet, or the reason why neither can be said. */
function findTenantKey(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  recorded: RecordedKeys,
): ObservedKey | undefined | TenantKeysError {
  const { alias, taggedKeys } = observed;
  if (alias.kind === "unreadable") {
    return refusal("alias_taken", `${desired.aliasName} exists on a key whose policy doesn't know tenantkeys`, desired);
  }
  const candidate = alias.kind === "present" ? alias.key : unaliasedKey(taggedKeys, recorded);
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
  return refuseKey(desired, candidate, recorded) ?? candidate;
}

/** The recorded key, or the newest attempt's, that lost its alias or never got one. */
function unaliasedKey(taggedKeys: readonly ObservedKey[], recorded: RecordedKeys): ObservedKey | undefined {
  if (recorded.keyArn !== undefined) return taggedKeys.find((key) => key.keyArn === recorded.keyArn);
  const newest = recorded.attempts.at(-1);
  return taggedKeys.find((key) => key.tags[ATTEMPT_TAG] === newest?.attemptId && key.state === "Enabled");
}

/** An attempt that is known to have made one key didn't make another, whatever tags somebody copied onto it. */
function isRecordedAttempt(key: ObservedKey, recorded: RecordedKeys): boolean {
  const attempt = recorded.attempts.find(({ attemptId }) => attemptId === key.tags[ATTEMPT_TAG]);
  return attempt !== undefined && (attempt.keyArn === undefined || attempt.keyArn === key.keyArn);
}

function refuseKey(desired: DesiredTenantKey, key: ObservedKey, recorded: RecordedKeys): TenantKeysError | undefined {
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
  if (key.state === "PendingDeletion" || key.state === "PendingReplicaDeletion") {
    return refusal("key_pending_deletion", `${key.keyArn} is scheduled for deletion`, desired);
  }
  if (key.state !== "Enabled") return refusal("key_disabled", `${key.keyArn} is in state ${key.state}`, desired);
  return undefined;
}

function strangerRefusal(desired: DesiredTenantKey, key: ObservedKey): TenantKeysError {
  const message = `${key.keyArn} carries this tenant's tags, and no attempt in the registry made it`;
  return refusal("key_taken", message, desired);
}

function roleActions(desired: DesiredTenantKey, observed: ObservedTenantKey): readonly Action[] {
  if (observed.role === undefined) return [{ kind: "create-role" }];
  return samePolicy(observed.role.trustPolicy, desired.role.trustPolicy) ? [] : [{ kind: "update-trust-policy" }];
}

function configureActions(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  key: ObservedKey | undefined,
): readonly Action[] {
  const actions: Action[] = [];
  const rotates = key?.rotation.enabled === true && key.rotation.periodDays === desired.rotationPeriodDays;
  // Read before it is called again: calling EnableKeyRotation anew may move the date of the next rotation.
  if (!rotates) actions.push({ kind: "enable-rotation" });
  const roleIsNew = observed.role === undefined;
  if (key === undefined || roleIsNew || !samePolicy(observed.rolePolicy, desired.rolePolicy(key.keyArn))) {
    actions.push({ kind: "put-role-policy" });
  }
  if (observed.alias.kind === "absent") actions.push({ kind: "create-alias" });
  return actions;
}

function admitActions(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  key: ObservedKey | undefined,
): readonly Action[] {
  // A role that is made anew has a new unique id, and the key policy holds the old one even where it reads the same.
  const roleIsNew = observed.role === undefined;
  const admitted = key !== undefined && !roleIsNew && samePolicy(key.policy, desired.admittedPolicy);
  return admitted ? [] : [{ kind: "admit-tenant" }];
}

/**
 * Keys of lost attempts: ours by their recorded attempt, not the tenant's key, and still under the policy they were
 * created with, which never let the tenant in. Any other key is left alone.
 */
function discardActions(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  recorded: RecordedKeys,
  tenantKey: ObservedKey | undefined,
): readonly Action[] {
  return observed.taggedKeys
    .filter((key) => key.keyArn !== tenantKey?.keyArn && key.keyArn !== recorded.keyArn)
    .filter((key) => key.state === "Enabled" && isRecordedAttempt(key, recorded))
    .filter((key) => samePolicy(key.policy, desired.creationPolicy))
    .map((key) => ({ kind: "discard-spare-key", keyArn: key.keyArn }));
}

function refusal(code: TenantKeysError["code"], message: string, desired: DesiredTenantKey): TenantKeysError {
  return new TenantKeysError(code, message, { tenantId: desired.tenantId, keyName: desired.keyName, step: "plan" });
}
