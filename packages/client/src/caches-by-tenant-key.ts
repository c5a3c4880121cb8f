/** A cache for each tenant key, never one for two: what is kept of one tenant can't come up for another. */
import { TenantKeysError } from "@tenantkeys/core";
import type { TenantKeyRef } from "./key-access.ts";
import { createLru } from "./lru.ts";

interface Wipeable {
  /** Wipes what is too old. */
  wipeOld(): void;
  /** Wipes everything, for good. */
  close(): void;
}

export interface CachesByTenantKey<Cache> {
  /** Always the same one, until it is forgotten, or pushed out by those of other tenant keys. */
  of(ref: TenantKeyRef): Cache;
  forget(tenantId: string): void;
  destroy(): void;
}

/** What is too old is wiped by then, although nobody asks for it. */
const SWEEP_MS = 10_000;

export function createCachesByTenantKey<Cache extends Wipeable>(
  tenantKeysMax: number,
  make: () => Cache,
): CachesByTenantKey<Cache> {
  const caches = createLru<{ readonly tenantId: string; readonly cache: Cache }>(tenantKeysMax, ({ cache }) =>
    cache.close(),
  );
  // One timer for all of them. It keeps no process alive, and no Lambda from being frozen.
  const sweep = setInterval(() => {
    for (const { cache } of caches.values()) cache.wipeOld();
  }, SWEEP_MS).unref();
  return {
    of({ stage, tenantId, keyName }) {
      const key = `${stage}/${tenantId}/${keyName}`;
      const kept = caches.get(key);
      if (kept !== undefined) return kept.cache;
      const cache = make();
      caches.set(key, { tenantId, cache });
      return cache;
    },
    forget: (tenantId) => caches.deleteWhere((_key, held) => held.tenantId === tenantId),
    destroy() {
      clearInterval(sweep);
      caches.clear();
    },
  };
}

/** @throws TenantKeysError `settings_invalid` */
export function within(field: string, value: number, max: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  const message = `${field}: expected a whole number from 1 to ${max}, got ${value}`;
  throw new TenantKeysError("settings_invalid", message, { field });
}
