/** What one tenant key should be: every name, tag and document, worked out from the stage and the declaration. */
import type { AliasName, AttemptId, KeyArn, KeyName, PolicyArn, RoleArn, TenantId } from "./ids.ts";
import { admittedKeyPolicy, creationKeyPolicy } from "./key-policy.ts";
import {
  aliasName,
  KEY_TAG,
  keyTags,
  ownershipTags,
  rolePolicyName,
  type Tags,
  tenantRoleArn,
  tenantRoleName,
  tenantRolePath,
} from "./names.ts";
import type { PolicyDocument } from "./policy-document.ts";
import { tenantRolePolicy } from "./role-policy.ts";
import type { StageContext } from "./stage-context.ts";
import type { KeyProfile } from "./stage-settings.ts";
import { tenantTrustPolicy } from "./trust-policy.ts";

export interface DesiredTenantKey {
  readonly context: StageContext;
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  readonly aliasName: AliasName;
  readonly rotationPeriodDays: number;
  /** The tags that say whose key it is, without the attempt. */
  readonly keyOwnership: Tags;
  readonly role: {
    readonly arn: RoleArn;
    readonly name: string;
    readonly path: string;
    readonly boundaryArn: PolicyArn;
    readonly tags: Tags;
    readonly trustPolicy: PolicyDocument;
    readonly policyName: string;
  };
  /** The policy that a key is created with: administrators only. */
  readonly creationPolicy: PolicyDocument;
  /** The policy of a key in use. */
  readonly admittedPolicy: PolicyDocument;
  keyTags(attemptId: AttemptId): Tags;
  rolePolicy(keyArn: KeyArn): PolicyDocument;
}

export function desiredTenantKey(
  context: StageContext,
  tenantId: TenantId,
  keyName: KeyName,
  profile: KeyProfile,
): DesiredTenantKey {
  const { stage, accountId } = context;
  const roleArn = tenantRoleArn(accountId, stage, tenantId);
  const ownership = ownershipTags(stage, tenantId);
  return {
    context,
    tenantId,
    keyName,
    aliasName: aliasName(stage, tenantId, keyName),
    rotationPeriodDays: profile.rotationPeriodDays,
    keyOwnership: { ...ownership, [KEY_TAG]: keyName },
    role: {
      arn: roleArn,
      name: tenantRoleName(stage, tenantId),
      path: tenantRolePath(stage),
      boundaryArn: context.tenantBoundaryArn,
      tags: ownership,
      trustPolicy: tenantTrustPolicy(context, tenantId),
      policyName: rolePolicyName(keyName),
    },
    creationPolicy: creationKeyPolicy(context),
    admittedPolicy: admittedKeyPolicy(context, roleArn),
    keyTags: (attemptId) => keyTags(stage, tenantId, keyName, attemptId),
    rolePolicy: tenantRolePolicy,
  };
}
