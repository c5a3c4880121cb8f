/** The record of each tenant key. Every write is conditional, so a worker that was overtaken changes nothing. */
import { GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import { unmarshall } from "@aws-sdk/util-dynamodb";
import { type KeyName, type KeyRecord, type TenantId, TenantKeysError } from "@tenantkeys/core";
import { EntityFormatter } from "dynamodb-toolbox/entity/actions/format";
import { EntityParser } from "dynamodb-toolbox/entity/actions/parse";
import type { Clients } from "./clients.ts";
import { errorName, narrowAwsError } from "./narrow-error.ts";
import { keyEntity, registryTable } from "./registry-table.ts";
import type { Run } from "./run.ts";

export type Creation = { readonly kind: "created" } | { readonly kind: "exists"; readonly record: KeyRecord };

export interface Registry {
  /** Writes a record where there is none; otherwise gives the one that is there. */
  create(run: Run, record: KeyRecord): Promise<Creation>;
  /**
   * Replaces a record, if it is still at `expectedFence`.
   * @throws TenantKeysError `lease_lost` where another worker has taken over
   */
  replace(run: Run, record: KeyRecord, expectedFence: number): Promise<void>;
  get(run: Run, tenantId: TenantId, keyName: KeyName): Promise<KeyRecord | undefined>;
}

type Entity = ReturnType<typeof keyEntity>;

/**
 * Items are made and read by dynamodb-toolbox. The two conditions are written out: its condition builder would add
 * 22 KB to the worker's bundle for them.
 */
export function createRegistry(clients: Clients, tableName: string): Registry {
  const entity = keyEntity(registryTable(clients.documents, tableName));
  const put = (record: KeyRecord) => ({
    TableName: tableName,
    Item: entity.build(EntityParser).parse(toItem(record)).item,
  });
  return {
    async create(run, record) {
      const command = new PutCommand({
        ...put(record),
        ConditionExpression: "attribute_not_exists(pk)",
        ReturnValuesOnConditionCheckFailure: "ALL_OLD",
      });
      try {
        await clients.documents.send(command, { abortSignal: run.signal });
        return { kind: "created" };
      } catch (error) {
        const existing = conditionItem(error);
        if (existing === undefined) throw narrowAwsError(error, "dynamodb:PutItem");
        return { kind: "exists", record: toRecord(entity, existing) };
      }
    },
    async replace(run, record, expectedFence) {
      const command = new PutCommand({
        ...put(record),
        ConditionExpression: "fence = :expected",
        ExpressionAttributeValues: { ":expected": expectedFence },
      });
      try {
        await clients.documents.send(command, { abortSignal: run.signal });
      } catch (error) {
        if (errorName(error) !== "ConditionalCheckFailedException") throw narrowAwsError(error, "dynamodb:PutItem");
        const message = `another worker has taken over key "${record.keyName}" of tenant ${record.tenantId}`;
        throw new TenantKeysError("lease_lost", message, { step: "record", cause: error });
      }
    },
    async get(run, tenantId, keyName) {
      const Key = entity.computeKey?.({ tenantId, keyName });
      const command = new GetCommand({ TableName: tableName, Key, ConsistentRead: true });
      try {
        const { Item } = await clients.documents.send(command, { abortSignal: run.signal });
        return Item === undefined ? undefined : toRecord(entity, Item);
      } catch (error) {
        throw narrowAwsError(error, "dynamodb:GetItem");
      }
    },
  };
}

/** The item that stood in a condition's way. The document client leaves it as DynamoDB sent it. */
function conditionItem(error: unknown): Record<string, unknown> | undefined {
  if (errorName(error) !== "ConditionalCheckFailedException") return undefined;
  const { Item: item } = error as { Item?: Parameters<typeof unmarshall>[0] };
  return item === undefined ? undefined : unmarshall(item);
}

function toItem(record: KeyRecord) {
  return { ...record, attempts: record.attempts.map((attempt) => ({ ...attempt })) };
}

/** @throws TenantKeysError `record_invalid` where the item isn't as this project wrote it */
export function toRecord(entity: Entity, raw: Record<string, unknown>): KeyRecord {
  try {
    return new EntityFormatter(entity).format(raw) as unknown as KeyRecord;
  } catch (cause) {
    const message = `the registry item ${String(raw.pk)} / ${String(raw.sk)} can't be read`;
    throw new TenantKeysError("record_invalid", message, { step: "read", cause });
  }
}
