/**
 * Which of AWS's own events wake the guard: patterns of the rules on the account's default bus, where CloudTrail and KMS
 * put theirs. A pattern is small or it isn't taken: EventBridge's default is 2,048 characters.
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
 */
import type { RoleArn } from "../ids.ts";

const SOURCE = ["aws.kms"];
const BY_CLOUDTRAIL = ["AWS API Call via CloudTrail"];
const CALLED = "kms.amazonaws.com";

/** What can take a key away from its tenant or let somebody else in: looked at whoever did it, the worker included. */
export const GUARDED_CALLS = [
  "CreateGrant",
  "DeleteAlias",
  "DeleteImportedKeyMaterial",
  "DisableKey",
  "DisableKeyRotation",
  "PutKeyPolicy",
  "RetireGrant",
  "RevokeGrant",
  "ScheduleKeyDeletion",
  "TagResource",
  "UntagResource",
  "UpdateAlias",
  "UpdatePrimaryRegion",
] as const;

/** What the worker does for every sign-up or to put something right: looked at when somebody else did it. */
export const GUARDED_CALLS_OF_OTHERS = [
  "CancelKeyDeletion",
  "CreateAlias",
  "EnableKey",
  "EnableKeyRotation",
  "ImportKeyMaterial",
  "ReplicateKey",
] as const;

/** https://docs.aws.amazon.com/kms/latest/developerguide/kms-events.html */
export const KMS_EVENT_TYPES = [
  "KMS CMK Deletion",
  "KMS CMK Rotation",
  "KMS Imported Key Material Expiration",
] as const;

/** The names that CloudTrail gives to uses of a key. One ReEncrypt stands for both of its actions. */
export const KEY_USE_CALLS = [
  "Decrypt",
  "DeriveSharedSecret",
  "Encrypt",
  "GenerateDataKey",
  "GenerateDataKeyPair",
  "GenerateDataKeyPairWithoutPlaintext",
  "GenerateDataKeyWithoutPlaintext",
  "GenerateMac",
  "ReEncrypt",
  "Sign",
  "Verify",
  "VerifyMac",
] as const;

/**
 * @param provisionerRoleArn whose ordinary work needn't wake the guard. `exists: false` stands beside `anything-but`,
 *   since a pattern only matches fields that are there, and calls of users and of the root user have no session.
 */
export function guardPattern(provisionerRoleArn: RoleArn) {
  const arn = [{ "anything-but": [provisionerRoleArn] }, { exists: false }];
  const ofOthers = { sessionContext: { sessionIssuer: { arn } } };
  // A refused call changes nothing, and anybody of the account can make as many as they like.
  const succeeded = [{ exists: false }];
  const called = (detail: object) => ({
    source: SOURCE,
    "detail-type": BY_CLOUDTRAIL,
    detail: { eventSource: [CALLED], errorCode: succeeded, ...detail },
  });
  return {
    $or: [
      called({ eventName: GUARDED_CALLS }),
      called({ eventName: GUARDED_CALLS_OF_OTHERS, userIdentity: ofOthers }),
      { source: SOURCE, "detail-type": KMS_EVENT_TYPES },
    ],
  };
}

/** Every use of every key of the account and Region: no pattern can tell which keys are the stage's. */
export function keyUsePattern() {
  return {
    source: SOURCE,
    "detail-type": BY_CLOUDTRAIL,
    detail: { eventSource: [CALLED], eventName: KEY_USE_CALLS },
  };
}
