/** Making, rotating and moving branch keys: for a control plane, which may write to the table. */
import { BranchKeyStoreNode } from "@aws-crypto/branch-keystore-node";
import { PutItemCommand, paginateQuery } from "@aws-sdk/client-dynamodb";
import { KMSServiceException } from "@aws-sdk/client-kms";
import { branchKeyId, TenantKeysError, tenantEncryptionContext } from "@tenantkeys/core";
import { narrowAwsError } from "../aws-errors.ts";
import type { KeyAccess } from "../key-access.ts";
import { errorName } from "../key-use.ts";
import { usableHere } from "../message-header.ts";
import {
  ACTIVE,
  type BranchKeyRecord,
  type BranchKeyTable,
  contextUnder,
  findRecord,
  ID,
  itemUnder,
  logicalNameOf,
  readRecord,
  recordOf,
  tableNameOf,
  WRAPPED,
  whose,
} from "./records.ts";

export interface BranchKeyWork extends BranchKeyTable {
  /** What `tenantKey.access()` gives: KMS is asked in the tenant's session. */
  readonly access: KeyAccess;
}

export interface BranchKey {
  readonly branchKeyId: string;
  /** Which everything is encrypted with from now on. */
  readonly version: string;
}

/**
 * Gives the tenant key its branch key. Doing it again, or at the same moment, changes nothing.
 * @throws TenantKeysError `state_conflict` where the key's profile lets it have none
 */
export async function createBranchKey(work: BranchKeyWork): Promise<BranchKey & { readonly created: boolean }> {
  const { access } = work;
  const there = await findRecord(access, work, ACTIVE);
  if (there !== undefined) return { ...branchKeyOf(access, there), created: false };
  const created = await keyStoreOf(work)
    .createKey({
      branchKeyIdentifier: branchKeyId(access.tenantId, access.keyName),
      encryptionContext: tenantEncryptionContext(access.stage, access.tenantId, access.keyName),
    })
    .then(() => true)
    .catch(async (error: unknown) => {
      // Somebody else made it meanwhile.
      if (errorName(error) === "TransactionCanceledException") return false;
      throw await whyRefused(access, error);
    });
  return { ...branchKeyOf(access, await readRecord(access, work, ACTIVE)), created };
}

/**
 * Makes a new version. What was encrypted with older ones can still be read.
 * @param work.from only if this is the version in use, so that a rotation that is asked for twice is done once
 * @throws TenantKeysError `key_unknown` where there is no branch key
 */
export async function rotateBranchKey(
  work: BranchKeyWork & { readonly from?: string | undefined },
): Promise<BranchKey & { readonly rotated: boolean }> {
  const { access, from } = work;
  const before = await readRecord(access, work, ACTIVE);
  if (from !== undefined && from !== before.version) return { ...branchKeyOf(access, before), rotated: false };
  // The SDK's new version names the KMS key of the one before, and asks KMS to unwrap that with the key of now.
  if (before.kmsArn !== access.keyArn) await rewrapBranchKey(work);
  const rotated = await keyStoreOf(work)
    .versionKey({ branchKeyIdentifier: branchKeyId(access.tenantId, access.keyName) })
    .then(() => true)
    .catch((error: unknown) => {
      // Somebody else rotated it at the same moment: that is what was asked for.
      if (errorName(error) === "TransactionCanceledException") return false;
      throw narrowAwsError(error, stepOf(error)).within(whose(access));
    });
  return { ...branchKeyOf(access, await readRecord(access, work, ACTIVE)), rotated };
}

/**
 * Wraps every version with the tenant's present KMS key, after the key was replaced. No message changes. Doing it again
 * changes nothing more.
 * @returns how many items were moved, of how many
 * @throws TenantKeysError `key_unknown` where there is no branch key
 */
export async function rewrapBranchKey(work: BranchKeyWork): Promise<{ readonly seen: number; readonly moved: number }> {
  await readRecord(work.access, work, ACTIVE);
  let seen = 0;
  let moved = 0;
  for await (const record of recordsOf(work)) {
    seen += 1;
    if (record.kmsArn === work.access.keyArn) continue;
    await rewrap(work, record);
    moved += 1;
  }
  return { seen, moved };
}

