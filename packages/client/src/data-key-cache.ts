/**
 * Where the data keys of one tenant key are kept to be used again, in the form that the Encryption SDK's caching materials
 * manager wants.
 *
 * Not the SDK's own getLocalCryptographicMaterialsCache: that one can't be emptied, starts a timer that nothing ends, and
 * wipes by it only the entry not used for longest. This one wipes all of it at once, and whatever is too old when told to.
 */
import {
  type getLocalCryptographicMaterialsCache,
  NodeDecryptionMaterial,
  NodeEncryptionMaterial,
} from "@aws-crypto/client-node";

export type MaterialsCache = ReturnType<typeof getLocalCryptographicMaterialsCache>;

export interface DataKeyCache extends MaterialsCache {
  /** Wipes what is too old. */
  wipeOld(): void;
  /** Wipes everything, and keeps nothing any more: a call that is under way may still put something. */
  close(): void;
}

interface Entry {
  readonly response: NodeEncryptionMaterial | NodeDecryptionMaterial;
  bytesEncrypted: number;
  messagesEncrypted: number;
  /** By the system's clock, for the SDK, which goes by no other. */
  readonly now: number;
  readonly keptAtMs: number;
}

export interface DataKeyCacheOptions {
  readonly maxAgeMs: number;
  /** Data keys kept, for encrypting and decrypting together; the one not used for longest goes first. */
  readonly capacity: number;
  readonly nowMs: () => number;
}

export function createDataKeyCache(options: DataKeyCacheOptions): DataKeyCache {
  const entries = createEntries(options);
  return {
    putEncryptionMaterial: (key, material, bytes) => entries.put(key, material as NodeEncryptionMaterial, bytes),
    putDecryptionMaterial: (key, material) => entries.put(key, material as NodeDecryptionMaterial, 0),
    getEncryptionMaterial(key, bytes) {
      const entry = entries.get(key);
      if (entry === undefined || !(entry.response instanceof NodeEncryptionMaterial)) return false;
      entry.bytesEncrypted += bytes;
      entry.messagesEncrypted += 1;
      return { ...entry, response: entry.response };
    },
    getDecryptionMaterial(key) {
      const entry = entries.get(key);
      if (entry === undefined || !(entry.response instanceof NodeDecryptionMaterial)) return false;
      return { ...entry, response: entry.response };
    },
    // The interface has branch keys too; the caching materials manager has none.
    putBranchKeyMaterial: (_key, material) => void material.zeroUnencryptedDataKey(),
    getBranchKeyMaterial: () => false,
    del: entries.wipe,
    wipeOld: entries.wipeOld,
    close: entries.close,
  };
}

function createEntries({ maxAgeMs, capacity, nowMs }: DataKeyCacheOptions) {
  // In the order of use.
  const entries = new Map<string, Entry>();
  let closed = false;
  const isOld = ({ keptAtMs }: Entry) => {
    const ageMs = nowMs() - keptAtMs;
    // A clock that was set back says nothing about an age.
    return ageMs > maxAgeMs || ageMs < 0;
  };
  const wipe = (key: string) => {
    entries.get(key)?.response.zeroUnencryptedDataKey();
    entries.delete(key);
  };
  return {
    wipe,
    get(key: string): Entry | undefined {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      if (isOld(entry)) {
        wipe(key);
        return undefined;
      }
      entries.delete(key);
      entries.set(key, entry);
      return entry;
    },
    put(key: string, response: Entry["response"], bytesEncrypted: number): void {
      // The SDK makes a copy of what it has just put, at once, and works with that.
      if (closed) {
        queueMicrotask(() => response.zeroUnencryptedDataKey());
        return;
      }
      wipe(key);
      const oldest = entries.keys().next();
      if (entries.size >= capacity && oldest.done !== true) wipe(oldest.value);
      entries.set(key, { response, bytesEncrypted, messagesEncrypted: 1, now: Date.now(), keptAtMs: nowMs() });
    },
    wipeOld(): void {
      for (const [key, entry] of entries) if (isOld(entry)) wipe(key);
    },
    close(): void {
      closed = true;
      for (const key of [...entries.keys()]) wipe(key);
    },
  };
}
