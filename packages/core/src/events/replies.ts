/**
 * The events this project publishes about what it did or refused. At least once each: the reply id is the same for the
 * same fact.
 */
import type { TenantKeysError } from "../errors.ts";
import type { AliasName, KeyArn, KeyName, RoleArn, Stage, TenantId } from "../ids.ts";
import type { LifecycleState } from "../lifecycle.ts";
import type { Replica } from "../plan-replicas.ts";
import type { RuleId } from "../verification/finding-rules.ts";
import type { TenantEventType } from "./tenant-event.ts";

/** The `source` of every event that this project publishes, but for those in the words of another toolkit. */
export const REPLY_SOURCE = "tenantkeys";

export const KEY_REPLY_TYPES = [
  "TenantKeyProvisioned",
  "TenantKeyAwaitingMaterial",
  "TenantKeyRotated",
  "TenantKeyMaterialImported",
  "TenantKeyDeletionScheduled",
  "TenantKeyDestroyed",
  "TenantKeyRepaired",
] as const;
export const TENANT_REPLY_TYPES = [
  "TenantSuspensionCompleted",
  "TenantResumptionCompleted",
  "TenantOffboardingStarted",
  "TenantReinstatementCompleted",
  "TenantOffboardingApprovalRecorded",
  "TenantLegalHoldRecorded",
] as const;
export const FAILED_REPLY_TYPES = [
  "TenantKeyProvisioningFailed",
  "TenantSuspensionFailed",
  "TenantResumptionFailed",
  "TenantOffboardingFailed",
  "TenantOffboardingApprovalFailed",
  "TenantReinstatementFailed",
  "TenantLegalHoldFailed",
  "TenantKeyRotationFailed",
  "TenantKeyMaterialImportFailed",
  "TenantKeyRepairFailed",
] as const;
/** What verification tells (finding-replies.ts). */
export const FINDING_REPLY_TYPES = ["TenantKeyFindingOpened", "TenantKeyFindingClosed"] as const;
export const REPLY_TYPES = [
  ...KEY_REPLY_TYPES,
  ...TENANT_REPLY_TYPES,
  ...FAILED_REPLY_TYPES,
  ...FINDING_REPLY_TYPES,
] as const;

export type KeyReplyType = (typeof KEY_REPLY_TYPES)[number];
export type TenantReplyType = (typeof TENANT_REPLY_TYPES)[number];
export type FailedReplyType = (typeof FAILED_REPLY_TYPES)[number];
export type FindingReplyType = (typeof FINDING_REPLY_TYPES)[number];
export type ReplyType = (typeof REPLY_TYPES)[number];

