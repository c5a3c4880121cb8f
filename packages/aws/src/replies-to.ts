/** What the bus is told of an event that was carried out. A sign-up's keys are told one by one, as they are made. */
import {
  approvalsOf,
  DAY_MS,
  isHeld,
  type KeyRecord,
  keyReply,
  profileInForce,
  type RepliedKey,
  type RepliedTenant,
  type Reply,
  type StageContext,
  sbtDeprovisionedReply,
  sbtProvisionedReply,
  type TenantEvent,
  TenantKeysError,
  type TenantRecord,
  tenantReply,
} from "@tenantkeys/core";
import type { DoneEvent } from "./carry-out-event.ts";
import type { WorkerPorts } from "./event-worker.ts";
import type { DoneKeyEvent } from "./key-events.ts";
import type { KeyOutcome } from "./key-outcome.ts";
import type { ProvisionPorts } from "./ports.ts";
import type { ProvisionOutcome } from "./provision-tenant-key.ts";
import type { Run } from "./run.ts";

export function repliesTo(ports: WorkerPorts, { event, result }: DoneEvent): readonly Reply[] {
  if (result.about === "sign-up") return repliesToSbtSignUp(ports, event, result.keys);
  const { outcome } = result;
  if (outcome.kind === "superseded" || outcome.kind === "ignored") return [];
  if (outcome.kind === "followed") return [tenantReplyTo(ports, event, outcome.tenant, outcome.keys)];
  return operationReplies(ports.context, event, outcome);
}

/** For a key that is in place: it can be used, unless its tenant is suspended; or it waits for its material. */
export function inPlaceReply(key: RepliedKey, { importParameters: parameters, replicas }: KeyRecord): Reply {
  if (key.state !== "awaiting-material" || parameters === undefined) {
    return keyReply("TenantKeyProvisioned", key, { replicas });
  }
  const { wrappingKeySpec, wrappingAlgorithm, expiresAtMs: parametersExpireAtMs } = parameters;
  return keyReply("TenantKeyAwaitingMaterial", key, { wrappingKeySpec, wrappingAlgorithm, parametersExpireAtMs });
}

/**
 * @param event the event that the reply answers; absent: the declaration that the record holds
 * @throws TenantKeysError `record_invalid`
 */
export function repliedKey(
  context: StageContext,
  record: KeyRecord,
  event: { readonly generation: number; readonly eventId: string } = record,
): RepliedKey {
  const { tenantId, keyName, keyArn, aliasName, roleArn, tenantRegistrationId, state } = record;
  if (keyArn === undefined || roleArn === undefined) {
    throw new TenantKeysError("record_invalid", `a key that is ${state} lacks its ARN or role`, { step: "record" });
  }
  const { generation, eventId } = event;
  const names = { stage: context.stage, tenantId, keyName };
  return { ...names, generation, keyArn, aliasName, roleArn, eventId, tenantRegistrationId, state };
}

type AboutTenant = Exclude<
  TenantEvent["type"],
  | "TenantSignedUp"
  | "TenantKeyAdded"
  | "TenantKeyRotationRequested"
  | "TenantKeyMaterialSupplied"
  | "TenantKeyReviewDue"
  | "TenantKeyRepairRequested"
>;

function tenantReplyTo(
  ports: WorkerPorts,
  event: TenantEvent,
  tenant: TenantRecord,
  outcomes: readonly KeyOutcome[],
): Reply {
  const { stage } = ports.context;
  const { tenantId, generation, eventId, tenantRegistrationId } = event;
  const keys = outcomes.map(({ record: { keyName, state, keyArn } }) => ({ keyName, state, keyArn }));
  const about: RepliedTenant = { stage, tenantId, generation, eventId, tenantRegistrationId, keys };
  switch (event.type as AboutTenant) {
    case "TenantSuspended":
      return tenantReply("TenantSuspensionCompleted", about);
    case "TenantResumed":
      return tenantReply("TenantResumptionCompleted", about);
    case "TenantReinstated":
      return tenantReply("TenantReinstatementCompleted", about);
    case "TenantOffboardingApproved":
      return tenantReply("TenantOffboardingApprovalRecorded", about);
    case "TenantLegalHoldPlaced":
    case "TenantLegalHoldReleased":
      return tenantReply("TenantLegalHoldRecorded", about, { held: isHeld(tenant), reason: tenant.hold?.reason });
    case "TenantOffboarded":
      return tenantReply("TenantOffboardingStarted", about, offboardingFacts(ports, tenant, outcomes));
  }
}

function offboardingFacts({ profiles }: WorkerPorts, tenant: TenantRecord, outcomes: readonly KeyOutcome[]) {
  const { atMs } = tenant.leaving ?? { atMs: tenant.updatedAtMs };
  const rules = outcomes.map(({ record }) => ({ ...record, ...profileInForce(profiles, record) }));
  const ends = rules.map(({ offboardedAtMs = atMs, watchPeriodDays = 0 }) => offboardedAtMs + watchPeriodDays * DAY_MS);
  return {
    watchEndsAt: new Date(Math.max(atMs, ...ends)).toISOString(),
    approvalRequired: rules.some(({ approvalRequired }) => approvalRequired === true),
    held: isHeld(tenant),
  };
}

