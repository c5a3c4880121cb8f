/** What the registry holds of one tenant key, and what a new declaration means for it. */
import { TenantKeysError } from "./errors.ts";
import type { AliasName, AttemptId, KeyArn, KeyName, RoleArn, TenantId } from "./ids.ts";
import { acceptsSignUp, type LifecycleState } from "./lifecycle.ts";

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
}

/** What an event declares of one key. */
export interface KeyDeclaration {
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  readonly generation: number;
  readonly profile: string;
  readonly eventId: string;
  readonly tenantRegistrationId?: string | undefined;
}

export type DeclarationDecision =
  | { readonly kind: "proceed"; readonly attempts: readonly Attempt[] }
  | { readonly kind: "superseded"; readonly byGeneration: number }
  | { readonly kind: "busy"; readonly leaseUntilMs: number }
  | { readonly kind: "refused"; readonly error: TenantKeysError };

/**
 * What a declaration means for a record that exists: an older generation changes nothing; an equal or newer one takes
 * the lease where it is free and goes on from what was recorded.
 */
export function decideDeclaration(record: KeyRecord, declaration: KeyDeclaration, nowMs: number): DeclarationDecision {
  if (declaration.generation < record.generation) return { kind: "superseded", byGeneration: record.generation };
  const about = { tenantId: record.tenantId, keyName: record.keyName, step: "declare" };
  if (declaration.generation === record.generation && declaration.profile !== record.profile) {
    const message = `generation ${record.generation} already declares profile "${record.profile}", not "${declaration.profile}"`;
    return { kind: "refused", error: new TenantKeysError("generation_conflict", message, about) };
  }
  if (!acceptsSignUp(record.state)) {
    const message = `a sign-up can't change a key that is ${record.state}`;
    return { kind: "refused", error: new TenantKeysError("state_conflict", message, about) };
  }
  if (record.leaseUntilMs > nowMs) return { kind: "busy", leaseUntilMs: record.leaseUntilMs };
  return { kind: "proceed", attempts: record.attempts };
}

/** The attempt under which a key may be created now, or undefined where every one may have made a key already. */
export function unusedAttempt(attempts: readonly Attempt[]): Attempt | undefined {
  return attempts.find((attempt) => attempt.outcome === "unused");
}
