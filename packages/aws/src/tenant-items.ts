/** What the registry holds of one tenant, read in one go. */
import type { TenantId } from "@tenantkeys/core";
import type { Clients } from "./clients.ts";
import { queryPages } from "./query-pages.ts";
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
  const items: Record<string, unknown>[] = [];
  const query = {
    ConsistentRead: true,
    KeyConditionExpression: "pk = :pk AND begins_with(sk, :prefix)",
    ExpressionAttributeValues: { ":pk": `${partition}${tenantId}`, ":prefix": prefix },
  };
  const pages = { ...query, pagesMax: TENANT_PAGES_MAX, tenantId };
  for await (const item of queryPages(clients, run, tableName, pages)) items.push(item);
  return items;
}
