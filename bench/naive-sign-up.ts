/**
 * What the product is measured against: the script that everybody writes first. Six calls, one after another, each
 * awaited. It has the same SDK clients, connections, credentials and documents as the product, and none of its guards: no
 * record before the key, no condition, no lease, no reply, and a key that admits its tenant from the start.
 */
import { CreateRoleCommand, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { CreateAliasCommand, CreateKeyCommand, EnableKeyRotationCommand } from "@aws-sdk/client-kms";
import { PutCommand } from "@aws-sdk/lib-dynamodb";
import type { Clients } from "@tenantkeys/aws";
import {
  type DesiredTenantKey,
  desiredTenantKey,
  type KeyProfile,
  parseAttemptId,
  parseKeyArn,
  parseKeyName,
  parseTenantId,
  type StageContext,
  stageNames,
} from "@tenantkeys/core";

const KEY_NAME = parseKeyName("default");

/** @param attemptId of the length of the product's, so that tags and item are as long */
export async function naiveSignUp(
  clients: Clients,
  context: StageContext,
  profile: KeyProfile,
  tenant: string,
  attemptId: string,
): Promise<void> {
  const desired = desiredTenantKey(context, parseTenantId(tenant), KEY_NAME, profile);
  await createRole(clients, desired);
  const keyArn = await createKey(clients, desired, attemptId);
  await clients.kms.send(
    new EnableKeyRotationCommand({ KeyId: keyArn, RotationPeriodInDays: profile.rotationPeriodDays }),
  );
  await clients.kms.send(new CreateAliasCommand({ AliasName: desired.aliasName, TargetKeyId: keyArn }));
  await clients.iam.send(
    new PutRolePolicyCommand({
      RoleName: desired.role.name,
      PolicyName: desired.role.policyName,
      PolicyDocument: JSON.stringify(desired.rolePolicy(parseKeyArn(keyArn))),
    }),
  );
  await putRecord(clients, desired, keyArn, attemptId);
}

async function createRole(clients: Clients, { role, tenantId }: DesiredTenantKey): Promise<void> {
  await clients.iam.send(
    new CreateRoleCommand({
      RoleName: role.name,
      Path: role.path,
      Description: `tenantkeys: the only role that may use the keys of tenant ${tenantId}`,
      AssumeRolePolicyDocument: JSON.stringify(role.trustPolicy),
      PermissionsBoundary: role.boundaryArn,
      Tags: Object.entries(role.tags).map(([Key, Value]) => ({ Key, Value })),
    }),
  );
}

async function createKey(clients: Clients, desired: DesiredTenantKey, attemptId: string): Promise<string> {
  const tags = desired.keyTags(parseAttemptId(attemptId));
  const { KeyMetadata } = await clients.kms.send(
    new CreateKeyCommand({
      Description: `tenantkeys: key ${desired.keyName} of tenant ${desired.tenantId}`,
      KeySpec: "SYMMETRIC_DEFAULT",
      KeyUsage: "ENCRYPT_DECRYPT",
      Policy: JSON.stringify(desired.admittedPolicy),
      Tags: Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
    }),
  );
  return KeyMetadata?.Arn ?? "";
}

async function putRecord(clients: Clients, desired: DesiredTenantKey, keyArn: string, attemptId: string) {
  const nowMs = Date.now();
  await clients.documents.send(
    new PutCommand({
      TableName: stageNames(desired.context.stage).registryTable,
      Item: {
        pk: `TENANT#${desired.tenantId}`,
        sk: `KEY#${desired.keyName}`,
        tenantId: desired.tenantId,
        keyName: desired.keyName,
        state: "active",
        generation: nowMs,
        profile: "default",
        attempts: [{ attemptId, outcome: "created", keyArn }],
        eventId: attemptId,
        declaredAtMs: nowMs,
        activeAtMs: nowMs,
        keyArn,
        aliasName: desired.aliasName,
        roleArn: desired.role.arn,
      },
    }),
  );
}
