/** The records of each tenant and each of its keys. Every write is conditional, so a worker that was overtaken changes nothing. */
import { GetCommand, PutCommand, TransactWriteCommand } from "@aws-sdk/lib-dynamodb";
import { unmarshall } from "@aws-sdk/util-dynamodb";
import {
  type DestructionRecord,
  type KeyName,
  type KeyRecord,
  type TenantId,
  TenantKeysError,
  type TenantRecord,
} from "@tenantkeys/core";
import { EntityFormatter } from "dynamodb-toolbox/entity/actions/format";
import { EntityParser } from "dynamodb-toolbox/entity/actions/parse";
import type { Clients } from "./clients.ts";
import { errorName, narrowAwsError } from "./narrow-error.ts";
import {
  destructionEntity,
  keyEntity,
  REVIEW_PARTITION,
  registryTable,
  TENANT_PREFIX,
  tenantEntity,
} from "./registry-table.ts";
import type { Run } from "./run.ts";
import { itemsOfTenant } from "./tenant-items.ts";

/** What the registry was last seen to hold. */
export interface Known {
  readonly record: KeyRecord | undefined;
  readonly tenant: TenantRecord | undefined;
}

/** `conflict`: it held something else than was known; that is given instead. */
export type Declaring = { readonly kind: "written" } | ({ readonly kind: "conflict" } & Known);

export interface Registry {
  /**
   * Writes a key's record, if both it and the tenant's are still as known, and the tenant's as well where it changed.
   * The tenant's version is a condition even where it stays: a key is never taken in hand for what its tenant was once.
   */
  declare(
    run: Run,
    known: Known,
    next: { readonly record: KeyRecord; readonly tenant: TenantRecord },
  ): Promise<Declaring>;
  /** Writes a tenant's record, if it is still at `expectedVersion` (undefined: not there). */
  putTenant(run: Run, tenant: TenantRecord, expectedVersion: number | undefined): Promise<"written" | "conflict">;
  /**
   * Replaces a key's record, if it is still at `expectedFence`; with what stays of a key that is gone, in the same write.
   * @throws TenantKeysError `lease_lost` where another worker has taken over
   */
  replace(run: Run, record: KeyRecord, expectedFence: number, destruction?: DestructionRecord): Promise<void>;
  get(run: Run, tenantId: TenantId, keyName: KeyName): Promise<KeyRecord | undefined>;
  getTenant(run: Run, tenantId: TenantId): Promise<TenantRecord | undefined>;
  /** Every key of the tenant that the registry knows, the destroyed ones too. */
  keysOfTenant(run: Run, tenantId: TenantId): Promise<readonly KeyRecord[]>;
}

type Entity = ReturnType<typeof keyEntity>;

/**
 * Items are made and read by dynamodb-toolbox. The conditions are written out: its condition builder would add 22 KB to
 * the worker's bundle for them.
 */
export function createRegistry(clients: Clients, tableName: string): Registry {
  const table = registryTable(clients.documents, tableName);
  const keys = keyEntity(table);
  const tenants = tenantEntity(table);
  const destructions = destructionEntity(table);
  const keyPut = (record: KeyRecord) => ({
    TableName: tableName,
    Item: keys.build(EntityParser).parse(toItem(record)).item,
  });
  const tenantPut = (tenant: TenantRecord, expectedVersion: number | undefined) => ({
    TableName: tableName,
    Item: tenants.build(EntityParser).parse({ ...tenant }).item,
    ...versionIs(expectedVersion),
  });
  return {
    async declare(run, known, next) {
      const tenantKey = { pk: `${TENANT_PREFIX}${next.tenant.tenantId}`, sk: "TENANT" };
      const onTenant =
        next.tenant === known.tenant
          ? {
              ConditionCheck: { TableName: tableName, Key: tenantKey, ...versionIs(known.tenant.version), ...GIVE_OLD },
            }
          : { Put: { ...tenantPut(next.tenant, known.tenant?.version), ...GIVE_OLD } };
      const onKey = { Put: { ...keyPut(next.record), ...fenceIs(known.record?.fence), ...GIVE_OLD } };
      try {
        const command = new TransactWriteCommand({ TransactItems: [onKey, onTenant] });
        await clients.documents.send(command, { abortSignal: run.signal });
        return { kind: "written" };
      } catch (error) {
        const held = cancellation(error);
        if (held === undefined) throw narrowAwsError(error, "dynamodb:PutItem");
        const [record, tenant] = held;
        return {
          kind: "conflict",
          record: record === undefined ? known.record : toRecord(keys, record),
          tenant: tenant === undefined ? known.tenant : toTenant(tenants, tenant),
        };
      }
    },
    async putTenant(run, tenant, expectedVersion) {
      try {
        const command = new PutCommand(tenantPut(tenant, expectedVersion));
        await clients.documents.send(command, { abortSignal: run.signal });
        return "written";
      } catch (error) {
        if (errorName(error) === "ConditionalCheckFailedException") return "conflict";
        throw narrowAwsError(error, "dynamodb:PutItem");
      }
    },
    async replace(run, record, expectedFence, destruction) {
      const put = { ...keyPut(record), ...fenceIs(expectedFence) };
      if (destruction === undefined) return replaceItem(clients, run, record, new PutCommand(put));
      const Item = destructions.build(EntityParser).parse({ ...destruction }).item;
      const TransactItems = [{ Put: put }, { Put: { TableName: tableName, Item } }];
      return replaceItem(clients, run, record, new TransactWriteCommand({ TransactItems }));
    },
    async get(run, tenantId, keyName) {
      const item = await getItem(clients, run, tableName, { pk: `${TENANT_PREFIX}${tenantId}`, sk: `KEY#${keyName}` });
      return item === undefined ? undefined : toRecord(keys, item);
    },
    async getTenant(run, tenantId) {
      const item = await getItem(clients, run, tableName, { pk: `${TENANT_PREFIX}${tenantId}`, sk: "TENANT" });
      return item === undefined ? undefined : toTenant(tenants, item);
    },
    async keysOfTenant(run, tenantId) {
      const items = await itemsOfTenant(clients, run, tableName, tenantId, "KEY#");
      return items.map((item) => toRecord(keys, item));
    },
  };
}

