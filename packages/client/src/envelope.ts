/**
 * Envelope encryption with a tenant's key: messages of the AWS Encryption SDK, and raw data keys for those who need one.
 */
import type { Duplex } from "node:stream";
import type { KeyArn } from "@tenantkeys/core";
import type { TenantKeyRef } from "./key-access.ts";

/** Further pairs that a ciphertext is bound to. Not secret: they are in the message and in CloudTrail, readable by anybody. */
export type FurtherContext = Readonly<Record<string, string>>;

/** How long and for how much a data key is used again; each limit is per tenant key. */
export interface DataKeyCacheLimits {
  /** 1 to 3,600; default 60. */
  readonly maxAgeSeconds?: number | undefined;
  /** 1 to 1,000,000; default 1,000. */
  readonly maxMessages?: number | undefined;
  /** 1 to 2^40; default 104,857,600 (100 MiB). */
  readonly maxBytes?: number | undefined;
  /** Data keys kept per tenant key, for encrypting and decrypting together: 1 to 10,000; default 100. */
  readonly capacity?: number | undefined;
}

export interface EnvelopeSettings {
  /** `false`: every message asks KMS for a data key of its own. Absent: the defaults. */
  readonly cache?: DataKeyCacheLimits | false | undefined;
  /** Of how many tenant keys data keys are kept; the one not used for longest goes first. 1 to 100,000; default 1,000. */
  readonly cachedKeysMax?: number | undefined;
  /** Default: the system's clock. */
  readonly nowMs?: (() => number) | undefined;
}

/** A data key while `withDataKey` runs. */
export interface DataKey {
  /** 32 bytes, for AES-256. Zeroed when the function has ended. */
  readonly plaintext: Uint8Array;
  /** To be stored beside the data: `openDataKey` takes it. It is what KMS made (CiphertextBlob), and nothing else. */
  readonly wrapped: Uint8Array;
  /** The KMS key that wrapped it. */
  readonly keyArn: KeyArn;
}

/** Everything throws a TenantKeysError, and nothing ever turns to another key. */
export interface Envelope {
  encrypt(ref: TenantKeyRef, plaintext: Uint8Array, context?: FurtherContext): Promise<Uint8Array>;
  decrypt(ref: TenantKeyRef, message: Uint8Array, context?: FurtherContext): Promise<Uint8Array>;
  encryptStream(ref: TenantKeyRef, context?: FurtherContext): Duplex;
  decryptStream(ref: TenantKeyRef, context?: FurtherContext): Duplex;
  withDataKey<T>(ref: TenantKeyRef, use: (key: DataKey) => Promise<T>, context?: FurtherContext): Promise<T>;
  openDataKey<T>(
    ref: TenantKeyRef,
    wrapped: Uint8Array,
    use: (plaintext: Uint8Array) => Promise<T>,
    context?: FurtherContext,
  ): Promise<T>;
  /** Wipes what is kept of the tenant, of all its keys, at once. */
  forget(tenantId: string): void;
  /** Wipes everything that is kept, and ends the timer. */
  destroy(): void;
}
