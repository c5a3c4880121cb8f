/**
 * Who may become a tenant's role: the stage's application roles, and only in a session tagged with that tenant. Code
 * that mixes up two tenants is refused at AssumeRole already.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
 */
import type { TenantId } from "./ids.ts";
import { SESSION_TAG } from "./names.ts";
import { type PolicyDocument, policyDocument } from "./policy-document.ts";
import type { StageContext } from "./stage-context.ts";

export function tenantTrustPolicy(context: StageContext, tenantId: TenantId): PolicyDocument {
  return policyDocument([
    {
      Sid: "AssumeForThisTenantOnly",
      Effect: "Allow",
      Principal: { AWS: [...context.applicationRoleArns] },
      Action: ["sts:AssumeRole", "sts:TagSession"],
      Condition: { StringEquals: { [`aws:RequestTag/${SESSION_TAG}`]: tenantId } },
    },
  ]);
}
