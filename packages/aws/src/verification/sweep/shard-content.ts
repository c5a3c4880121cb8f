/** What is in a shard: names of tenant keys, and what the bulk lists said of each. */
import { gunzipSync, gzipSync } from "node:zlib";
import {
  type InspectedRole,
  type KeyArn,
  type KeyName,
  parseKeyName,
  parseTenantId,
  type TenantId,
  TenantKeysError,
} from "@tenantkeys/core";
import type { BulkFacts } from "../inspect-tenant-key.ts";

export interface ShardKey {
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  /** Absent where a bulk list wasn't whole: all is read directly then. */
  readonly bulk?: BulkFacts | undefined;
}

/** As it is stored: a role once, however many keys of its tenant there are. */
interface StoredShard {
  readonly roles: Readonly<Record<string, InspectedRole>>;
  readonly keys: readonly {
    readonly tenantId: string;
    readonly keyName: string;
    readonly bulk?: {
      readonly aliasTarget?: KeyArn;
      readonly taggedKeyArns: readonly KeyArn[];
      readonly role?: string;
    };
  }[];
}

export function encodeShard(keys: readonly ShardKey[]): Uint8Array {
  const roles: Record<string, InspectedRole> = {};
  const stored = keys.map(({ bulk, ...name }) => {
    if (bulk === undefined) return name;
    const { role, ...facts } = bulk;
    if (role === undefined) return { ...name, bulk: facts };
    roles[role.arn] = role;
    return { ...name, bulk: { ...facts, role: role.arn } };
  });
  return gzipSync(JSON.stringify({ roles, keys: stored }));
}

/** @throws TenantKeysError `record_invalid` where it isn't as it was written */
export function decodeShard(content: Uint8Array): readonly ShardKey[] {
  try {
    const { roles, keys } = JSON.parse(gunzipSync(content).toString("utf8")) as StoredShard;
    return keys.map(({ tenantId, keyName, bulk }) => ({
      tenantId: parseTenantId(tenantId),
      keyName: parseKeyName(keyName),
      bulk:
        bulk === undefined
          ? undefined
          : {
              aliasTarget: bulk.aliasTarget,
              role: bulk.role === undefined ? undefined : roles[bulk.role],
            },
    }));
  } catch (cause) {
    throw new TenantKeysError("record_invalid", "a shard of a sweep can't be read", { step: "read", cause });
  }
}

/** So many characters of JSON at most, so that even what gzip can't shorten fits into an item of 400 KB. */
const CHARACTERS_MAX = 300_000;

/** Cuts a stream of tenant keys into shards: at most so many keys, and no more than an item of the registry holds. */
export function createShardCutter(keysMax: number) {
  let keys: ShardKey[] = [];
  let characters = 0;
  let lastRole: string | undefined;
  const size = ({ tenantId, keyName, bulk }: ShardKey) => {
    const role = bulk?.role?.arn === lastRole ? 0 : JSON.stringify(bulk?.role ?? "").length;
    return tenantId.length + keyName.length + (bulk?.aliasTarget ?? "").length + role + 200;
  };
  return {
    /** @returns the shard that is full before this key, if one is */
    add(key: ShardKey): readonly ShardKey[] | undefined {
      const more = size(key);
      const isFull = keys.length === keysMax || (keys.length > 0 && characters + more > CHARACTERS_MAX);
      const full = isFull ? this.end() : undefined;
      characters += isFull ? size(key) : more;
      keys.push(key);
      lastRole = key.bulk?.role?.arn;
      return full;
    },
    /** @returns what is left */
    end(): readonly ShardKey[] {
      const rest = keys;
      keys = [];
      characters = 0;
      lastRole = undefined;
      return rest;
    },
  };
}
