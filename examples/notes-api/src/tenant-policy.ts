/** What a tenant's role may do with this application's data: its own notes, and its own attachments with its own key. */
import {
  type PolicyDocument,
  parseKeyArn,
  parseTenantId,
  taggedItemsPolicy,
  tenantObjectsPolicy,
} from "@tenantkeys/client/services";
import { PARTITION_PREFIX } from "./notes.ts";

/** Not `key-…`: those are tenantkeys' own. */
export const POLICY_NAME = "notes-api-data";

export interface TenantOfPolicy {
  readonly tenantId: string;
  readonly keyArn: string;
  /** While a key is replaced by another. */
  readonly previousKeyArn?: string | undefined;
}

export function tenantPolicy(
  tenant: TenantOfPolicy,
  at: { readonly tableArn: string; readonly bucket: string },
): PolicyDocument {
  const { tenantId, keyArn, previousKeyArn } = tenant;
  const keyArns = [keyArn, ...(previousKeyArn === undefined ? [] : [previousKeyArn])].map(parseKeyArn);
  const objects = tenantObjectsPolicy({ bucket: at.bucket }, { tenantId: parseTenantId(tenantId), keyArns });
  const items = taggedItemsPolicy({ tableArns: [at.tableArn], partitionKeyPrefix: PARTITION_PREFIX });
  return { ...objects, Statement: [...objects.Statement, ...items.Statement] };
}
