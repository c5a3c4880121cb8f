/**
 * Who may become a tenant's role: the stage's application roles, and only in a session tagged with that tenant. Code
 * that mixes up two tenants is refused at AssumeRole already.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
 */
import type { TenantId } from "./ids.ts";
import { SESSION_TAG } from "./names.ts";
import { type PolicyDocument, type PolicyStatement, policyDocument } from "./policy-document.ts";
import type { StageContext } from "./stage-context.ts";

export function tenantTrustPolicy(context: StageContext, tenantId: TenantId): PolicyDocument {
  return assumePolicy(context, "AssumeForThisTenantOnly", {
    StringEquals: { [`aws:RequestTag/${SESSION_TAG}`]: tenantId },
  });
}

/**
 * Who may become the role that all tenants share: the same, and every session must say which tenant it is of, and
 * nothing else. Key policies then compare the tag.
 */
export function sharedTrustPolicy(context: StageContext): PolicyDocument {
  return assumePolicy(context, "AssumeForOneTenantOnly", {
    StringLike: { [`aws:RequestTag/${SESSION_TAG}`]: "?*" },
    "ForAllValues:StringEquals": { "aws:TagKeys": [SESSION_TAG] },
  });
}

function assumePolicy(
  context: StageContext,
  sid: string,
  condition: NonNullable<PolicyStatement["Condition"]>,
): PolicyDocument {
  return policyDocument([
    {
      Sid: sid,
      Effect: "Allow",
      Principal: { AWS: [...context.applicationRoleArns] },
      Action: ["sts:AssumeRole", "sts:TagSession"],
      Condition: condition,
    },
  ]);
}
