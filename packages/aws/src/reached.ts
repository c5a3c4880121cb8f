/** What the record says of a key, once AWS is as it should be. */
import {
  approvalsOf,
  type DesiredTenantKey,
  type DestructionRecord,
  type ImportParameters,
  type KeyArn,
  type KeyRecord,
  type LifecycleState,
  nextDeletionCheckMs,
  type ObservedKey,
  type OffboardingStep,
  type Replica,
  type TenantRecord,
  targetOf,
} from "@tenantkeys/core";

export interface Reached {
  /** Undefined: there is no key, because it is gone or was never made. */
  readonly keyArn: KeyArn | undefined;
  /** As it was before the last actions; undefined for a key that was just made. */
  readonly observed: ObservedKey | undefined;
  readonly importParameters: ImportParameters | undefined;
  readonly deletionDateMs: number | undefined;
  readonly lastUsedAtMs: number | undefined;
  /** Those that there are now. */
  readonly replicas: readonly Replica[];
}

export interface Reaching {
  readonly record: KeyRecord;
  readonly tenant: TenantRecord;
  readonly desired: DesiredTenantKey;
  /** Undefined where the tenant isn't leaving. */
  readonly offboarding: OffboardingStep | undefined;
  readonly nowMs: number;
}

export interface Recorded {
  readonly record: KeyRecord;
  readonly destruction?: DestructionRecord;
}

/** The record with the lease given back, and what stays of a key that is gone. */
export function recordOf({ record, ...rest }: Reaching, reached: Reached): Recorded {
  const replicas = reached.replicas.length === 0 ? undefined : reached.replicas;
  const reaching: Reaching = { ...rest, record: { ...record, replicas } };
  const { offboarding } = reaching;
  if (offboarding === undefined) return { record: inPlace(reaching, reached) };
  // A hold that comes after the end keeps nothing any more.
  const isGone = record.state === "pending-deletion" && reached.keyArn === undefined;
  if (offboarding.kind === "withdraw" && !isGone) return { record: withdrawn(reaching, reached, offboarding) };
  if (reached.keyArn !== undefined) return { record: scheduled(reaching, reached) };
  return destroyed(reaching, reached);
}

const NOT_LEAVING = {
  offboardedAtMs: undefined,
  scheduledAtMs: undefined,
  deletionDateMs: undefined,
  destroyedAtMs: undefined,
} as const;

function inPlace({ record, tenant, desired, nowMs }: Reaching, reached: Reached): KeyRecord {
  const { keyArn, observed } = reached;
  const own = record.ownKeyArn !== undefined;
  const pendsImport = observed === undefined ? desired.origin === "EXTERNAL" : observed.state === "PendingImport";
  const withoutMaterial = !own && pendsImport;
  const state: LifecycleState = withoutMaterial
    ? "awaiting-material"
    : targetOf(tenant) === "disabled"
      ? "suspended"
      : "active";
  const materialExpiresAtMs = withoutMaterial ? undefined : observed?.materialExpiresAtMs;
  return {
    ...released(record, nowMs),
    ...NOT_LEAVING,
    state,
    keyArn,
    // Aliases lead to keys of their own account only.
    aliasName: own ? undefined : desired.aliasName,
    roleArn: desired.role.arn,
    activeAtMs: state === "active" ? (record.activeAtMs ?? nowMs) : record.activeAtMs,
    disablingSinceMs: targetOf(tenant) === "disabled" ? record.disablingSinceMs : undefined,
    materialExpiresAtMs,
    importParameters: withoutMaterial ? (reached.importParameters ?? record.importParameters) : undefined,
    waitingFor: withoutMaterial ? "material" : undefined,
    nextCheckAtMs: materialExpiresAtMs,
  };
}

function withdrawn(
  { record, nowMs }: Reaching,
  { keyArn, lastUsedAtMs }: Reached,
  step: Extract<OffboardingStep, { readonly kind: "withdraw" }>,
): KeyRecord {
  return {
    ...released(record, nowMs),
    state: "offboarding",
    keyArn: keyArn ?? record.keyArn,
    offboardedAtMs: record.offboardedAtMs ?? nowMs,
    scheduledAtMs: undefined,
    deletionDateMs: undefined,
    lastUsedAtMs,
    waitingFor: step.waitingFor,
    nextCheckAtMs: step.nextCheckAtMs,
  };
}

function scheduled({ record, nowMs }: Reaching, reached: Reached): KeyRecord {
  const deletionDateMs = reached.deletionDateMs ?? reached.observed?.deletionDateMs ?? record.deletionDateMs;
  const dated: KeyRecord = { ...released(record, nowMs), deletionDateMs };
  return {
    ...dated,
    state: "pending-deletion",
    // A predecessor may outlive the key by an hour; the record stays about the key.
    keyArn: record.keyArn ?? reached.keyArn,
    offboardedAtMs: record.offboardedAtMs ?? nowMs,
    scheduledAtMs: record.scheduledAtMs ?? nowMs,
    lastUsedAtMs: reached.lastUsedAtMs,
    waitingFor: "deletion-window",
    nextCheckAtMs: nextDeletionCheckMs(dated, nowMs),
  };
}

function destroyed({ record, tenant, desired, nowMs }: Reaching, { lastUsedAtMs }: Reached): Recorded {
  const gone: KeyRecord = {
    ...released(record, nowMs),
    state: "destroyed",
    destroyedAtMs: nowMs,
    waitingFor: undefined,
    nextCheckAtMs: undefined,
  };
  const { tenantId, keyName, keyArn, offboardedAtMs, scheduledAtMs, deletionDateMs } = record;
  const { leaving } = tenant;
  // A key of the tenant's own account lives on: nothing of it was destroyed.
  if (keyArn === undefined || leaving === undefined || record.ownKeyArn !== undefined) return { record: gone };
  return {
    record: gone,
    destruction: {
      tenantId,
      keyName,
      keyArn,
      offboardingGeneration: leaving.generation,
      offboardingEventId: leaving.eventId,
      requestedBy: leaving.by,
      reason: leaving.reason,
      approvedBy: approvalsOf(tenant).map(({ by }) => by),
      offboardedAtMs: offboardedAtMs ?? nowMs,
      scheduledAtMs: scheduledAtMs ?? nowMs,
      deletionDateMs: deletionDateMs ?? nowMs,
      deletionWindowDays: desired.deletionWindowDays,
      lastUsedAtMs,
      confirmedGoneAtMs: nowMs,
    },
  };
}

function released(record: KeyRecord, nowMs: number): KeyRecord {
  return { ...record, leaseUntilMs: 0, failure: undefined, updatedAtMs: nowMs };
}
