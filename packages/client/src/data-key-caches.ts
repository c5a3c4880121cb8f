/** A cache of data keys for each tenant key, never one for two: what is kept of one tenant can't come up for another. */
import type { NodeMaterialsManager } from "@aws-crypto/client-node";
import { type KeyArn, type TenantId, TenantKeysError } from "@tenantkeys/core";
import {
  createDataKeyCache,
  type DataKeyCache,
  type DataKeyCacheOptions,
  type MaterialsCache,
} from "./data-key-cache.ts";
import type { TenantKeyRef } from "./key-access.ts";

/** How long and for how much a data key is used again; each limit is per tenant key. */
export interface DataKeyCacheLimits {
  /** 1 to 3,600; default 60. For so long data is encrypted and decrypted although KMS would refuse it by now. */
  readonly maxAgeSeconds?: number | undefined;
  /** Encrypted with one data key: 1 to 1,000,000; default 1,000. Decrypting isn't counted. */
  readonly maxMessages?: number | undefined;
  /** Encrypted with one data key: 1 to 2^40; default 104,857,600 (100 MiB). Decrypting isn't counted. */
  readonly maxBytes?: number | undefined;
  /** Data keys kept per tenant key, for encrypting and decrypting together: 1 to 10,000; default 100. */
  readonly capacity?: number | undefined;
}

export interface DataKeyCacheSettings extends DataKeyCacheOptions {
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly cachedKeysMax: number;
}

export interface DataKeyCaches {
  /** The cache of this tenant key: always the same one, until it is forgotten. */
  of(ref: TenantKeyRef): MaterialsCache;
  /**
   * The manager of this tenant key's cache: always the same one for a key's ARN, until it is forgotten.
   * @param make called once: to make one takes a tenth of what a message takes
   */
  managerOf(
    ref: TenantKeyRef,
    keyArn: KeyArn,
    make: (cache: MaterialsCache) => NodeMaterialsManager,
  ): NodeMaterialsManager;
  forget(tenantId: string): void;
  destroy(): void;
}

/** What is too old is wiped by then, although nobody asks for it. */
const SWEEP_MS = 10_000;

/** @throws TenantKeysError `settings_invalid` */
export function dataKeyCacheSettings(
  limits: DataKeyCacheLimits,
  cachedKeysMax: number | undefined,
  nowMs: () => number,
): DataKeyCacheSettings {
  return {
    maxAgeMs: within("cache.maxAgeSeconds", limits.maxAgeSeconds ?? 60, 3_600) * 1_000,
    maxMessages: within("cache.maxMessages", limits.maxMessages ?? 1_000, 1_000_000),
    maxBytes: within("cache.maxBytes", limits.maxBytes ?? 104_857_600, 2 ** 40),
    capacity: within("cache.capacity", limits.capacity ?? 100, 10_000),
    cachedKeysMax: within("cachedKeysMax", cachedKeysMax ?? 1_000, 100_000),
    nowMs,
  };
}

function within(field: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  const wanted = `${field}: expected a whole number from 1 to ${max}, got ${value}`;
  throw new TenantKeysError("settings_invalid", wanted, { field });
}

interface Held {
  readonly tenantId: TenantId;
  readonly cache: DataKeyCache;
  /** One per ARN: the key's, and those of keys that it replaced. */
  readonly managers: Map<KeyArn, NodeMaterialsManager>;
}

export function createDataKeyCaches(settings: DataKeyCacheSettings): DataKeyCaches {
  // In the order of use: the first is the one not used for longest.
  const caches = new Map<string, Held>();
  let newest: string | undefined;
  const drop = (key: string) => {
    caches.get(key)?.cache.close();
    caches.delete(key);
  };
  const held = (ref: TenantKeyRef): Held => {
    const key = `${ref.stage}/${ref.tenantId}/${ref.keyName}`;
    const kept = caches.get(key);
    // Asked for again and again it stays where it is: moving an entry costs more than finding it.
    if (kept !== undefined && key === newest) return kept;
    const one = kept ?? { tenantId: ref.tenantId, cache: createDataKeyCache(settings), managers: new Map() };
    caches.delete(key);
    caches.set(key, one);
    newest = key;
    const oldest = caches.keys().next();
    if (caches.size > settings.cachedKeysMax && oldest.done !== true) drop(oldest.value);
    return one;
  };
  // One timer for all of them. It keeps no process alive, and no Lambda from being frozen.
  const sweep = setInterval(() => {
    for (const { cache } of caches.values()) cache.wipeOld();
  }, SWEEP_MS).unref();
  return {
    of: (ref) => held(ref).cache,
    managerOf(ref, keyArn, make) {
      const { cache, managers } = held(ref);
      const manager = managers.get(keyArn) ?? make(cache);
      managers.set(keyArn, manager);
      return manager;
    },
    forget(tenantId) {
      for (const [key, one] of caches) if (one.tenantId === tenantId) drop(key);
    },
    destroy() {
      clearInterval(sweep);
      for (const key of [...caches.keys()]) drop(key);
    },
  };
}
