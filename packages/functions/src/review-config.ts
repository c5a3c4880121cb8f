/** What the stack tells the review function: no settings and no roles, since it only reads times and sends messages. */
import type { ReviewedStage } from "@tenantkeys/aws";
import { parseAccountId, parseRegion, parseStage, TenantKeysError } from "@tenantkeys/core";

/** @throws TenantKeysError `settings_invalid` or `identifier_invalid`: the function then fails at its start */
export function readReviewConfig(
  environment: Readonly<Record<string, string | undefined>>,
): ReviewedStage & { readonly tableName: string } {
  const { AWS_REGION = "", TENANTKEYS_STAGE = "", TENANTKEYS_ACCOUNT_ID = "" } = environment;
  const { TENANTKEYS_QUEUE_URL: queueUrl, TENANTKEYS_REGISTRY_TABLE: tableName } = environment;
  if (queueUrl === undefined || tableName === undefined) {
    const message = "TENANTKEYS_QUEUE_URL and TENANTKEYS_REGISTRY_TABLE: one is missing: deploy the stage again";
    throw new TenantKeysError("settings_invalid", message);
  }
  const stage = parseStage(TENANTKEYS_STAGE);
  return {
    stage,
    accountId: parseAccountId(TENANTKEYS_ACCOUNT_ID),
    region: parseRegion(AWS_REGION),
    queueUrl,
    tableName,
  };
}
