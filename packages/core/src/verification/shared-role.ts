/** The role that all tenants of a stage share, in role mode `session-tag`: the deployment makes it, so no tenant's verdict is about it. */

import type { StageContext } from "../stage-context.ts";
import { sharedTrustPolicy } from "../trust-policy.ts";
import { shortened } from "./facts.ts";
import { type Finding, finding } from "./finding.ts";
import type { RuleId } from "./finding-rules.ts";
import type { InspectedRole } from "./inspection.ts";
import { roleShapeFindings } from "./rules/role-shape.ts";

/** What `verifySharedRole` judges, for the scope under which its findings are recorded. */
export const SHARED_ROLE_RULES = [
  "role-missing",
  "role-trust-policy-differs",
  "role-policy-foreign",
  "role-boundary-differs",
  "dead-principal",
] as const satisfies readonly RuleId[];

/**
 * @param role as read; undefined where IAM says that there is none
 * @returns findings of the stage, of no tenant; none where each tenant has a role of its own
 */
export function verifySharedRole(role: InspectedRole | undefined, context: StageContext): readonly Finding[] {
  if (context.roleMode !== "session-tag") return [];
  const arn = context.sharedTenantRoleArn;
  const say = (ruleId: RuleId, { expected, seen }: Pick<Finding, "expected" | "seen">) =>
    finding(ruleId, {
      tenantId: undefined,
      keyName: undefined,
      resource: arn,
      expected: shortened(expected),
      seen: shortened(seen),
    });
  if (role === undefined || role.arn !== arn) {
    const seen = role === undefined ? "IAM says that there is no such role" : `a role of that name, ${role.arn}`;
    return [say("role-missing", { expected: "there", seen })];
  }
  const desired = { arn, trustPolicy: sharedTrustPolicy(context), boundaryArn: context.tenantBoundaryArn };
  // Keys' policies name it; it has no policy of its own for any.
  return roleShapeFindings(role, { desired, isOurs: () => false, say }).filter((one) => one !== undefined);
}
