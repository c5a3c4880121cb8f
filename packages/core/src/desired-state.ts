/** What one tenant key should be: every name, tag and document, worked out from the stage and the declaration. */
import type { KeyAudience } from "./containment.ts";
import type { AliasName, AttemptId, KeyArn, KeyName, PolicyArn, Region, RoleArn, TenantId } from "./ids.ts";
import { admittedKeyPolicy, creationKeyPolicy, departingKeyPolicy } from "./key-policy.ts";
import {
  isMultiRegion,
  type KeyOrigin,
  type KeyProfile,
  type KeySpec,
  type KeyUsage,
  keyUsage,
  rotatesAutomatically,
} from "./key-profile.ts";
import {
  aliasName,
  KEY_TAG,
  keyTags,
  ownershipTags,
  rolePolicyName,
  SYSTEM_PATH,
  stageNames,
  type Tags,
  tenantRoleArn,
  tenantRoleName,
  tenantRolePath,
} from "./names.ts";
import { hasReplicas, replicaArn } from "./plan-replicas.ts";
import type { PolicyDocument } from "./policy-document.ts";
import { tenantRolePolicy } from "./role-policy.ts";
import { type StageContext, tenantPrincipalArn } from "./stage-context.ts";
import { sharedTrustPolicy, tenantTrustPolicy } from "./trust-policy.ts";

export interface DesiredRole {
  /** `own`: made, changed and deleted with the tenant. `shared`: made with the stage, and not to be touched. */
  readonly kind: "own" | "shared";
  readonly arn: RoleArn;
  readonly name: string;
  readonly path: string;
  readonly boundaryArn: PolicyArn;
  readonly tags: Tags;
  readonly trustPolicy: PolicyDocument;
  /** The inline policy of an own role for this key name; a shared role has none. */
  readonly policyName: string;
}

export interface DesiredTenantKey extends KeyAudience {
  readonly keyName: KeyName;
  readonly aliasName: AliasName;
  readonly keySpec: KeySpec;
  readonly keyUsage: KeyUsage;
  readonly origin: KeyOrigin;
  readonly customKeyStoreId: string | undefined;
  readonly multiRegion: boolean;
  readonly replicaRegions: readonly Region[];
  readonly deletionWindowDays: number;
  readonly canRotateAutomatically: boolean;
  /** Undefined where KMS can't rotate the key by itself. */
  readonly rotationPeriodDays: number | undefined;
  /** The tags that say whose key it is, without the attempt. */
  readonly keyOwnership: Tags;
  readonly role: DesiredRole;
  /** The tenant's own role: the same, or in a stage with a shared role one that an earlier role mode may have left. */
  readonly ownRole: DesiredRole;
  /** The policy that a key is created with: administrators only. */
  readonly creationPolicy: PolicyDocument;
  /** The policy of a key in use, and of its replicas. */
  readonly admittedPolicy: PolicyDocument;
  /** The policy of a key whose tenant is leaving: nobody may use it, and it may be deleted. */
  readonly departingPolicy: PolicyDocument;
  keyTags(attemptId: AttemptId): Tags;
  /** Of an own role. @param keyArns the key, its replicas, and the keys that it replaced */
  rolePolicy(...keyArns: readonly KeyArn[]): PolicyDocument;
}

export function desiredTenantKey(
  context: StageContext,
  tenantId: TenantId,
  keyName: KeyName,
  profile: KeyProfile,
): DesiredTenantKey {
  const { stage } = context;
  const principalArn = tenantPrincipalArn(context, tenantId);
  const ownRole = desiredOwnRole(context, tenantId, keyName);
  return {
    context,
    tenantId,
    profile,
    principalArn,
    keyName,
    aliasName: aliasName(stage, tenantId, keyName),
    keySpec: profile.keySpec,
    keyUsage: keyUsage(profile.keySpec),
    origin: profile.origin,
    customKeyStoreId: profile.customKeyStoreId,
    multiRegion: isMultiRegion(profile),
    replicaRegions: profile.replicaRegions,
    deletionWindowDays: profile.deletionWindowDays,
    canRotateAutomatically: rotatesAutomatically(profile),
    rotationPeriodDays: profile.rotationPeriodDays,
    keyOwnership: { ...ownershipTags(stage, tenantId), [KEY_TAG]: keyName },
    role: context.roleMode === "session-tag" ? desiredSharedRole(context, keyName) : ownRole,
    ownRole,
    creationPolicy: creationKeyPolicy(context, profile),
    admittedPolicy: admittedKeyPolicy(context, tenantId, profile, principalArn),
    departingPolicy: departingKeyPolicy(context, profile),
    keyTags: (attemptId) => keyTags(stage, tenantId, keyName, attemptId),
    rolePolicy: (...keyArns) => tenantRolePolicy(withReplicas(keyArns, profile), profile),
  };
}

/** Each key followed by its replicas, whose ARNs are known before they are made. */
function withReplicas(keyArns: readonly KeyArn[], { replicaRegions }: KeyProfile): readonly KeyArn[] {
  const regionsOf = (keyArn: KeyArn) => (hasReplicas(keyArn) ? replicaRegions : []);
  return keyArns.flatMap((keyArn) => [keyArn, ...regionsOf(keyArn).map((region) => replicaArn(keyArn, region))]);
}

function desiredSharedRole(context: StageContext, keyName: KeyName): DesiredRole {
  return {
    kind: "shared",
    arn: context.sharedTenantRoleArn,
    name: stageNames(context.stage).sharedTenantRole,
    path: SYSTEM_PATH,
    boundaryArn: context.tenantBoundaryArn,
    tags: {},
    trustPolicy: sharedTrustPolicy(context),
    policyName: rolePolicyName(keyName),
  };
}

function desiredOwnRole(context: StageContext, tenantId: TenantId, keyName: KeyName): DesiredRole {
  const { accountId, stage } = context;
  return {
    kind: "own",
    arn: tenantRoleArn(accountId, stage, tenantId),
    name: tenantRoleName(stage, tenantId),
    path: tenantRolePath(stage),
    boundaryArn: context.tenantBoundaryArn,
    tags: ownershipTags(stage, tenantId),
    trustPolicy: tenantTrustPolicy(context, tenantId),
    policyName: rolePolicyName(keyName),
  };
}
