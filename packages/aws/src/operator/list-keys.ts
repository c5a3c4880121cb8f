/** Reads records of tenant keys in bulk, page by page, so that a registry of any size fits in memory. */
import { QueryCommand, ScanCommand } from "@aws-sdk/lib-dynamodb";
import {
  type DestructionRecord,
  type KeyRecord,
  type LifecycleState,
  type TenantId,
  TenantKeysError,
} from "@tenantkeys/core";
import { EntityFormatter } from "dynamodb-toolbox/entity/actions/format";
import type { Clients } from "../clients.ts";
import { narrowAwsError } from "../narrow-error.ts";
import { readItem, toRecord } from "../registry.ts";
import { destructionEntity, keyEntity, registryTable, TENANT_PREFIX } from "../registry-table.ts";
import type { Run } from "../run.ts";

/** Items read per page at most; DynamoDB ends a page at 1 MB anyway. */
const PAGE_ITEMS = 500;
/** 10 million items. A scan that goes on longer than this goes in circles. */
const PAGES_MAX = 20_000;
/** An event names at most 10 keys, and a tenant has a handful. */
const TENANT_PAGES_MAX = 10;

export interface KeyFilter {
  readonly state?: LifecycleState | undefined;
  /** Default: 500. */
  readonly pageItems?: number | undefined;
}

/**
 * Every tenant key of the stage, in no order. A Scan, as the registry has no index that every write would pay for;
 * refused events are in the same table and are filtered out by DynamoDB.
 * @throws TenantKeysError `record_invalid` at an item that tenantkeys didn't write
 */
export async function* listKeys(
  clients: Clients,
  run: Run,
  tableName: string,
  filter: KeyFilter = {},
): AsyncGenerator<KeyRecord, void, undefined> {
  const entity = keyEntity(registryTable(clients.documents, tableName));
  const byState = filter.state === undefined ? undefined : { ":state": filter.state };
  let startKey: Record<string, unknown> | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const command = new ScanCommand({
      TableName: tableName,
      Limit: filter.pageItems ?? PAGE_ITEMS,
      FilterExpression: byState === undefined ? "#entity = :entity" : "#entity = :entity AND #state = :state",
      ExpressionAttributeNames: { "#entity": "entity", ...(byState === undefined ? {} : { "#state": "state" }) },
      ExpressionAttributeValues: { ":entity": entity.entityName, ...byState },
      ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
    });
    const answer = await send(clients, run, command, "dynamodb:Scan");
    for (const item of answer.Items ?? []) yield toRecord(entity, item);
    startKey = answer.LastEvaluatedKey;
    if (startKey === undefined) return;
  }
  throw new TenantKeysError("aws_unexpected", `dynamodb:Scan: more than ${PAGES_MAX} pages`, { step: "dynamodb:Scan" });
}

/** The keys of one tenant by name, as they are now; none where the registry doesn't know it. */
export async function keysOfTenant(
  clients: Clients,
  run: Run,
  tableName: string,
  tenantId: TenantId,
): Promise<readonly KeyRecord[]> {
  const entity = keyEntity(registryTable(clients.documents, tableName));
  const items = await itemsOfTenant(clients, run, tableName, tenantId, "KEY#");
  return items.map((item) => toRecord(entity, item));
}

/** @throws TenantKeysError `record_invalid` at an item that tenantkeys didn't write */
export async function destructionsOfTenant(
  clients: Clients,
  run: Run,
  tableName: string,
  tenantId: TenantId,
): Promise<readonly DestructionRecord[]> {
  const formatter = new EntityFormatter(destructionEntity(registryTable(clients.documents, tableName)));
  const items = await itemsOfTenant(clients, run, tableName, tenantId, "DESTROYED#");
  return items.map((item) => readItem(item, () => formatter.format(item) as unknown as DestructionRecord));
}

async function itemsOfTenant(
  clients: Clients,
  run: Run,
  tableName: string,
  tenantId: TenantId,
  prefix: string,
): Promise<readonly Record<string, unknown>[]> {
  const items: Record<string, unknown>[] = [];
  let startKey: Record<string, unknown> | undefined;
  for (let page = 0; page < TENANT_PAGES_MAX; page++) {
    const command = new QueryCommand({
      TableName: tableName,
      ConsistentRead: true,
      KeyConditionExpression: "pk = :pk AND begins_with(sk, :prefix)",
      ExpressionAttributeValues: { ":pk": `${TENANT_PREFIX}${tenantId}`, ":prefix": prefix },
      ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
    });
    const answer = await send(clients, run, command, "dynamodb:Query");
    items.push(...(answer.Items ?? []));
    startKey = answer.LastEvaluatedKey;
    if (startKey === undefined) return items;
  }
  throw new TenantKeysError("aws_unexpected", `dynamodb:Query: more than ${TENANT_PAGES_MAX} pages of one tenant`, {
    tenantId,
    step: "dynamodb:Query",
  });
}

async function send(clients: Clients, run: Run, command: ScanCommand | QueryCommand, step: string) {
  const options = { abortSignal: run.signal };
  try {
    return command instanceof ScanCommand
      ? await clients.documents.send(command, options)
      : await clients.documents.send(command, options);
  } catch (error) {
    throw narrowAwsError(error, step);
  }
}