/** What goes on the bus. */
export interface Reply {
  readonly source: string;
  readonly detailType: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** One of a tenant's keys, and the event that led to the reply. */
export interface RepliedKey {
  readonly stage: Stage;
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  /** Of the declaration that the reply is about. */
  readonly generation: number;
  readonly keyArn: KeyArn;
  /** None for a key of the tenant's own account: an alias leads to keys of its own account only. */
  readonly aliasName?: AliasName | undefined;
  readonly roleArn: RoleArn;
  readonly eventId: string;
  readonly tenantRegistrationId?: string | undefined;
  readonly state: LifecycleState;
}

export type ProvisionedKey = Omit<RepliedKey, "state">;

/** What is left to tell of a destroyed key. Times are ISO texts. */
export interface Destruction {
  readonly recordedAt: string;
  readonly deletionScheduledAt?: string | undefined;
  readonly deletionDate?: string | undefined;
  readonly deletionWindowDays?: number | undefined;
  /** The last use that KMS knew of before the key was disabled. */
  readonly lastUsedAt?: string | undefined;
  readonly requestedBy?: string | undefined;
  readonly approvedBy: readonly string[];
}

/** What each reply about a key says beside the key. Nothing of it is secret. */
interface KeyReplyExtras {
  /** `replicas`: of a multi-Region key, in its other Regions. */
  TenantKeyProvisioned: { readonly replicas?: readonly Replica[] | undefined };
  /** The public key and the token are read with the command line: a bus has more readers than they should have. */
  TenantKeyAwaitingMaterial: {
    readonly wrappingKeySpec: string;
    readonly wrappingAlgorithm: string;
    readonly parametersExpireAtMs: number;
  };
  TenantKeyRotated: { readonly rotation: "on-demand" | "new-key"; readonly previousKeyArn?: KeyArn | undefined };
  /** An ISO time; none: it does not expire. */
  TenantKeyMaterialImported: { readonly materialExpiresAt?: string | undefined };
  TenantKeyDeletionScheduled: { readonly deletionDate: string };
  TenantKeyDestroyed: { readonly destruction: Destruction };
  /** `actions`: what was done. `withheld`: what is needed as well, and the request's rules don't permit. */
  TenantKeyRepaired: {
    readonly rules: readonly RuleId[];
    readonly automatic: boolean;
    readonly actions: readonly string[];
    readonly withheld: readonly string[];
  };
}

/** Required where the reply needs something beside the key. */
type Extra<Extras> = object extends Extras ? [extra?: Extras] : [extra: Extras];

/**
 * The last part of a reply's id. Where the same declaration can lead to the fact twice, with another date or another key,
 * the second is another fact.
 */
const KEY_FACTS: { readonly [Type in KeyReplyType]: (key: RepliedKey, extra: KeyReplyExtras[Type]) => string } = {
  TenantKeyProvisioned: () => "provisioned",
  TenantKeyAwaitingMaterial: (_, { parametersExpireAtMs }) => `awaiting-material/${parametersExpireAtMs}`,
  TenantKeyRotated: () => "rotated",
  TenantKeyMaterialImported: () => "material-imported",
  TenantKeyDeletionScheduled: (key, { deletionDate }) => `deletion-scheduled/${keyId(key.keyArn)}/${deletionDate}`,
  TenantKeyDestroyed: (key) => `destroyed/${keyId(key.keyArn)}`,
  TenantKeyRepaired: ({ eventId }) => `repaired/${eventId}`,
};

const keyId = (keyArn: KeyArn): string => keyArn.slice(keyArn.indexOf("/") + 1);

export function keyReply<Type extends KeyReplyType>(
  type: Type,
  key: RepliedKey,
  ...[extra]: Extra<KeyReplyExtras[Type]>
): Reply {
  const fact = KEY_FACTS[type](key, extra as KeyReplyExtras[Type]);
  const replyId = `${key.stage}/${key.tenantId}/${key.keyName}/${key.generation}/${fact}`;
  return { source: REPLY_SOURCE, detailType: type, detail: { version: "1", replyId, ...key, ...extra } };
}

/** The reply to a sign-up: the key can be used, unless its tenant is suspended. */
export function provisionedReply(key: ProvisionedKey, state: LifecycleState = "active"): Reply {
  return keyReply("TenantKeyProvisioned", { ...key, state });
}

/** A tenant, and the event that led to the reply. */
export interface RepliedTenant {
  readonly stage: Stage;
  readonly tenantId: TenantId;
  readonly generation: number;
  readonly eventId: string;
  readonly tenantRegistrationId?: string | undefined;
  /** All of the tenant's keys, as the event left them. */
  readonly keys: readonly {
    readonly keyName: KeyName;
    readonly state: LifecycleState;
    readonly keyArn?: KeyArn | undefined;
  }[];
}

interface TenantReplyExtras {
  TenantSuspensionCompleted: object;
  TenantResumptionCompleted: object;
  /** `watchEndsAt`: an ISO time. */
  TenantOffboardingStarted: {
    readonly watchEndsAt: string;
    readonly approvalRequired: boolean;
    readonly held: boolean;
  };
  TenantReinstatementCompleted: object;
  TenantOffboardingApprovalRecorded: object;
  TenantLegalHoldRecorded: { readonly held: boolean; readonly reason?: string | undefined };
}

const TENANT_FACTS: { readonly [Type in TenantReplyType]: (extra: TenantReplyExtras[Type]) => string } = {
  TenantSuspensionCompleted: () => "suspended",
  TenantResumptionCompleted: () => "resumed",
  TenantOffboardingStarted: () => "offboarding-started",
  TenantReinstatementCompleted: () => "reinstated",
  TenantOffboardingApprovalRecorded: () => "offboarding-approved",
  TenantLegalHoldRecorded: ({ held }) => (held ? "hold-placed" : "hold-released"),
};

export function tenantReply<Type extends TenantReplyType>(
  type: Type,
  tenant: RepliedTenant,
  ...[extra]: Extra<TenantReplyExtras[Type]>
): Reply {
  const fact = TENANT_FACTS[type](extra as TenantReplyExtras[Type]);
  const replyId = `${tenant.stage}/${tenant.tenantId}/${tenant.generation}/${fact}`;
  return { source: REPLY_SOURCE, detailType: type, detail: { version: "1", replyId, ...tenant, ...extra } };
}

const FAILED_REPLY_TYPE_OF: Readonly<Record<TenantEventType, FailedReplyType>> = {
  TenantSignedUp: "TenantKeyProvisioningFailed",
  TenantKeyAdded: "TenantKeyProvisioningFailed",
  TenantSuspended: "TenantSuspensionFailed",
  TenantResumed: "TenantResumptionFailed",
  TenantOffboarded: "TenantOffboardingFailed",
  TenantReinstated: "TenantReinstatementFailed",
  TenantOffboardingApproved: "TenantOffboardingApprovalFailed",
  TenantLegalHoldPlaced: "TenantLegalHoldFailed",
  TenantLegalHoldReleased: "TenantLegalHoldFailed",
  TenantKeyRotationRequested: "TenantKeyRotationFailed",
  TenantKeyMaterialSupplied: "TenantKeyMaterialImportFailed",
  // What is waited for is the next step of an offboarding.
  TenantKeyReviewDue: "TenantOffboardingFailed",
  TenantKeyRepairRequested: "TenantKeyRepairFailed",
};

/** The failure's type; an event of a type that can't be told is answered like a sign-up, as it always was. */
export function failedReplyTypeOf(eventType: TenantEventType | undefined): FailedReplyType {
  return eventType === undefined ? "TenantKeyProvisioningFailed" : FAILED_REPLY_TYPE_OF[eventType];
}

/** What is known of an event that failed; the tenant is missing where the event didn't say it. */
export function failedReply(
  type: FailedReplyType,
  stage: Stage,
  eventId: string,
  error: TenantKeysError,
  { tenantRegistrationId }: { readonly tenantRegistrationId?: string | undefined } = {},
): Reply {
  const { tenantId, keyName, step, field } = error.details;
  const replyId = `${stage}/${tenantId ?? "-"}/${keyName ?? "-"}/${eventId}/${error.code}`;
  return {
    source: REPLY_SOURCE,
    detailType: type,
    detail: {
      version: "1",
      replyId,
      stage,
      tenantId,
      keyName,
      eventId,
      tenantRegistrationId,
      code: error.code,
      message: error.message.slice(0, 2000),
      step,
      field,
      nextAction: error.nextAction,
      keptIn: error.retryable ? "dead-letter queue" : "refused store",
    },
  };
}
