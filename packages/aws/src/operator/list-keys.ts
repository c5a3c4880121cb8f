/** Reads records of tenant keys in bulk, page by page, so that a registry of any size fits in memory. */
import { ScanCommand } from "@aws-sdk/lib-dynamodb";
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
import { destructionEntity, keyEntity, registryTable } from "../registry-table.ts";
import type { Run } from "../run.ts";
import { itemsOfTenant } from "../tenant-items.ts";

/** Items read per page at most; DynamoDB ends a page at 1 MB anyway. */
const PAGE_ITEMS = 500;
/** 10 million items. A scan that goes on longer than this goes in circles. */
const PAGES_MAX = 20_000;

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
    const answer = await clients.documents.send(command, { abortSignal: run.signal }).catch((error) => {
      throw narrowAwsError(error, "dynamodb:Scan");
    });
    for (const item of answer.Items ?? []) yield toRecord(entity, item);
    startKey = answer.LastEvaluatedKey;
    if (startKey === undefined) return;
  }
  throw new TenantKeysError("aws_unexpected", `dynamodb:Scan: more than ${PAGES_MAX} pages`, { step: "dynamodb:Scan" });
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
