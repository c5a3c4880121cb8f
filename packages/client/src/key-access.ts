/** How the parts of the client come to a tenant's key: whose it is, and a session that may use it and no other. */
import type { KMS } from "@aws-sdk/client-kms";
import type { KeyArn, KeyName, RoleArn, Stage, TenantId, TenantKeysError } from "@tenantkeys/core";

/** One key of one tenant of one stage. */
export interface TenantKeyRef {
  readonly stage: Stage;
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
}

/** Credentials of a session of the tenant's role. They are never logged. */
export interface TenantCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiration: Date;
}

/** The way to a key that is active. */
export interface KeyAccess extends TenantKeyRef {
  /** What is encrypted from now on. */
  readonly keyArn: KeyArn;
  /** What may be decrypted: the key, its replicas, and the keys that it replaced. */
  readonly decryptKeyArns: readonly KeyArn[];
  readonly roleArn: RoleArn;
  /** With the tenant's own session; kept as long as the session. */
  readonly kms: KMS;
  /** Renewed before they expire, once however many ask at the same time. */
  readonly credentials: () => Promise<TenantCredentials>;
}

export interface KeyAccessSource {
  /**
   * Looks whether the tenant may work, by what the registry said at most `recordMaxAgeSeconds` ago.
   * @throws TenantKeysError `tenant_unknown`, `key_unknown`, `key_not_active`, `tenant_suspended`, `tenant_offboarded`,
   *   `key_pending_deletion` (with its date), `key_destroyed`, `registry_unavailable`, `access_denied`, `throttled`
   */
  open(ref: TenantKeyRef): Promise<KeyAccess>;
  /**
   * Why AWS refused: KMS says that a key is disabled, the registry that its tenant is suspended. Forgets what was kept of
   * the tenant, so that the next call looks anew.
   * @param step the action that failed, such as `kms:Decrypt`
   */
  explain(ref: TenantKeyRef, error: unknown, step: string): Promise<TenantKeysError>;
}
