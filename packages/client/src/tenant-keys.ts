/** What a tenant application makes once per process, and asks for each tenant: `createTenantKeys(…).for("acme")`. */
import type { Duplex } from "node:stream";
import type { STSClientConfig } from "@aws-sdk/client-sts";
import type { TenantCredentials, TenantKeyRef } from "./key-access.ts";

/** How long and for how much data keys are used again; each limit is per tenant key. */
export interface DataKeyCacheOptions {
  /** 1 to 3,600; default 60. A disabled key still encrypts and decrypts with what is kept, for so long at most. */
  readonly maxAgeSeconds?: number | undefined;
  /** Default 1,000. */
  readonly maxMessages?: number | undefined;
  /** Default 104,857,600 (100 MiB). */
  readonly maxBytes?: number | undefined;
  /** Data keys kept per tenant key; default 100. */
  readonly capacity?: number | undefined;
}

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
  /** 900 to 3,600, because an application's role that becomes a tenant's is role chaining; default 3,600. */
  readonly sessionSeconds?: number | undefined;
  /** Of how many tenants records and sessions are kept; the one that wasn't used for longest goes first. 1 to 100,000; default 1,000. */
  readonly tenantsMax?: number | undefined;
  /** `false`: every message asks KMS for a data key of its own. */
  readonly cache?: DataKeyCacheOptions | false | undefined;
  /** For tests. */
  readonly nowMs?: (() => number) | undefined;
}

/** Further pairs that a ciphertext is bound to, the same for encrypting and decrypting. Not secret: CloudTrail shows them. */
export interface ContextOption {
  readonly context?: Readonly<Record<string, string>> | undefined;
}

/** A data key while `withDataKey` runs. */
export interface DataKey {
  /** Zeroed when the function has ended. */
  readonly plaintext: Uint8Array;
  /** To be stored beside the data: `openDataKey` takes it. */
  readonly wrapped: Uint8Array;
}

/** One key of one tenant. Every call throws a TenantKeysError, and none ever turns to another key. */
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
  /** Of a session of the tenant's role, for any other client of the SDK: pass `() => key.credentials()` as `credentials`. */
  credentials(): Promise<TenantCredentials>;
  /** Looks whether the tenant may work now, by what the registry said at most `recordMaxAgeSeconds` ago. */
  check(): Promise<void>;
}

export interface TenantKeys {
  /**
   * Checks the ids only and calls nothing.
   * @param keyName default: `default`
   * @throws TenantKeysError `identifier_invalid`
   */
  for(tenantId: string, keyName?: string): TenantKey;
  /** Records, sessions and data keys that are kept of the tenant: the next call looks anew. */
  forget(tenantId: string): void;
  /** Closes every client, and wipes every data key. */
  destroy(): void;
}
