/** What the worker gets: an event about one tenant that was checked, whoever sent it and in whatever form. */
import type { KeyArn, KeyName, TenantId } from "../ids.ts";
import type { RuleId } from "../verification/finding-rules.ts";

/** The types of event that this project defines. Events of other forms are read as one of these. */
export const TENANT_EVENT_TYPES = [
  "TenantSignedUp",
  "TenantKeyAdded",
  "TenantSuspended",
  "TenantResumed",
  "TenantOffboarded",
  "TenantReinstated",
  "TenantOffboardingApproved",
  "TenantLegalHoldPlaced",
  "TenantLegalHoldReleased",
  "TenantKeyRotationRequested",
  "TenantKeyMaterialSupplied",
  "TenantKeyReviewDue",
  "TenantKeyRepairRequested",
] as const;

export type TenantEventType = (typeof TENANT_EVENT_TYPES)[number];

/** Those that come to the queue straight, and never over a bus: it matters who sent them, or nobody else may. */
export const QUEUE_ONLY_TYPES: readonly TenantEventType[] = ["TenantKeyReviewDue", "TenantKeyRepairRequested"];
export const BUS_EVENT_TYPES = TENANT_EVENT_TYPES.filter((type) => !QUEUE_ONLY_TYPES.includes(type));

export interface TenantEventBase {
  /** The id that the bus gave the event. */
  readonly eventId: string;
  readonly tenantId: TenantId;
  /** Orders the declarations about one tenant: a higher one wins. */
  readonly generation: number;
  /** Who waits for a reply of its own form, beside ours. */
  readonly replyTo: "tenantkeys" | "sbt";
  /** What SBT-AWS's control plane wants back in its reply. */
  readonly tenantRegistrationId?: string | undefined;
}

/** What each type says beside the base. */
interface EventBodies {
  /** `profile` undefined: the stage's profile for each key name. */
  TenantSignedUp: { readonly keyNames: readonly KeyName[]; readonly profile: string | undefined };
  /**
   * `keyArn`: a key of the tenant's own account, which is never created, rotated or deleted here. `xksKeyId`: which key of
   * the external key manager stands behind a key of an external key store.
   */
  TenantKeyAdded: {
    readonly keyName: KeyName;
    readonly profile: string | undefined;
    readonly keyArn?: KeyArn | undefined;
    readonly xksKeyId?: string | undefined;
  };
  TenantSuspended: { readonly reason?: string | undefined };
  TenantResumed: object;
  TenantOffboarded: { readonly reason?: string | undefined };
  TenantReinstated: object;
  /** `offboardingGeneration`: which offboarding is approved. */
  TenantOffboardingApproved: { readonly offboardingGeneration: number };
  TenantLegalHoldPlaced: { readonly reason: string };
  TenantLegalHoldReleased: { readonly reason?: string | undefined };
  TenantKeyRotationRequested: { readonly keyName: KeyName; readonly xksKeyId?: string | undefined };
  /** Both texts are base64. `expiresAtMs` undefined: the material does not expire. */
  TenantKeyMaterialSupplied: {
    readonly keyName: KeyName;
    readonly encryptedKeyMaterial: string;
    readonly importToken: string;
    readonly expiresAtMs?: number | undefined;
  };
  /** From ourselves: a waiting step of this key has come to its time. */
  TenantKeyReviewDue: { readonly keyName: KeyName };
  /** `rules`: of the findings that are to be put right. `automatic`: nobody asked; the stage does it by itself. */
  TenantKeyRepairRequested: {
    readonly keyName: KeyName;
    readonly rules: readonly RuleId[];
    readonly automatic: boolean;
  };
}

/** What one type of event says beside the base. */
export type TenantEventBody<Type extends TenantEventType> = EventBodies[Type];

/** An event of one type, or of one of several. */
export type TenantEventOf<Type extends TenantEventType> = {
  [One in Type]: TenantEventBase & { readonly type: One } & EventBodies[One];
}[Type];

export type TenantEvent = TenantEventOf<TenantEventType>;