/**
 * Says what a key has become on its way, whichever event or time led to it. Said before it is recorded: after a stop in
 * between it is said again, with the same reply id, and would otherwise never be.
 */
export async function announceTransition(
  ports: ProvisionPorts,
  run: Run,
  tenant: TenantRecord,
  before: KeyRecord,
  record: KeyRecord,
): Promise<void> {
  const { state, deletionDateMs, keyArn } = record;
  // KMS says when it will delete a multi-Region key only once its replicas are gone.
  const dated = before.deletionDateMs === undefined && deletionDateMs !== undefined;
  if ((state === before.state && !dated) || keyArn === undefined || before.state === "provisioning") return;
  const key = repliedKey(ports.context, record, tenant.leaving);
  if (state === "awaiting-material") await ports.publisher.publishReply(run, inPlaceReply(key, record));
  if (state === "pending-deletion" && deletionDateMs !== undefined) {
    const deletionDate = new Date(deletionDateMs).toISOString();
    await ports.publisher.publishReply(run, keyReply("TenantKeyDeletionScheduled", key, { deletionDate }));
  }
  if (state !== "destroyed") return;
  if (record.ownKeyArn !== undefined) return announceSbtEnd(ports, run, tenant, record);
  const reply = keyReply("TenantKeyDestroyed", key, { destruction: destruction(tenant, record) });
  await ports.publisher.publishReply(run, reply);
  await announceSbtEnd(ports, run, tenant, record);
}

function destruction(tenant: TenantRecord, record: KeyRecord) {
  const iso = (atMs: number | undefined) => (atMs === undefined ? undefined : new Date(atMs).toISOString());
  return {
    recordedAt: new Date(record.destroyedAtMs ?? record.updatedAtMs).toISOString(),
    deletionScheduledAt: iso(record.scheduledAtMs),
    deletionDate: iso(record.deletionDateMs),
    lastUsedAt: iso(record.lastUsedAtMs),
    requestedBy: tenant.leaving?.by,
    approvedBy: approvalsOf(tenant).map(({ by }) => by),
  };
}

function operationReplies(context: StageContext, event: TenantEvent, outcome: DoneKeyEvent): readonly Reply[] {
  const { record } = outcome;
  if (event.type === "TenantKeyRepairRequested") {
    const { rules, automatic, actions = [], withheld = [] } = { ...event, ...outcome.repaired };
    const facts = { rules, automatic, actions, withheld };
    return [keyReply("TenantKeyRepaired", repliedKey(context, record, event), facts)];
  }
  if (event.type === "TenantKeyRotationRequested") {
    const { replacedKeyArn: previousKeyArn } = record.rotation ?? {};
    const how =
      previousKeyArn === undefined
        ? ({ rotation: "on-demand" } as const)
        : ({ rotation: "new-key", previousKeyArn } as const);
    return [keyReply("TenantKeyRotated", repliedKey(context, record, event), how)];
  }
  // An event that comes again after its material has expired: nothing was imported, and the key waits.
  if (event.type !== "TenantKeyMaterialSupplied" || record.state === "awaiting-material") return [];
  const { materialExpiresAtMs: atMs } = record;
  const materialExpiresAt = atMs === undefined ? undefined : new Date(atMs).toISOString();
  return [keyReply("TenantKeyMaterialImported", repliedKey(context, record, event), { materialExpiresAt })];
}

function repliesToSbtSignUp(
  ports: WorkerPorts,
  { replyTo, tenantRegistrationId }: TenantEvent,
  outcomes: readonly ProvisionOutcome[],
): readonly Reply[] {
  const keys = outcomes.flatMap((outcome) => ("key" in outcome ? [outcome.key] : []));
  const [first] = keys;
  if (replyTo !== "sbt" || tenantRegistrationId === undefined || first === undefined) return [];
  const tenant = { roleArn: first.roleArn, keys };
  return [sbtProvisionedReply(tenantRegistrationId, tenant, ports.sbtReplySource)];
}

/** SBT-AWS's control plane waits for the end of a tenant, and that is the end of its last key. */
async function announceSbtEnd(
  ports: ProvisionPorts,
  run: Run,
  { tenantId, tenantRegistrationId }: TenantRecord,
  ended: KeyRecord,
): Promise<void> {
  if (tenantRegistrationId === undefined) return;
  const keys = await ports.registry.keysOfTenant(run, tenantId);
  if (keys.some(({ keyName, state }) => keyName !== ended.keyName && state !== "destroyed")) return;
  await ports.publisher.publishReply(run, sbtDeprovisionedReply(tenantRegistrationId, ports.sbtReplySource));
}
