/**
 * The sets of key actions. They share nothing but reading: who administers a key can't use it, who uses it can't
 * change who may, who audits it can do neither (a test proves it).
 * https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html
 */
import { isMultiRegion, type KeyProfile, keyUsage, rotatesAutomatically } from "./key-profile.ts";

/** What the tenant's role may do under the action profile `full`. */
export const USE_ACTIONS = [
  "kms:Decrypt",
  "kms:DescribeKey",
  "kms:Encrypt",
  "kms:GenerateDataKey",
  "kms:GenerateDataKeyWithoutPlaintext",
  "kms:ReEncryptFrom",
  "kms:ReEncryptTo",
] as const;

const USE_ACTIONS_OF = {
  full: USE_ACTIONS,
  /** GenerateDataKey gives the data key in plaintext, to encrypt with: never one that was made before. */
  "encrypt-only": [
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptTo",
  ],
  "decrypt-only": ["kms:Decrypt", "kms:DescribeKey", "kms:ReEncryptFrom"],
} as const;
const MAC_ACTIONS = ["kms:DescribeKey", "kms:GenerateMac", "kms:VerifyMac"] as const;
const SIGNING_ACTIONS = ["kms:DescribeKey", "kms:GetPublicKey", "kms:Sign", "kms:Verify"] as const;

/** What the tenant's role may do with a key of this profile. */
export function useActions({ keySpec, actions }: Pick<KeyProfile, "keySpec" | "actions">): readonly string[] {
  switch (keyUsage(keySpec)) {
    case "ENCRYPT_DECRYPT":
      return USE_ACTIONS_OF[actions];
    case "GENERATE_VERIFY_MAC":
      return MAC_ACTIONS;
    case "SIGN_VERIFY":
      return SIGNING_ACTIONS;
  }
}

/** What a tenant's role may do with a key of any profile. */
export const EVERY_USE_ACTION: readonly string[] = [
  ...new Set<string>([...USE_ACTIONS, ...MAC_ACTIONS, ...SIGNING_ACTIONS]),
].sort();

/** Uses that read the key's description only: they carry no encryption context and come through no service. */
export const DESCRIBE_ACTIONS = ["kms:DescribeKey", "kms:GetPublicKey"] as const;

/**
 * What a tenant's role may let AWS services do for it, never by itself: the three of AWS's own default policy.
 * https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
 */
export const SERVICE_GRANT_ACTIONS = ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"] as const;

/** What a job may be lent. Not ReEncrypt, which has two contexts, nor CreateGrant, by which a job could lend it on. */
export const JOB_OPERATIONS = [
  "Decrypt",
  "DescribeKey",
  "Encrypt",
  "GenerateDataKey",
  "GenerateDataKeyWithoutPlaintext",
] as const;
export type JobOperation = (typeof JOB_OPERATIONS)[number];

/**
 * What a grant to a job may hold, by KMS's names of grant operations: of what the tenant may do itself, and RetireGrant,
 * by which a job gives the key back when it is done.
 */
export function jobGrantOperations(profile: Pick<KeyProfile, "keySpec" | "actions">): readonly string[] {
  const actions = useActions(profile);
  return [...JOB_OPERATIONS.filter((operation) => actions.includes(`kms:${operation}`)), "RetireGrant"];
}

/** The kinds of constraint that bind a grant to an encryption context, as kms:GrantConstraintType has them. */
export const CONTEXT_CONSTRAINTS = ["EncryptionContextEquals", "EncryptionContextSubset"] as const;

/**
 * Beside what provisioning does, what a repair asks for: to cancel a deletion that nobody meant, to bring the alias back
 * from another key, to look for grants and take them away. None of it lets anybody use a key.
 */
const ADMINISTER_ANY_KEY = [
  "kms:CancelKeyDeletion",
  "kms:CreateAlias",
  "kms:DescribeKey",
  "kms:DisableKey",
  "kms:EnableKey",
  "kms:GetKeyLastUsage",
  "kms:GetKeyPolicy",
  "kms:GetKeyRotationStatus",
  "kms:ListGrants",
  "kms:ListResourceTags",
  "kms:PutKeyPolicy",
  "kms:RevokeGrant",
  "kms:UpdateAlias",
] as const;
const ROTATE_ACTIONS = ["kms:EnableKeyRotation", "kms:ListKeyRotations", "kms:RotateKeyOnDemand"] as const;
const IMPORT_ACTIONS = ["kms:GetParametersForImport", "kms:ImportKeyMaterial"] as const;

/**
 * What the provisioner may do with a key of this profile that a tenant uses: no deletion, so a bug can't destroy a
 * tenant's data, and no change of tags, which say whose key it is.
 */
export function administerActions(
  profile: Pick<KeyProfile, "keySpec" | "origin" | "replicaRegions">,
): readonly string[] {
  return [
    ...ADMINISTER_ANY_KEY,
    ...(rotatesAutomatically(profile) ? ROTATE_ACTIONS : []),
    ...(profile.origin === "EXTERNAL" ? IMPORT_ACTIONS : []),
    ...(isMultiRegion(profile) ? ["kms:ReplicateKey"] : []),
  ].sort();
}

/** What the provisioner may do with a key of any profile that a tenant uses. */
export const ADMINISTER_ACTIONS: readonly string[] = [
  ...ADMINISTER_ANY_KEY,
  ...ROTATE_ACTIONS,
  ...IMPORT_ACTIONS,
  "kms:ReplicateKey",
].sort();

/** What the provisioner may also do with a key that never admitted a tenant: such a key can't have encrypted anything. */
export const DISCARD_ACTIONS = ["kms:ScheduleKeyDeletion"] as const;

/** What the provisioner may also do with the key of a tenant that is leaving and was shut out. */
export const DEPART_ACTIONS = ["kms:ScheduleKeyDeletion"] as const;

/** What an auditor may read. */
export const AUDIT_ACTIONS = [
  "kms:DescribeKey",
  "kms:GetKeyLastUsage",
  "kms:GetKeyPolicy",
  "kms:GetKeyRotationStatus",
  "kms:ListGrants",
  "kms:ListKeyRotations",
  "kms:ListResourceTags",
] as const;

/**
 * What people may do to give access back after an accident: see the policy, replace it, revive the key, and put back the
 * tags that say whose it is. No set takes tags off.
 */
export const RECOVER_ACTIONS = [
  "kms:CancelKeyDeletion",
  "kms:DescribeKey",
  "kms:EnableKey",
  "kms:GetKeyPolicy",
  "kms:PutKeyPolicy",
  "kms:TagResource",
] as const;

/** Everything that turns plaintext into ciphertext or back, or lets somebody else do it. */
export const CRYPTOGRAPHIC_ACTIONS = [
  "kms:CreateGrant",
  "kms:Decrypt",
  "kms:DeriveSharedSecret",
  "kms:Encrypt",
  "kms:GenerateDataKey",
  "kms:GenerateDataKeyPair",
  "kms:GenerateDataKeyPairWithoutPlaintext",
  "kms:GenerateDataKeyWithoutPlaintext",
  "kms:GenerateMac",
  "kms:ReEncryptFrom",
  "kms:ReEncryptTo",
  "kms:Sign",
  "kms:Verify",
  "kms:VerifyMac",
] as const;
