/**
 * What verification read of one tenant key. Unlike provisioning's observation it keeps every read apart, since a checker
 * that was refused one read must say so, and still judge all the rest.
 */
import type { KeyArn, Region } from "../ids.ts";
import type { Tags } from "../names.ts";
import type { KeyState, ObservedRole } from "../observed-state.ts";

/**
 * - `read`: AWS's answer
 * - `denied`: AWS refused it · `failed`: it failed for another reason: either way, the check couldn't be made
 * - `skipped`: not asked this time, on purpose; nothing follows from it
 * - `unsupported`: this endpoint, an emulator's, doesn't have the operation; asking again would be in vain
 */
export type Reading<T> =
  | { readonly kind: "read"; readonly value: T }
  | { readonly kind: "denied" | "failed"; readonly operation: string; readonly reason: string }
  | { readonly kind: "skipped" }
  | { readonly kind: "unsupported" };

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html. Times are epoch milliseconds. */
export interface KeyDescription {
  readonly state: KeyState;
  readonly origin: string;
  readonly keySpec: string;
  readonly createdAtMs: number;
  readonly deletionDateMs?: number | undefined;
  readonly materialExpiresAtMs?: number | undefined;
  readonly replicaRegions?: readonly Region[] | undefined;
}

export interface RotationStatus {
  readonly enabled: boolean;
  readonly periodDays?: number | undefined;
  readonly nextRotationAtMs?: number | undefined;
}

export interface PastRotation {
  readonly atMs: number;
  readonly type: "AUTOMATIC" | "ON_DEMAND";
}

/** https://docs.aws.amazon.com/kms/latest/APIReference/API_GrantListEntry.html */
export interface ObservedGrant {
  readonly grantId: string;
  readonly granteePrincipal: string;
  readonly issuingAccount: string;
  readonly retiringPrincipal?: string | undefined;
  readonly operations: readonly string[];
  readonly encryptionContext?: Readonly<Record<string, string>> | undefined;
  readonly name?: string | undefined;
  readonly createdAtMs: number;
}

/** `absent`: KMS says that there is no such key. */
export type InspectedKey =
  | { readonly kind: "absent"; readonly keyArn: KeyArn }
  | {
      readonly kind: "present";
      readonly keyArn: KeyArn;
      readonly description: Reading<KeyDescription>;
      /** Parsed JSON of any shape, or the text where it isn't JSON. */
      readonly policy: Reading<unknown>;
      readonly tags: Reading<Tags>;
      /** `skipped` for keys that KMS never rotates by itself. */
      readonly rotation: Reading<RotationStatus>;
      readonly rotations: Reading<readonly PastRotation[]>;
      readonly grants: Reading<readonly ObservedGrant[]>;
    };

export interface InspectedRole extends ObservedRole {
  /** Its inline policies by name, parsed. */
  readonly inlinePolicies: Readonly<Record<string, unknown>>;
  readonly attachedPolicyArns: readonly string[];
}

/** One replica, in its own Region. */
export interface InspectedReplica {
  readonly region: Region;
  readonly key: InspectedKey;
  /** The ARN to which the tenant key's alias leads there. */
  readonly aliasTarget: Reading<KeyArn | undefined>;
}

export interface InspectedTenantKey {
  readonly role: Reading<InspectedRole | undefined>;
  /** The key that the alias leads to; undefined where there is no such alias. */
  readonly aliasTarget: Reading<KeyArn | undefined>;
  /** The recorded key, those that it replaced, and the alias's, of which only the description is read: each once. */
  readonly keys: readonly InspectedKey[];
  readonly replicas: readonly InspectedReplica[];
}
