/** The data keys that are kept of each tenant key, and the Encryption SDK's managers of them. */
import type { NodeMaterialsManager } from "@aws-crypto/client-node";
import type { KeyArn } from "@tenantkeys/core";
import { createCachesByTenantKey, within } from "./caches-by-tenant-key.ts";
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

interface Held {
  readonly cache: DataKeyCache;
  /** One per ARN: the key's, and those of keys that it replaced. */
  readonly managers: Map<KeyArn, NodeMaterialsManager>;
  wipeOld(): void;
  close(): void;
}

export function createDataKeyCaches(settings: DataKeyCacheSettings): DataKeyCaches {
  const caches = createCachesByTenantKey<Held>(settings.cachedKeysMax, () => {
    const cache = createDataKeyCache(settings);
    return { cache, managers: new Map(), wipeOld: cache.wipeOld, close: cache.close };
  });
  return {
    of: (ref) => caches.of(ref).cache,
    managerOf(ref, keyArn, make) {
      const { cache, managers } = caches.of(ref);
      const manager = managers.get(keyArn) ?? make(cache);
      managers.set(keyArn, manager);
      return manager;
    },
    forget: caches.forget,
    destroy: caches.destroy,
  };
}
