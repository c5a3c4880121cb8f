/**
 * The three sets of key actions. They share nothing but reading: who administers a key can't use it, who uses it can't
 * change who may, who audits it can do neither (a test proves it).
 * https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html
 */

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

/** What the provisioner may do with a key that a tenant uses: no deletion, so a bug can't destroy a tenant's data. */
export const ADMINISTER_ACTIONS = [
  "kms:CreateAlias",
  "kms:DescribeKey",
  "kms:EnableKeyRotation",
  "kms:GetKeyPolicy",
  "kms:GetKeyRotationStatus",
  "kms:ListResourceTags",
  "kms:PutKeyPolicy",
] as const;

/** What the provisioner may also do with a key that never admitted a tenant: such a key can't have encrypted anything. */
export const DISCARD_ACTIONS = ["kms:ScheduleKeyDeletion"] as const;

/** What an auditor may read. */
export const AUDIT_ACTIONS = [
  "kms:DescribeKey",
  "kms:GetKeyPolicy",
  "kms:GetKeyRotationStatus",
  "kms:ListResourceTags",
] as const;

/** What people may do to give access back after an accident: see the policy, replace it, revive the key. */
export const RECOVER_ACTIONS = [
  "kms:CancelKeyDeletion",
  "kms:DescribeKey",
  "kms:EnableKey",
  "kms:GetKeyPolicy",
  "kms:PutKeyPolicy",
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
