/** What the registry holds of one tenant, read in one go. */
import { QueryCommand } from "@aws-sdk/lib-dynamodb";
import { type TenantId, TenantKeysError } from "@tenantkeys/core";
import type { Clients } from "./clients.ts";
import { narrowAwsError } from "./narrow-error.ts";
import { TENANT_PREFIX } from "./registry-table.ts";
import type { Run } from "./run.ts";

/** A tenant has a handful of keys and DynamoDB ends a page at 1 MB. */
const TENANT_PAGES_MAX = 10;

/**
 * @param prefix how their sort keys begin, such as `KEY#`
 * @param partition how their partition does
 */
export async function itemsOfTenant(
  clients: Clients,
  run: Run,
  tableName: string,
  tenantId: TenantId,
  prefix: string,
  partition = TENANT_PREFIX,
): Promise<readonly Record<string, unknown>[]> {
  const step = "dynamodb:Query";
  const items: Record<string, unknown>[] = [];
  let startKey: Record<string, unknown> | undefined;
  for (let page = 0; page < TENANT_PAGES_MAX; page++) {
    const command = new QueryCommand({
      TableName: tableName,
      ConsistentRead: true,
      KeyConditionExpression: "pk = :pk AND begins_with(sk, :prefix)",
      ExpressionAttributeValues: { ":pk": `${partition}${tenantId}`, ":prefix": prefix },
      ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
    });
    const answer = await clients.documents.send(command, { abortSignal: run.signal }).catch((error) => {
      throw narrowAwsError(error, step);
    });
    items.push(...(answer.Items ?? []));
    startKey = answer.LastEvaluatedKey;
    if (startKey === undefined) return items;
  }
  const message = `${step}: more than ${TENANT_PAGES_MAX} pages of one tenant`;
  throw new TenantKeysError("aws_unexpected", message, { tenantId, step });
}
