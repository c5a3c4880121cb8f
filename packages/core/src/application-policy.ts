/**
 * What a tenant application's role needs to work for tenants with the client: to read whether a tenant may work, and to
 * become its role. Neither lets it use a key: that takes the tenant's own session.
 */
import type { AccountId, Region, Stage } from "./ids.ts";
import { stageArns, TENANT_PREFIX } from "./names.ts";
import { type PolicyDocument, policyDocument } from "./policy-document.ts";

/** What the client reads of a tenant key's record. */
export const APPLICATION_KEY_ATTRIBUTES = [
  "state",
  "keyArn",
  "roleArn",
  "ownKeyArn",
  "replicas",
  "previousKeyArns",
  "deletionDateMs",
] as const;
/** What the client reads of a tenant's record. */
export const APPLICATION_TENANT_ATTRIBUTES = ["lifeGeneration", "endedGeneration", "suspension", "leaving"] as const;

/**
 * Items of tenants only, and only the attributes above: failures, approvals and what verification found stay unread. An
 * application that asks for whole items is refused: by `dynamodb:Select`, and where DynamoDB names no attributes for such
 * a request by the `Null` condition, since `ForAllValues` holds for none at all.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
 */
export function applicationPolicy(accountId: AccountId, region: Region, stage: Stage): PolicyDocument {
  const arns = stageArns(accountId, region, stage);
  return policyDocument([
    {
      Sid: "ReadWhetherTenantsMayWork",
      Effect: "Allow",
      Action: "dynamodb:GetItem",
      Resource: arns.registryTable,
      Condition: {
        "ForAllValues:StringLike": { "dynamodb:LeadingKeys": [`${TENANT_PREFIX}*`] },
        "ForAllValues:StringEquals": {
          // The table's own keys always count as asked for.
          "dynamodb:Attributes": ["pk", "sk", ...APPLICATION_KEY_ATTRIBUTES, ...APPLICATION_TENANT_ATTRIBUTES],
        },
        StringEqualsIfExists: { "dynamodb:Select": "SPECIFIC_ATTRIBUTES" },
        Null: { "dynamodb:Attributes": "false" },
      },
    },
    {
      // Every tenant's role of the stage, because an application serves all tenants; each role's trust policy asks for
      // that tenant's session tag. The shared role as well in either role mode: tenants move from one to the other singly.
      Sid: "BecomeTenants",
      Effect: "Allow",
      Action: ["sts:AssumeRole", "sts:TagSession"],
      Resource: [arns.tenantRoles, arns.sharedTenantRole],
    },
  ]);
}
