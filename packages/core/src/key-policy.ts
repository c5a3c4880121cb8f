/**
 * The key policy, in its two forms. Rules behind it:
 * https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html
 *
 * A key is created with administrators only; the tenant's role is let in last. So a key whose creation was lost can
 * never have encrypted anything, and only such a key may be deleted by the provisioner: `kms:ScheduleKeyDeletion` is in
 * the first form and not in the second.
 */
import type { AccountId, RoleArn } from "./ids.ts";
import { ADMINISTER_ACTIONS, AUDIT_ACTIONS, DISCARD_ACTIONS, RECOVER_ACTIONS, USE_ACTIONS } from "./key-actions.ts";
import { type PolicyDocument, type PolicyStatement, policyDocument } from "./policy-document.ts";
import type { StageContext } from "./stage-context.ts";

/** The policy of a key from CreateKey until its tenant is let in. */
export function creationKeyPolicy(context: StageContext): PolicyDocument {
  return policyDocument([
    administerStatement(context, [...ADMINISTER_ACTIONS, ...DISCARD_ACTIONS]),
    auditStatement(context),
    ...recoveryStatements(context),
  ]);
}

/** The policy of a key in use: its tenant's role, and nobody else, may use it. */
export function admittedKeyPolicy(context: StageContext, tenantRole: RoleArn): PolicyDocument {
  return policyDocument([
    administerStatement(context, ADMINISTER_ACTIONS),
    auditStatement(context),
    ...recoveryStatements(context),
    {
      Sid: "UseByTenant",
      Effect: "Allow",
      Principal: { AWS: tenantRole },
      Action: [...USE_ACTIONS],
      Resource: "*",
    },
  ]);
}

function administerStatement(context: StageContext, actions: readonly string[]): PolicyStatement {
  return {
    Sid: "AdministerByProvisioner",
    Effect: "Allow",
    Principal: { AWS: context.provisionerRoleArn },
    Action: [...actions].sort(),
    Resource: "*",
  };
}

function auditStatement(context: StageContext): PolicyStatement {
  return {
    Sid: "AuditByAuditor",
    Effect: "Allow",
    Principal: { AWS: context.auditorRoleArn },
    Action: [...AUDIT_ACTIONS],
    Resource: "*",
  };
}

/**
 * The two statements whose principal is the account. Each is narrowed by a condition, so neither lets the account's IAM
 * policies decide: the first to people's roles by ARN (which survives a recreated role), the second to the root user.
 */
export function recoveryStatements(context: StageContext): readonly PolicyStatement[] {
  const account = { AWS: accountPrincipal(context.accountId) };
  const breakGlass: PolicyStatement = {
    Sid: "BreakGlassByRootUser",
    Effect: "Allow",
    Principal: account,
    Action: [...RECOVER_ACTIONS],
    Resource: "*",
    Condition: { StringEquals: { "aws:PrincipalType": "Account" } },
  };
  if (context.administratorRoleArns.length === 0) return [breakGlass];
  const recovery: PolicyStatement = {
    Sid: "RecoverByAdministrators",
    Effect: "Allow",
    Principal: account,
    Action: [...RECOVER_ACTIONS],
    Resource: "*",
    Condition: { ArnEquals: { "aws:PrincipalArn": [...context.administratorRoleArns] } },
  };
  return [recovery, breakGlass];
}

export function accountPrincipal(accountId: AccountId): string {
  return `arn:aws:iam::${accountId}:root`;
}
