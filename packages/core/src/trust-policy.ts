/**
 * Who may become a tenant's role: the stage's application roles, and only in a session tagged with that tenant. Code
 * that mixes up two tenants is refused at AssumeRole already. The canary's tenants let in its role instead.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
 */
import { CANARY_TENANT_IDS, isCanaryTenant } from "./canary.ts";
import type { RoleArn, TenantId } from "./ids.ts";
import { SESSION_TAG } from "./names.ts";
import { type PolicyDocument, type PolicyStatement, policyDocument } from "./policy-document.ts";
import type { StageContext } from "./stage-context.ts";

const REQUEST_TAG = `aws:RequestTag/${SESSION_TAG}`;
const NO_OTHER_TAG = { "ForAllValues:StringEquals": { "aws:TagKeys": [SESSION_TAG] } };

export function tenantTrustPolicy(context: StageContext, tenantId: TenantId): PolicyDocument {
  const who = isCanaryTenant(tenantId) ? [context.canaryRoleArn] : context.applicationRoleArns;
  return policyDocument([assume("AssumeForThisTenantOnly", who, { StringEquals: { [REQUEST_TAG]: tenantId } })]);
}

/**
 * Who may become the role that all tenants share: the same, and every session must say which tenant it is of, and
 * nothing else. Key policies then compare the tag.
 */
export function sharedTrustPolicy(context: StageContext): PolicyDocument {
  const anyTenant = { StringLike: { [REQUEST_TAG]: "?*" }, ...NO_OTHER_TAG };
  const itsTenants = { StringEquals: { [REQUEST_TAG]: [...CANARY_TENANT_IDS] }, ...NO_OTHER_TAG };
  return policyDocument([
    assume("AssumeForOneTenantOnly", context.applicationRoleArns, anyTenant),
    ...(context.canary ? [assume("AssumeForItsTenantsOnly", [context.canaryRoleArn], itsTenants)] : []),
  ]);
}

function assume(
  sid: string,
  who: readonly RoleArn[],
  condition: NonNullable<PolicyStatement["Condition"]>,
): PolicyStatement {
  return {
    Sid: sid,
    Effect: "Allow",
    Principal: { AWS: [...who] },
    Action: ["sts:AssumeRole", "sts:TagSession"],
    Condition: condition,
  };
}
