/**
 * Where unwrapped branch keys are kept, apart for each tenant key.
 *
 * Not the SDK's own cache: that one wipes what it drops although a call may be wrapping a data key with it at that moment,
 * and would then wrap with 32 zeros, which anybody can unwrap. Here every message gets a copy of its own.
 */
import { NodeBranchKeyMaterial } from "@aws-crypto/material-management";
import { type CachesByTenantKey, createCachesByTenantKey, within } from "../caches-by-tenant-key.ts";

export interface BranchKeyLimits {
  /** 1 to 3,600; default 300. For so long a process goes on with a branch key that KMS would refuse to unwrap. */
  readonly maxAgeSeconds?: number | undefined;
  /** Of how many tenant keys branch keys are kept; the one not used for longest goes first. 1 to 100,000; default 1,000. */
  readonly tenantKeysMax?: number | undefined;
}

export interface BranchKeyCache {
  /**
   * @param name which version
   * @param read called once however many ask at the same time
   * @returns a copy, which is the caller's to wipe
   */
  get(name: string, read: () => Promise<NodeBranchKeyMaterial>): Promise<NodeBranchKeyMaterial>;
}

export type BranchKeyCaches = CachesByTenantKey<BranchKeyCache>;

/** A branch key is rotated once a year or so: more versions than these are hardly read at the same time. */
const VERSIONS_MAX = 20;

/** @throws TenantKeysError `settings_invalid` */
export function createBranchKeyCaches(
  { maxAgeSeconds = 300, tenantKeysMax = 1_000 }: BranchKeyLimits,
  nowMs: () => number,
): BranchKeyCaches {
  const maxAgeMs = 1_000 * within("maxAgeSeconds", maxAgeSeconds, 3_600);
  const keysMax = within("tenantKeysMax", tenantKeysMax, 100_000);
  return createCachesByTenantKey(keysMax, () => new Cache(maxAgeMs, nowMs));
}

interface Entry {
  readonly material: NodeBranchKeyMaterial;
  readonly keptAtMs: number;
}

class Cache implements BranchKeyCache {
  readonly #entries = new Map<string, Entry>();
  readonly #reading = new Map<string, Promise<NodeBranchKeyMaterial>>();
  readonly #maxAgeMs: number;
  readonly #nowMs: () => number;
  #closed = false;

  constructor(maxAgeMs: number, nowMs: () => number) {
    this.#maxAgeMs = maxAgeMs;
    this.#nowMs = nowMs;
  }

  async get(name: string, read: () => Promise<NodeBranchKeyMaterial>): Promise<NodeBranchKeyMaterial> {
    const kept = this.#kept(name);
    if (kept !== undefined) return copyOf(kept);
    const reading = this.#reading.get(name) ?? this.#read(name, read);
    return copyOf(await reading);
  }

  wipeOld(): void {
    for (const [name, entry] of this.#entries) if (this.#isOld(entry)) this.#wipe(name);
  }

  close(): void {
    this.#closed = true;
    for (const name of [...this.#entries.keys()]) this.#wipe(name);
  }

  #kept(name: string): NodeBranchKeyMaterial | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    if (!this.#isOld(entry)) return entry.material;
    this.#wipe(name);
    return undefined;
  }

  #read(name: string, read: () => Promise<NodeBranchKeyMaterial>): Promise<NodeBranchKeyMaterial> {
    const reading = read()
      .then((material) => this.#keep(name, material))
      .finally(() => this.#reading.delete(name));
    this.#reading.set(name, reading);
    return reading;
  }

  #keep(name: string, material: NodeBranchKeyMaterial): NodeBranchKeyMaterial {
    if (this.#closed) {
      // Whoever waits for it makes a copy first.
      setImmediate(() => material.zeroUnencryptedDataKey());
      return material;
    }
    const oldest = this.#entries.keys().next();
    if (this.#entries.size >= VERSIONS_MAX && oldest.done !== true) this.#wipe(oldest.value);
    this.#entries.set(name, { material: copyOf(material), keptAtMs: this.#nowMs() });
    setImmediate(() => material.zeroUnencryptedDataKey());
    return material;
  }

  #isOld({ keptAtMs }: Entry): boolean {
    const ageMs = this.#nowMs() - keptAtMs;
    // A clock that was set back says nothing about an age.
    return ageMs >= this.#maxAgeMs || ageMs < 0;
  }

  #wipe(name: string): void {
    this.#entries.get(name)?.material.zeroUnencryptedDataKey();
    this.#entries.delete(name);
  }
}

function copyOf(material: NodeBranchKeyMaterial): NodeBranchKeyMaterial {
  const version = material.branchKeyVersion.toString("utf8");
  return new NodeBranchKeyMaterial(material.branchKey(), material.branchKeyIdentifier, version, {
    ...material.encryptionContext,
  });
}
