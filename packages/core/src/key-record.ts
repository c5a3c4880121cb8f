/** What the registry holds of one tenant key, and what a new declaration means for it. */
import { TenantKeysError } from "./errors.ts";
import type { AliasName, AttemptId, KeyArn, KeyName, RoleArn, TenantId } from "./ids.ts";
import type { LifecycleState } from "./lifecycle.ts";
import type { WaitingFor } from "./offboarding.ts";
import type { Replica } from "./plan-replicas.ts";
import { leavingRegister, type TenantRecord } from "./tenant-record.ts";
import type { RuleId } from "./verification/finding-rules.ts";

/**
 * One CreateKey attempt. `open`: it may have made a key whose reply was lost. `unused`: it certainly made none, so its
 * id may be used again. `created`: it made `keyArn`.
 */
export interface Attempt {
  readonly attemptId: AttemptId;
  readonly outcome: "open" | "unused" | "created";
  readonly keyArn?: KeyArn | undefined;
}

/**
 * A crash loop must not make a key per turn (a neighbouring project woke up to 16,000 unused keys): after this many
 * attempts without a usable key a person has to look.
 */
export const ATTEMPTS_MAX = 5;

export interface KeyFailure {
  readonly code: string;
  readonly message: string;
  readonly step: string;
  readonly nextAction: string;
  readonly failedAtMs: number;
}

export interface KeyRecord {
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  readonly state: LifecycleState;
  /** The newest declaration seen. */
  readonly generation: number;
  readonly profile: string;
  /** Of earlier declarations: the key's end is as strict as any of them says (`profileInForce`). */
  readonly pastProfiles?: readonly string[] | undefined;
  /** A key of the tenant's own account, by ARN. */
  readonly ownKeyArn?: KeyArn | undefined;
  /** Of the key in the external key manager, for a key of an external key store. */
  readonly xksKeyId?: string | undefined;
  /** Oldest first, at most ATTEMPTS_MAX. */
  readonly attempts: readonly Attempt[];
  /** Raised by every worker that takes the lease; a write under an older number is refused. */
  readonly fence: number;
  /** Epoch milliseconds; 0 where nobody holds the lease. */
  readonly leaseUntilMs: number;
  readonly eventId: string;
  readonly declaredAtMs: number;
  readonly updatedAtMs: number;
  readonly activeAtMs?: number | undefined;
  readonly keyArn?: KeyArn | undefined;
  readonly aliasName?: AliasName | undefined;
  readonly roleArn?: RoleArn | undefined;
  readonly tenantRegistrationId?: string | undefined;
  readonly failure?: KeyFailure | undefined;
  /** What a waiting key waits for; `nextCheckAtMs` says when a schedule looks at it again, where time decides. */
  readonly waitingFor?: WaitingFor | undefined;
  readonly nextCheckAtMs?: number | undefined;
  /**
   * When a worker began to disable it for its suspended tenant, written down before: should it die or be refused half way,
   * the tenant's resumption still knows whose doing a disabled key is. Absent of a key that is to be usable.
   */
  readonly disablingSinceMs?: number | undefined;
  /** When the tenant was shut out of the key, at the beginning of its offboarding. */
  readonly offboardedAtMs?: number | undefined;
  readonly scheduledAtMs?: number | undefined;
  readonly deletionDateMs?: number | undefined;
  /** Of the last use that KMS knows of, as read when the offboarding began and again before the deletion was scheduled. */
  readonly lastUsedAtMs?: number | undefined;
  readonly destroyedAtMs?: number | undefined;
  readonly materialGeneration?: number | undefined;
  /** Absent: it doesn't expire, or KMS made it. */
  readonly materialExpiresAtMs?: number | undefined;
  readonly importParameters?: ImportParameters | undefined;
  readonly rotation?: RotationRequest | undefined;
  /** Keys that this one replaced, oldest first: they stay for what they encrypted or signed, and end with the tenant. */
  readonly previousKeyArns?: readonly KeyArn[] | undefined;
  readonly lastRepair?: RepairDone | undefined;
  /** Of a multi-Region key, where there are any. */
  readonly replicas?: readonly Replica[] | undefined;
}

/** KMS's own limit for rotations of one key on demand; a key that is replaced each time shouldn't outdo it unseen. */
export const PREVIOUS_KEYS_MAX = 25;

/** What a customer wraps key material with. Nothing of it is secret: the private key never leaves KMS. */
export interface ImportParameters {
  readonly wrappingAlgorithm: string;
  readonly wrappingKeySpec: string;
  /** DER, in base64. */
  readonly publicKey: string;
  readonly importToken: string;
  /** 24 hours after they were made. */
  readonly expiresAtMs: number;
}

/**
 * A rotation that was asked for. Recorded before KMS is called, because RotateKeyOnDemand takes no token and each call
 * spends one of 25: after a lost reply KMS's own list of rotations says whether it was done.
 */
export interface RotationRequest {
  readonly generation: number;
  readonly startedAtMs: number;
  readonly doneAtMs?: number | undefined;
  /** Of a key that KMS can't rotate: the key that a new one replaced. */
  readonly replacedKeyArn?: KeyArn | undefined;
}

