/** Every tenant key that the registry holds, page by page. A broken item ends nothing: it is told beside the others. */
import { ScanCommand } from "@aws-sdk/lib-dynamodb";
import { asTenantKeysError, type KeyRecord, TenantKeysError } from "@tenantkeys/core";
import type { Clients } from "../../clients.ts";
import { narrowAwsError } from "../../narrow-error.ts";
import { toRecord } from "../../registry.ts";
import { keyEntity, registryTable } from "../../registry-table.ts";
import { checkDeadline, type Run } from "../../run.ts";

/** 1 MB ends a page anyway, after some 1,000 records. */
const PAGE_ITEMS = 2_000;
const PAGES_MAX = 20_000;

export type RegistryItem =
  | { readonly kind: "record"; readonly record: KeyRecord }
  | { readonly kind: "unreadable"; readonly name: string; readonly reason: string };

/**
 * In no order, but a tenant's keys follow each other. Read consistently, so that whatever was declared before is there.
 * @throws TenantKeysError where a page can't be read: without the registry there is nothing to compare with
 */
export async function* registryRecords(
  { documents }: Pick<Clients, "documents">,
  run: Run,
  tableName: string,
): AsyncGenerator<RegistryItem, void, undefined> {
  const step = "dynamodb:Scan";
  const entity = keyEntity(registryTable(documents, tableName));
  let startKey: Record<string, unknown> | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    checkDeadline(run, step);
    const command = new ScanCommand({
      TableName: tableName,
      Limit: PAGE_ITEMS,
      ConsistentRead: true,
      FilterExpression: "#entity = :entity",
      ExpressionAttributeNames: { "#entity": "entity" },
      ExpressionAttributeValues: { ":entity": entity.entityName },
      ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
    });
    const answer = await documents.send(command, { abortSignal: run.signal }).catch((error) => {
      throw narrowAwsError(error, step);
    });
    for (const item of answer.Items ?? []) yield readRecord(entity, item);
    startKey = answer.LastEvaluatedKey;
    if (startKey === undefined) return;
  }
  throw new TenantKeysError("aws_unexpected", `${step}: more than ${PAGES_MAX} pages`, { step });
}

function readRecord(entity: ReturnType<typeof keyEntity>, item: Record<string, unknown>): RegistryItem {
  try {
    return { kind: "record", record: toRecord(entity, item) };
  } catch (error) {
    const name = `${String(item.pk)} / ${String(item.sk)}`.slice(0, 200);
    return { kind: "unreadable", name, reason: asTenantKeysError(error).message };
  }
}
