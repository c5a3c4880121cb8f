/**
 * The key policy, in its three forms. Rules behind it:
 * https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-overview.html
 *
 * A key is created with administrators only; the tenant's role is let in last, and shut out first when the tenant
 * leaves. So a key whose creation was lost can never have encrypted anything, and only such a key, or one whose tenant
 * was shut out, may be deleted by the provisioner: `kms:ScheduleKeyDeletion` isn't in the form of a key in use.
 */
import type { AccountId, RoleArn, TenantId } from "./ids.ts";
import {
  AUDIT_ACTIONS,
  administerActions,
  CONTEXT_CONSTRAINTS,
  DEPART_ACTIONS,
  DESCRIBE_ACTIONS,
  DISCARD_ACTIONS,
  jobGrantOperations,
  RECOVER_ACTIONS,
  SERVICE_GRANT_ACTIONS,
  useActions,
} from "./key-actions.ts";
import type { KeyProfile } from "./key-profile.ts";
import { ENCRYPTION_CONTEXT_KEY, SESSION_TAG } from "./names.ts";
import { type PolicyDocument, type PolicyStatement, policyDocument } from "./policy-document.ts";
import type { StageContext } from "./stage-context.ts";

/** What a statement's `StringEquals` compares: all of it must hold. */
type Equals = Readonly<Record<string, string | readonly string[]>>;

/** The policy of a key from CreateKey until its tenant is let in. */
export function creationKeyPolicy(context: StageContext, profile: KeyProfile): PolicyDocument {
  return policyDocument([
    administerStatement(context, [...administerActions(profile), ...DISCARD_ACTIONS]),
    auditStatement(context),
    ...recoveryStatements(context, profile),
  ]);
}

/** The policy of a key in use: its tenant's role may use it, and nobody else but the profile's outside accounts. */
export function admittedKeyPolicy(
  context: StageContext,
  tenantId: TenantId,
  profile: KeyProfile,
  roleArn: RoleArn,
): PolicyDocument {
  return policyDocument([
    administerStatement(context, administerActions(profile)),
    auditStatement(context),
    ...recoveryStatements(context, profile),
    ...tenantStatements(context, tenantId, profile, roleArn),
    ...outsideStatements(context, tenantId, profile),
    neverDeleteEarly(context, profile),
  ]);
}

