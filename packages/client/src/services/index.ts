/** `@tenantkeys/client/services`: parameters and policies for AWS services that encrypt with a tenant's key. */
export {
  type PolicyDocument,
  type PolicyStatement,
  parseAccountId,
  parseKeyArn,
  parseRegion,
  parseStage,
  parseTenantId,
  stageArns,
  type TenantItems,
  type TenantObjects,
  type TenantRoles,
  type TenantSecrets,
  type TenantWithKeys,
  taggedItemsPolicy,
  taggedObjectsPolicy,
  taggedPrefixStatements,
  taggedSecretsPolicy,
  tenantObjectsPolicy,
  tenantPrefix,
  tenantPrefixBucketPolicy,
  tenantPrefixStatements,
  tenantSecretName,
  tenantSecretPolicy,
} from "@tenantkeys/core";
export * from "./dynamodb.ts";
export * from "./s3.ts";
export * from "./secrets-manager.ts";