const GIVE_OLD = { ReturnValuesOnConditionCheckFailure: "ALL_OLD" } as const;

function fenceIs(expected: number | undefined) {
  return expected === undefined
    ? { ConditionExpression: "attribute_not_exists(pk)" }
    : { ConditionExpression: "fence = :fence", ExpressionAttributeValues: { ":fence": expected } };
}

function versionIs(expected: number | undefined) {
  if (expected === undefined) return { ConditionExpression: "attribute_not_exists(pk)" };
  // `version` isn't reserved by DynamoDB, but a name of ours might be one day.
  return {
    ConditionExpression: "#version = :version",
    ExpressionAttributeNames: { "#version": "version" },
    ExpressionAttributeValues: { ":version": expected },
  };
}

/** The items that stood in a transaction's way, in its order; undefined where it failed for another reason. */
function cancellation(error: unknown): readonly (Record<string, unknown> | undefined)[] | undefined {
  if (errorName(error) !== "TransactionCanceledException") return undefined;
  const { CancellationReasons: reasons = [] } = error as { CancellationReasons?: readonly CancellationReason[] };
  if (!reasons.some(({ Code }) => Code === "ConditionalCheckFailed")) return undefined;
  // The document client leaves them as DynamoDB sent them.
  return reasons.map(({ Item }) => (Item === undefined ? undefined : unmarshall(Item)));
}

interface CancellationReason {
  readonly Code?: string;
  readonly Item?: Parameters<typeof unmarshall>[0];
}

/** @throws TenantKeysError `lease_lost` where the condition on the key's fence isn't met */
async function replaceItem(
  clients: Clients,
  run: Run,
  { tenantId, keyName }: KeyRecord,
  command: PutCommand | TransactWriteCommand,
): Promise<void> {
  const options = { abortSignal: run.signal };
  try {
    if (command instanceof PutCommand) await clients.documents.send(command, options);
    else await clients.documents.send(command, options);
  } catch (error) {
    const overtaken = errorName(error) === "ConditionalCheckFailedException" || cancellation(error) !== undefined;
    if (!overtaken) throw narrowAwsError(error, "dynamodb:PutItem");
    const message = `another worker has taken over key "${keyName}" of tenant ${tenantId}`;
    throw new TenantKeysError("lease_lost", message, { step: "record", cause: error });
  }
}

async function getItem(clients: Clients, run: Run, TableName: string, Key: Readonly<Record<string, string>>) {
  try {
    const command = new GetCommand({ TableName, Key, ConsistentRead: true });
    return (await clients.documents.send(command, { abortSignal: run.signal })).Item;
  } catch (error) {
    throw narrowAwsError(error, "dynamodb:GetItem");
  }
}

function toItem(record: KeyRecord) {
  const { nextCheckAtMs } = record;
  return {
    ...record,
    attempts: record.attempts.map((attempt) => ({ ...attempt })),
    review: nextCheckAtMs === undefined ? undefined : REVIEW_PARTITION,
  };
}

/** @throws TenantKeysError `record_invalid` where the item isn't as this project wrote it */
export function toRecord(entity: Entity, raw: Record<string, unknown>): KeyRecord {
  return readItem(raw, () => {
    const { review: _, ...record } = new EntityFormatter(entity).format(raw);
    return record as unknown as KeyRecord;
  });
}

function toTenant(entity: ReturnType<typeof tenantEntity>, raw: Record<string, unknown>): TenantRecord {
  return readItem(raw, () => new EntityFormatter(entity).format(raw) as unknown as TenantRecord);
}

/** @throws TenantKeysError `record_invalid` where the item isn't as this project wrote it */
export function readItem<T>(raw: Record<string, unknown>, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const message = `the registry item ${String(raw.pk)} / ${String(raw.sk)} can't be read`;
    throw new TenantKeysError("record_invalid", message, { step: "read", cause });
  }
}