/** A repair that was carried out. */
export interface RepairDone {
  readonly eventId: string;
  /** The session that asked. */
  readonly by: string;
  readonly rules: readonly RuleId[];
  readonly automatic: boolean;
  readonly actions: readonly string[];
  /** What was needed as well, and the rules didn't permit. */
  readonly withheld: readonly string[];
  readonly doneAtMs: number;
}

/** What stays of a key that is gone. */
export interface DestructionRecord {
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  readonly keyArn: KeyArn;
  readonly offboardingGeneration: number;
  readonly offboardingEventId: string;
  readonly requestedBy?: string | undefined;
  readonly reason?: string | undefined;
  readonly approvedBy: readonly string[];
  readonly offboardedAtMs: number;
  readonly scheduledAtMs: number;
  readonly deletionDateMs: number;
  readonly deletionWindowDays: number;
  readonly lastUsedAtMs?: number | undefined;
  /** When KMS first said that the key isn't there. */
  readonly confirmedGoneAtMs: number;
}

/** What an event declares of one key. */
export interface KeyDeclaration {
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  readonly generation: number;
  readonly profile: string;
  readonly eventId: string;
  readonly tenantRegistrationId?: string | undefined;
  /** A key of the tenant's own account, which tenantkeys neither makes, rotates nor deletes. */
  readonly ownKeyArn?: KeyArn | undefined;
  readonly xksKeyId?: string | undefined;
}

export type DeclarationDecision =
  | { readonly kind: "proceed"; readonly attempts: readonly Attempt[] }
  /** Recorded and carried out later, if the tenant is reinstated; the event itself is refused, or older than the end. */
  | { readonly kind: "record"; readonly error: TenantKeysError | undefined }
  /** The old key is gone: everything starts anew. */
  | { readonly kind: "new-life" }
  | { readonly kind: "superseded"; readonly byGeneration: number }
  | { readonly kind: "busy"; readonly leaseUntilMs: number }
  | { readonly kind: "refused"; readonly error: TenantKeysError };

/**
 * What a declaration means for a record that exists: an older generation changes nothing; an equal or newer one takes
 * the lease where it is free and goes on from what was recorded. For a tenant that is leaving it is only recorded.
 */
export function decideDeclaration(
  record: KeyRecord,
  tenant: TenantRecord | undefined,
  declaration: KeyDeclaration,
  nowMs: number,
): DeclarationDecision {
  if (declaration.generation < record.generation) return { kind: "superseded", byGeneration: record.generation };
  const about = { tenantId: record.tenantId, keyName: record.keyName, step: "declare" };
  if (declaration.generation === record.generation && declaration.profile !== record.profile) {
    const message = `generation ${record.generation} already declares profile "${record.profile}", not "${declaration.profile}"`;
    return { kind: "refused", error: new TenantKeysError("generation_conflict", message, about) };
  }
  // A key that is gone binds nobody: the new life's may be of another kind.
  if (record.state === "destroyed") return decideNewLife(record, tenant, declaration);
  if (declaration.ownKeyArn !== record.ownKeyArn) {
    const message = `the key is ${record.ownKeyArn ?? "one that tenantkeys made"}, and can't become ${declaration.ownKeyArn ?? "another"}: offboard it first, or add one with another name`;
    return { kind: "refused", error: new TenantKeysError("state_conflict", message, about) };
  }
  if (record.leaseUntilMs > nowMs) return { kind: "busy", leaseUntilMs: record.leaseUntilMs };
  const leaving = tenant === undefined ? undefined : leavingRegister(tenant);
  if (leaving === undefined) return { kind: "proceed", attempts: record.attempts };
  // Older than the offboarding: it was true once, and the tenant left since.
  const error = declaration.generation < leaving.generation ? undefined : tenantOffboarded(record, about);
  return { kind: "record", error };
}

/**
 * What ended the old life is the offboarding. A sign-up that came after it and was refused has raised the record's own
 * generation since, and is replayed under that very generation.
 */
function decideNewLife(
  record: KeyRecord,
  tenant: TenantRecord | undefined,
  declaration: KeyDeclaration,
): DeclarationDecision {
  const endGeneration = tenant?.leaving?.generation ?? record.generation;
  if (declaration.generation <= endGeneration) return { kind: "superseded", byGeneration: endGeneration };
  return { kind: "new-life" };
}

/** For a tenant that is leaving, whatever the key's own record says: the tenant decides. */
export function tenantOffboarded(
  record: Pick<KeyRecord, "state">,
  about: { readonly tenantId: TenantId; readonly keyName: KeyName; readonly step: string },
): TenantKeysError {
  const message = `the tenant is leaving and its key is ${record.state}: a sign-up doesn't bring it back`;
  return new TenantKeysError("tenant_offboarded", message, about);
}

/** The attempt under which a key may be created now, or undefined where every one may have made a key already. */
export function unusedAttempt(attempts: readonly Attempt[]): Attempt | undefined {
  return attempts.find((attempt) => attempt.outcome === "unused");
}