/** The policy of a key whose tenant is leaving: nobody may use it, and it may be deleted with the profile's window. */
export function departingKeyPolicy(context: StageContext, profile: KeyProfile): PolicyDocument {
  return policyDocument([
    administerStatement(context, [...administerActions(profile), ...DEPART_ACTIONS]),
    auditStatement(context),
    ...recoveryStatements(context, profile),
    neverDeleteEarly(context, profile),
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
export function recoveryStatements(
  context: StageContext,
  { administratorRoleArns }: Pick<KeyProfile, "administratorRoleArns">,
): readonly PolicyStatement[] {
  const account = { AWS: accountPrincipal(context.accountId) };
  const breakGlass: PolicyStatement = {
    Sid: "BreakGlassByRootUser",
    Effect: "Allow",
    Principal: account,
    Action: [...RECOVER_ACTIONS],
    Resource: "*",
    Condition: { StringEquals: { "aws:PrincipalType": "Account" } },
  };
  const administrators = [...new Set([...context.administratorRoleArns, ...administratorRoleArns])];
  if (administrators.length === 0) return [breakGlass];
  const recovery: PolicyStatement = {
    Sid: "RecoverByAdministrators",
    Effect: "Allow",
    Principal: account,
    Action: [...RECOVER_ACTIONS],
    Resource: "*",
    Condition: { ArnEquals: { "aws:PrincipalArn": administrators } },
  };
  return [recovery, breakGlass];
}

/**
 * What the tenant's role may do. Where all tenants share one role, each statement holds for a session tagged with this
 * tenant only: the role's trust policy lets nobody have a session of it without that tag.
 */
export function tenantStatements(
  context: StageContext,
  tenantId: TenantId,
  profile: KeyProfile,
  roleArn: RoleArn,
): readonly PolicyStatement[] {
  const principal = { AWS: roleArn };
  const whose: Equals = context.roleMode === "session-tag" ? { [`aws:PrincipalTag/${SESSION_TAG}`]: tenantId } : {};
  const use = useStatements("Tenant", principal, profile, whose, useConditions(context, tenantId, profile));
  return [
    ...use,
    ...(profile.serviceGrants ? [grantToServices(context, profile, roleArn, whose)] : []),
    ...(profile.jobRoleArns.length > 0 ? [grantToJobs(tenantId, profile, roleArn, whose)] : []),
  ];
}

function grantToServices(context: StageContext, profile: KeyProfile, roleArn: RoleArn, whose: Equals): PolicyStatement {
  return {
    Sid: "GrantToServicesByTenant",
    Effect: "Allow",
    Principal: { AWS: roleArn },
    Action: [...SERVICE_GRANT_ACTIONS],
    Resource: "*",
    Condition: {
      Bool: { "kms:GrantIsForAWSResource": "true" },
      ...stringEquals({ ...whose, ...viaServices(context, profile) }),
    },
  };
}

/**
 * KMS itself refuses a grant to anybody but the profile's jobs, for more than the tenant may do, without a constraint
 * that binds it to this tenant's data, or that the tenant couldn't take back. A grant's end isn't among KMS's condition
 * keys: verification looks after that. A request without a constraint has no context, so StringEquals refuses it;
 * one without operations is none that KMS takes, so ForAllValues can't be met by nothing.
 * https://docs.aws.amazon.com/kms/latest/developerguide/grant-authorization.html
 */
function grantToJobs(tenantId: TenantId, profile: KeyProfile, roleArn: RoleArn, whose: Equals): PolicyStatement {
  return {
    Sid: "GrantToJobsByTenant",
    Effect: "Allow",
    Principal: { AWS: roleArn },
    Action: ["kms:CreateGrant"],
    Resource: "*",
    Condition: {
      "ForAllValues:StringEquals": { "kms:GrantOperations": [...jobGrantOperations(profile)] },
      ...stringEquals({
        ...whose,
        [`kms:EncryptionContext:${ENCRYPTION_CONTEXT_KEY}`]: tenantId,
        "kms:GrantConstraintType": CONTEXT_CONSTRAINTS,
        "kms:GranteePrincipal": profile.jobRoleArns,
        "kms:RetiringPrincipal": roleArn,
      }),
    },
  };
}

/** What the profile's outside accounts may do; whom of its principals, each account's own IAM policies say. */
export function outsideStatements(
  context: StageContext,
  tenantId: TenantId,
  profile: KeyProfile,
): readonly PolicyStatement[] {
  if (profile.outsideAccounts.length === 0) return [];
  const principal = { AWS: profile.outsideAccounts.map(accountPrincipal) };
  return useStatements("OutsideAccounts", principal, profile, {}, useConditions(context, tenantId, profile));
}

/** True where what may be done with the key hangs on a condition, so that a statement without it is another one. */
export function useIsConditional(context: StageContext, profile: KeyProfile): boolean {
  return context.roleMode === "session-tag" || profile.strictEncryptionContext || profile.viaServices.length > 0;
}

/** DescribeKey carries no encryption context and comes through no service, so it can't stand under their conditions. */
function useStatements(
  who: "Tenant" | "OutsideAccounts",
  principal: { readonly AWS: string | readonly string[] },
  profile: KeyProfile,
  always: Equals,
  toUse: Equals,
): readonly PolicyStatement[] {
  const actions = useActions(profile);
  const statement = (verb: string, Action: readonly string[], equals: Equals): PolicyStatement => ({
    Sid: `${verb}By${who}`,
    Effect: "Allow",
    Principal: principal,
    Action,
    Resource: "*",
    ...(Object.keys(equals).length === 0 ? {} : { Condition: stringEquals(equals) }),
  });
  if (Object.keys(toUse).length === 0) return [statement("Use", [...actions], always)];
  const describing: readonly string[] = DESCRIBE_ACTIONS;
  const isDescribing = (action: string) => describing.includes(action);
  return [
    statement("Describe", actions.filter(isDescribing), always),
    statement(
      "Use",
      actions.filter((action) => !isDescribing(action)),
      { ...always, ...toUse },
    ),
  ];
}

function useConditions(context: StageContext, tenantId: TenantId, profile: KeyProfile): Equals {
  return {
    ...(profile.strictEncryptionContext ? { [`kms:EncryptionContext:${ENCRYPTION_CONTEXT_KEY}`]: tenantId } : {}),
    ...viaServices(context, profile),
  };
}

/** The services in every Region of the key, so that one document serves the key and its replicas. */
function viaServices(context: StageContext, profile: KeyProfile): Equals {
  if (profile.viaServices.length === 0) return {};
  const regions = [context.region, ...profile.replicaRegions];
  const names = profile.viaServices.flatMap((service) => regions.map((region) => `${service}.${region}.amazonaws.com`));
  return { "kms:ViaService": names };
}

function stringEquals(equals: Equals): { readonly StringEquals?: Equals } {
  return Object.keys(equals).length === 0 ? {} : { StringEquals: equals };
}

/**
 * Binds everybody of the account, the root user and its administrators among them: whoever wants a shorter window must
 * first change this policy, which CloudTrail shows. A request without a window has KMS's longest, 30 days.
 */
function neverDeleteEarly(context: StageContext, { deletionWindowDays }: KeyProfile): PolicyStatement {
  return {
    Sid: "NeverDeleteEarly",
    Effect: "Deny",
    Principal: { AWS: accountPrincipal(context.accountId) },
    Action: "kms:ScheduleKeyDeletion",
    Resource: "*",
    Condition: { NumericLessThan: { "kms:ScheduleKeyDeletionPendingWindowInDays": String(deletionWindowDays) } },
  };
}

/**
 * What the policy of a key in the tenant's own account must hold, beside what its owner keeps in it. The roles are named by
 * a condition and not as principals: KMS keeps a principal by its unique id and refuses one that isn't there, so a role that
 * is made later, or made anew when the tenant comes back, wouldn't be let in, and nobody here may put the policy again.
 */
export function ownKeyPolicyStatements(
  context: StageContext,
  profile: Pick<KeyProfile, "keySpec" | "actions">,
  tenantRole: RoleArn,
): readonly PolicyStatement[] {
  return [
    {
      Sid: "UseByTenantkeysTenant",
      Effect: "Allow",
      Principal: { AWS: accountPrincipal(context.accountId) },
      Action: [...useActions(profile)],
      Resource: "*",
      Condition: { ArnEquals: { "aws:PrincipalArn": tenantRole } },
    },
    {
      Sid: "DescribeByTenantkeys",
      Effect: "Allow",
      Principal: { AWS: accountPrincipal(context.accountId) },
      Action: "kms:DescribeKey",
      Resource: "*",
      Condition: { ArnEquals: { "aws:PrincipalArn": [context.provisionerRoleArn, context.auditorRoleArn] } },
    },
  ];
}

export function accountPrincipal(accountId: AccountId): string {
  return `arn:aws:iam::${accountId}:root`;
}
