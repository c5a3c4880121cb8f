/**
 * What the registry says of a tenant's key, read with the application's own credentials and kept for a limited time.
 * Nothing is kept past that: where the registry can't be read, nobody knows whether the tenant may work, so it may not.
 */
import { type DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import {
  APPLICATION_KEY_ATTRIBUTES,
  APPLICATION_TENANT_ATTRIBUTES,
  type TenantId,
  TenantKeysError,
} from "@tenantkeys/core";
import { narrowAwsError } from "./aws-errors.ts";
import { createKeptValues } from "./kept-values.ts";
import type { TenantKeyRef } from "./key-access.ts";
import { type Known, refusalOf } from "./may-work.ts";
import { type KeyItem, keyItemKey, projection, readKeyItem, readTenantItem, tenantItemKey } from "./registry-items.ts";

/**
 * How long it is remembered that a tenant may not work: one that asks all the time costs two reads a second, and one
 * that is resumed waits no longer than this. That a tenant or key isn't there is never remembered: names are anybody's.
 */
const REFUSAL_MAX_AGE_MS = 1_000;

export interface RegistryReader {
  /** @throws TenantKeysError why the tenant may not work (may-work.ts), `registry_unavailable`, `record_invalid` */
  find(ref: TenantKeyRef): Promise<KeyItem>;
  /** The same, whatever is kept. */
  findAnew(ref: TenantKeyRef): Promise<KeyItem>;
  forget(tenantId: TenantId): void;
}

interface ReaderOptions {
  readonly dynamodb: DynamoDBClient;
  readonly tableName: string;
  readonly recordMaxAgeMs: number;
  /** Of how many tenant keys a record is kept. */
  readonly recordsMax: number;
  readonly nowMs: () => number;
}

interface Read extends Known {
  readonly key: KeyItem;
  /** When it was asked for: the answer may be as old as that. */
  readonly askedAtMs: number;
}

export function createRegistryReader(options: ReaderOptions): RegistryReader {
  const { nowMs, recordMaxAgeMs } = options;
  const kept = createKeptValues<Read>(options.recordsMax);
  const keyOf = ({ tenantId, keyName }: TenantKeyRef) => `${tenantId}/${keyName}`;
  const isFresh = (ref: TenantKeyRef) => (read: Read) => {
    const ageMs = nowMs() - read.askedAtMs;
    const maxAgeMs = refusalOf(ref, read) === undefined ? recordMaxAgeMs : Math.min(recordMaxAgeMs, REFUSAL_MAX_AGE_MS);
    // A clock that was put back makes nothing younger.
    return ageMs >= 0 && ageMs < maxAgeMs;
  };
  const find = async (ref: TenantKeyRef) => {
    const read = await kept.get(keyOf(ref), isFresh(ref), () => readBoth(options, ref));
    const refusal = refusalOf(ref, read);
    if (refusal !== undefined) throw refusal;
    return read.key;
  };
  const anew = new Map<string, Promise<KeyItem>>();
  const startAnew = (ref: TenantKeyRef) => {
    const key = keyOf(ref);
    kept.forget(key);
    const looking = find(ref).finally(() => anew.delete(key));
    anew.set(key, looking);
    return looking;
  };
  return {
    find,
    // Where a key was disabled many calls are refused at once: they share one look.
    findAnew: async (ref) => anew.get(keyOf(ref)) ?? startAnew(ref),
    forget: (tenantId) => kept.forgetWhere((key) => key.startsWith(`${tenantId}/`)),
  };
}

/**
 * The key's item and its tenant's: a suspension or an offboarding is declared in the second, seconds to minutes before
 * the worker has carried it out on the first. Two GetItem at a time cost no more than one BatchGetItem, each is retried
 * by the SDK by itself, and the application's policy needs one action only. Consistent, so that a record is never older
 * than its age says.
 */
async function readBoth({ dynamodb, tableName, nowMs }: ReaderOptions, ref: TenantKeyRef): Promise<Read> {
  const askedAtMs = nowMs();
  const get = async (Key: ReturnType<typeof tenantItemKey>, attributes: readonly string[]) => {
    const input = { TableName: tableName, Key, ConsistentRead: true, ...projection(attributes) };
    return (await dynamodb.send(new GetItemCommand(input))).Item;
  };
  const [keyItem, tenantItem] = await Promise.all([
    get(keyItemKey(ref.tenantId, ref.keyName), APPLICATION_KEY_ATTRIBUTES),
    get(tenantItemKey(ref.tenantId), APPLICATION_TENANT_ATTRIBUTES),
  ]).catch((error: unknown) => {
    throw unavailable(tableName, ref, error);
  });
  const known = asWritten(ref, () => ({
    key: keyItem && readKeyItem(keyItem),
    tenant: tenantItem && readTenantItem(tenantItem),
  }));
  if (known.key === undefined) throw refusalOf(ref, known) ?? new Error("a key that isn't there has no refusal");
  return { ...known, key: known.key, askedAtMs };
}

function asWritten<T>({ tenantId, keyName }: TenantKeyRef, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof TenantKeysError)) throw error;
    const message = `the registry's items of tenant ${tenantId} and key "${keyName}": ${error.message}`;
    throw new TenantKeysError(error.code, message, { ...error.details, tenantId, keyName, cause: error });
  }
}

function unavailable(tableName: string, { tenantId, keyName }: TenantKeyRef, error: unknown): TenantKeysError {
  const { message, details } = narrowAwsError(error, "dynamodb:GetItem");
  const { step, retryAfterMs } = details;
  return new TenantKeysError("registry_unavailable", `table ${tableName} can't be read: ${message}`, {
    tenantId,
    keyName,
    step,
    retryAfterMs,
    cause: error,
  });
}
