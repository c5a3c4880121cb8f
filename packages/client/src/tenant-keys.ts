/** What a tenant application makes once per process, and asks for each tenant: `createTenantKeys(…).for("acme")`. */
import type { Duplex } from "node:stream";
import type { STSClientConfig } from "@aws-sdk/client-sts";
import type { TenantKeysError } from "@tenantkeys/core";
import type { DataKey, DataKeyCacheLimits, EnvelopeFactory, FurtherContext } from "./envelope.ts";
import type { KeyAccess, TenantCredentials, TenantKeyRef } from "./key-access.ts";

export interface TenantKeysOptions {
  readonly stage: string;
  readonly region: string;
  /** Absent: AWS's own endpoints, or AWS_ENDPOINT_URL, as the SDK reads it. */
  readonly endpoint?: string | undefined;
  /** The application's own, which may read the registry and become tenants' roles. Absent: the SDK's default chain. */
  readonly credentials?: STSClientConfig["credentials"] | undefined;
  /** Of the stage. Absent: the account of the application's own credentials, which STS is asked for once. */
  readonly accountId?: string | undefined;
  /** How old what the registry said may be: a suspended tenant works on for so long at most. 0 to 300; default 60. */
  readonly recordMaxAgeSeconds?: number | undefined;
  /** Shown by CloudTrail with every call of a tenant's session, after the tenant: 1 to 27 of A-Z a-z 0-9 _ = , . -; default `tenantkeys`. */
  readonly applicationName?: string | undefined;
  /** 900 to 3,600, because an application's role that becomes a tenant's is role chaining; default 3,600. */
  readonly sessionSeconds?: number | undefined;
  /** Of how many tenants records and sessions are kept; the one that wasn't used for longest goes first. 1 to 100,000; default 1,000. */
  readonly tenantsMax?: number | undefined;
  /** `false`: every message asks KMS for a data key of its own. */
  readonly cache?: DataKeyCacheLimits | false | undefined;
  /** `branchKeyEnvelope()` of `@tenantkeys/client/branch-keys`. Then `cache` doesn't count. Default: KMS keys. */
  readonly envelope?: EnvelopeFactory | undefined;
  /** For tests. */
  readonly nowMs?: (() => number) | undefined;
}

export interface ContextOption {
  /** The same for decrypting as for encrypting. */
  readonly context?: FurtherContext | undefined;
}

/**
 * One key of one tenant. Every call throws a TenantKeysError (or a TypeError, where an argument isn't of its type), and
 * none ever turns to another key. In an invocation that `withTenant` guards, every call of another tenant's key throws
 * `tenant_mixed_up`.
 */
export interface TenantKey extends TenantKeyRef {
  /** @returns a message of the AWS Encryption SDK */
  encrypt(plaintext: Uint8Array | string, options?: ContextOption): Promise<Uint8Array>;
  decrypt(message: Uint8Array, options?: ContextOption): Promise<Uint8Array>;
  /** Of what was encrypted as a string: UTF-8. */
  decryptText(message: Uint8Array, options?: ContextOption): Promise<string>;
  encryptStream(options?: ContextOption): Duplex;
  decryptStream(options?: ContextOption): Duplex;
  withDataKey<T>(use: (key: DataKey) => Promise<T>, options?: ContextOption): Promise<T>;
  openDataKey<T>(wrapped: Uint8Array, use: (plaintext: Uint8Array) => Promise<T>, options?: ContextOption): Promise<T>;
  /**
   * Of a session of the tenant's role, for any other client of the SDK: pass `() => key.credentials()` as `credentials`.
   * A tenant that may not work gets none; what it got before ends with its session.
   */
  credentials(): Promise<TenantCredentials>;
  /** Looks whether the tenant may work now, by what the registry said at most `recordMaxAgeSeconds` ago. */
  check(): Promise<void>;
  /** The key's ARN, the role's, and a KMS client of the tenant's session: for what takes a key by its ARN, such as S3. */
  access(): Promise<KeyAccess>;
  /**
   * Why AWS refused a call that was made with this key's session, such as one of S3: the registry is asked whether the
   * tenant may still work. What was kept of the tenant is forgotten where it may be out of date.
   * @param step the action that failed, such as `s3:GetObject`
   */
  explain(error: unknown, step: string): Promise<TenantKeysError>;
}

export interface TenantKeys {
  /**
   * Checks the ids only and calls nothing.
   * @param keyName default: `default`
   * @throws TenantKeysError `identifier_invalid`, and `tenant_mixed_up` in an invocation of another tenant
   */
  for(tenantId: string, keyName?: string): TenantKey;
  /** Records, sessions and data keys that are kept of the tenant: the next call looks anew. */
  forget(tenantId: string): void;
  /** Closes every client, and wipes every data key. */
  destroy(): void;
}