async function* recordsOf(work: BranchKeyWork): AsyncGenerator<BranchKeyRecord> {
  const { access, dynamodb } = work;
  const query = {
    TableName: tableNameOf(access, work),
    KeyConditionExpression: "#id = :id",
    ExpressionAttributeNames: { "#id": ID },
    ExpressionAttributeValues: { ":id": { S: branchKeyId(access.tenantId, access.keyName) } },
    ConsistentRead: true,
  };
  try {
    for await (const { Items: items = [] } of paginateQuery({ client: dynamodb }, query)) {
      for (const item of items) yield recordOf(access, item);
    }
  } catch (error) {
    throw narrowAwsError(error, "dynamodb:Query").within(whose(access));
  }
}

/** By KMS: the branch key never leaves it. */
async function rewrap(work: BranchKeyWork, record: BranchKeyRecord): Promise<void> {
  const { access, dynamodb } = work;
  const { keyArn } = access;
  const source = access.decryptKeyArns.find((arn) => arn === record.kmsArn);
  if (source === undefined) throw new Error("recordOf lets no other key pass");
  const step = "kms:ReEncrypt";
  const { CiphertextBlob: wrapped } = await access.kms
    .reEncrypt({
      CiphertextBlob: record.wrapped,
      SourceKeyId: usableHere(source, access),
      SourceEncryptionContext: record.context,
      DestinationKeyId: keyArn,
      DestinationEncryptionContext: contextUnder(record, keyArn),
    })
    .catch((error: unknown) => {
      throw narrowAwsError(error, step).within(whose(access));
    });
  if (wrapped === undefined) throw new TenantKeysError("aws_unexpected", `${step}: the answer holds no ciphertext`);
  await dynamodb
    .send(
      new PutItemCommand({
        TableName: tableNameOf(access, work),
        Item: itemUnder(record, keyArn, wrapped),
        ConditionExpression: "#wrapped = :old",
        ExpressionAttributeNames: { "#wrapped": WRAPPED },
        ExpressionAttributeValues: { ":old": { B: record.wrapped } },
      }),
    )
    .catch((error: unknown) => {
      if (errorName(error) !== "ConditionalCheckFailedException") {
        throw narrowAwsError(error, "dynamodb:PutItem").within(whose(access));
      }
      const message = `${record.type} of the branch key was changed at the same moment: do it again`;
      throw new TenantKeysError("state_conflict", message).within(whose(access));
    });
}

function branchKeyOf({ tenantId, keyName }: KeyAccess, { version }: BranchKeyRecord): BranchKey {
  if (version !== undefined) return { branchKeyId: branchKeyId(tenantId, keyName), version };
  const message = `the branch key of key "${keyName}" of tenant ${tenantId} has no version`;
  throw new TenantKeysError("record_invalid", message, { tenantId, keyName, field: "version" });
}

function keyStoreOf(work: BranchKeyWork): BranchKeyStoreNode {
  const { access, dynamodb } = work;
  return new BranchKeyStoreNode({
    logicalKeyStoreName: logicalNameOf(access),
    storage: { ddbTableName: tableNameOf(access, work), ddbClient: dynamodb },
    keyManagement: { kmsClient: access.kms },
    kmsConfiguration: { identifier: access.keyArn },
  });
}

/**
 * A branch key's context isn't the tenant's usual one, which a profile may ask for. Whether that is why KMS refused, KMS
 * itself says: it is asked the same with the usual context, without making anything.
 */
async function whyRefused(access: KeyAccess, error: unknown): Promise<TenantKeysError> {
  const { stage, tenantId, keyName, keyArn: KeyId, kms } = access;
  const refusal = narrowAwsError(error, stepOf(error)).within({ tenantId, keyName });
  if (refusal.code !== "access_denied" || !(error instanceof KMSServiceException)) return refusal;
  const EncryptionContext = tenantEncryptionContext(stage, tenantId, keyName);
  const usual = await kms
    .generateDataKeyWithoutPlaintext({ KeyId, KeySpec: "AES_256", EncryptionContext, DryRun: true })
    .then(() => "worked", errorName);
  if (usual !== "worked" && usual !== "DryRunOperationException") return refusal;
  const message = `key "${keyName}" of tenant ${tenantId} can't have a branch key: its profile has strictEncryptionContext or narrower actions, and KMS refuses what a branch key needs (${refusal.message})`;
  return new TenantKeysError("state_conflict", message, { tenantId, keyName, cause: error });
}

/** Of the SDK's key store, which makes several calls and doesn't say which one failed. */
function stepOf(error: unknown): string {
  return error instanceof KMSServiceException ? "kms:GenerateDataKeyWithoutPlaintext" : "dynamodb:PutItem";
}
