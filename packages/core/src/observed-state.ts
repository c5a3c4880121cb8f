/** What was read from AWS about one tenant key. Documents are parsed JSON of any shape: somebody may have changed them. */
import type { KeyArn, Region, RoleArn } from "./ids.ts";
import type { Tags } from "./names.ts";

/** https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html */
export type KeyState =
  | "Creating"
  | "Enabled"
  | "Disabled"
  | "PendingImport"
  | "PendingDeletion"
  | "PendingReplicaDeletion"
  | "Unavailable"
  | "Updating";

export interface ObservedKey {
  readonly keyArn: KeyArn;
  readonly state: KeyState;
  readonly tags: Tags;
  readonly policy: unknown;
  /** `AWS_KMS`, `EXTERNAL`, `AWS_CLOUDHSM` or `EXTERNAL_KEY_STORE`, as KMS says it. */
  readonly origin: string;
  /** Epoch milliseconds, while its deletion is pending. */
  readonly deletionDateMs?: number | undefined;
  /** Epoch milliseconds, where imported material expires. */
  readonly materialExpiresAtMs?: number | undefined;
  /** Where KMS lists replicas of it: of a multi-Region primary only. */
  readonly replicaRegions?: readonly Region[] | undefined;
  readonly rotation: { readonly enabled: boolean; readonly periodDays: number | undefined };
}

export interface ObservedRole {
  readonly arn: RoleArn;
  readonly path: string;
  readonly tags: Tags;
  readonly trustPolicy: unknown;
  readonly boundaryArn: string | undefined;
  /** Names of its inline policies. */
  readonly policyNames: readonly string[];
}

/** `unreadable`: it is certainly there, and its key's policy doesn't let us look: not a key that we made. */
export type ObservedAlias =
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable" }
  | { readonly kind: "present"; readonly key: ObservedKey };

export interface ObservedTenantKey {
  readonly role: ObservedRole | undefined;
  /** The role's inline policy for this key name. */
  readonly rolePolicy: unknown;
  readonly alias: ObservedAlias;
  /** Every key that carries this tenant key's tags, the alias's among them. The tagging index lags: a miss proves nothing. */
  readonly taggedKeys: readonly ObservedKey[];
  /**
   * What came of looking for the key that the registry names: `gone` is KMS's word that there is no such key, `denied`
   * that it doesn't let us look. Absent where the registry names none.
   */
  readonly recordedKey?: "read" | "denied" | "gone" | undefined;
  /** Keys that the registry says were replaced and that are there: their policies don't let us look. */
  readonly hiddenPreviousKeys?: readonly KeyArn[] | undefined;
  /** Grants of the tenant's keys that shouldn't be. Absent where they weren't looked at. */
  readonly grantsTooMany?: readonly GrantTooMany[] | undefined;
}

export interface GrantTooMany {
  readonly keyArn: KeyArn;
  readonly grantId: string;
  /** As the rules `grant-foreign` and `grant-stale` say. */
  readonly kind: "foreign" | "stale";
}

/** What is known of a tenant that was declared for the first time a moment ago: nothing is there. */
export const NOTHING_OBSERVED: ObservedTenantKey = {
  role: undefined,
  rolePolicy: undefined,
  alias: { kind: "absent" },
  taggedKeys: [],
};
