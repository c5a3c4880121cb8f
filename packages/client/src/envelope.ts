/**
 * Envelope encryption with a tenant's key: messages of the AWS Encryption SDK, and raw data keys for those who need one.
 *
 * Messages are of the suite AES-256-GCM with HKDF-SHA-512 and key commitment, without a signature. A signature would say
 * that the writer, who holds the data key, and not some reader made the message. Here both are sessions of one tenant's
 * role, equally trusted, and for that AWS's documentation advises against it. Without it no plaintext of a stream waits
 * for the end, and no message costs an ECDSA key. Any change to a message is still found: each frame has its own tag.
 */
import type { Duplex } from "node:stream";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { createDataKeyCaches, type DataKeyCacheLimits, dataKeyCacheSettings } from "./data-key-caches.ts";
import { type DataKey, openDataKey, withDataKey } from "./data-keys.ts";
import type { FurtherContext } from "./encryption-context.ts";
import type { KeyAccessSource, TenantKeyRef } from "./key-access.ts";
import { createKeyUse } from "./key-use.ts";
import type { Caching } from "./materials.ts";
import { decryptingStream, encryptingStream } from "./message-streams.ts";
import { decryptMessage, encryptMessage } from "./messages.ts";

export type { DataKeyCacheLimits } from "./data-key-caches.ts";
export type { DataKey } from "./data-keys.ts";
export type { FurtherContext } from "./encryption-context.ts";

export interface EnvelopeSettings {
  /** `false`: every message asks KMS for a data key of its own. Absent: the defaults. */
  readonly cache?: DataKeyCacheLimits | false | undefined;
  /** Of how many tenant keys data keys are kept; the one not used for longest goes first. 1 to 100,000; default 1,000. */
  readonly cachedKeysMax?: number | undefined;
  /** Default: the system's clock. */
  readonly nowMs?: (() => number) | undefined;
}

/** Another envelope for `createTenantKeys`, such as that of branch keys. */
export type EnvelopeFactory = (
  source: KeyAccessSource,
  /** The application's own client, and the clock. */
  parts: { readonly dynamodb: DynamoDBClient; readonly nowMs: () => number },
) => Envelope;

/** Everything throws a TenantKeysError, and nothing ever turns to another key. */
export interface Envelope {
  /** @returns a message of the AWS Encryption SDK, with the encryption context in the clear */
  encrypt(ref: TenantKeyRef, plaintext: Uint8Array, context?: FurtherContext): Promise<Uint8Array>;
  /**
   * Also what another AWS Encryption SDK made with this tenant's key and context, with a committing suite, signed or not.
   * @throws TenantKeysError `ciphertext_of_another_tenant` before anybody is asked, `ciphertext_corrupted`,
   *   `encryption_context_invalid`, and whatever KeyAccessSource says
   */
  decrypt(ref: TenantKeyRef, message: Uint8Array, context?: FurtherContext): Promise<Uint8Array>;
  /** Bytes in, a message out. For `pipeline`: it hands errors on, `pipe` doesn't. No data key of a stream is kept. */
  encryptStream(ref: TenantKeyRef, context?: FurtherContext): Duplex;
  /**
   * A message in, bytes out. Whose it is, and the header's tag, are checked before the first byte comes out, and each frame
   * before its bytes do. But that the message is whole is known at its end only: when the stream fails, throw away what
   * came out of it. Takes unsigned messages with frames of at most 1 MiB, which is what it holds in memory.
   */
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

/** @throws TenantKeysError `settings_invalid` */
export function createEnvelope(source: KeyAccessSource, settings: EnvelopeSettings = {}): Envelope {
  const caching = cachingOf(settings);
  const use = createKeyUse(source, caching);
  return {
    encrypt: (ref, plaintext, context) => encryptMessage(use, ref, plaintext, context),
    decrypt: (ref, message, context) => decryptMessage(use, ref, message, context),
    encryptStream: (ref, context) => encryptingStream(use, ref, context),
    decryptStream: (ref, context) => decryptingStream(use, ref, context),
    withDataKey: (ref, work, context) => withDataKey(use, ref, work, context),
    openDataKey: (ref, wrapped, work, context) => openDataKey(use, ref, wrapped, work, context),
    forget: (tenantId) => caching?.caches.forget(tenantId),
    destroy: () => caching?.caches.destroy(),
  };
}

function cachingOf({ cache = {}, cachedKeysMax, nowMs = Date.now }: EnvelopeSettings): Caching | undefined {
  if (cache === false) return undefined;
  const settings = dataKeyCacheSettings(cache, cachedKeysMax, nowMs);
  return { caches: createDataKeyCaches(settings), settings };
}
