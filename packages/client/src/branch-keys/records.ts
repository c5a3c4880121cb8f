/**
 * The items of the Encryption SDK's key store, as they are in the table: each attribute but the wrapped key is part of the
 * encryption context with which KMS wrapped it, so none can be changed without KMS noticing.
 */
import { type AttributeValue, type DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { branchKeyId, type KeyArn, stageNames, TenantKeysError, tenantEncryptionContext } from "@tenantkeys/core";
import { narrowAwsError } from "../aws-errors.ts";
import type { KeyAccess, TenantKeyRef } from "../key-access.ts";

export interface BranchKeyTable {
  /** With the application's own credentials: the table isn't the tenant's. */
  readonly dynamodb: DynamoDBClient;
  /** Of a table that was restored under another name. Default: the stage's. */
  readonly tableName?: string | undefined;
}

export type Item = Readonly<Record<string, AttributeValue>>;

export interface BranchKeyRecord {
  /** `branch:ACTIVE`, `branch:version:{uuid}` or `beacon:ACTIVE`. */
  readonly type: string;
  /** Of the branch key's versions; a beacon key, which is for searchable encryption, has none. */
  readonly version: string | undefined;
  readonly kmsArn: string;
  readonly wrapped: Uint8Array;
  readonly context: Readonly<Record<string, string>>;
}

export const ID = "branch-key-id";
const TYPE = "type";
export const WRAPPED = "enc";
const KMS_ARN = "kms-arn";
export const ACTIVE = "branch:ACTIVE";
export const VERSION_PREFIX = "branch:version:";
const LOGICAL_NAME = "tablename";
const OWN_CONTEXT_PREFIX = "aws-crypto-ec:";
const VERSION_PATTERN = /^branch:version:([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})$/;

export function tableNameOf({ stage }: TenantKeyRef, { tableName }: BranchKeyTable): string {
  return tableName ?? stageNames(stage).branchKeyTable;
}

/** What every branch key of the stage is bound to, whatever the table is called after a restore. */
export function logicalNameOf({ stage }: TenantKeyRef): string {
  return stageNames(stage).branchKeyTable;
}

/** For the details of an error: of an access nothing but the names. */
export function whose({ tenantId, keyName }: TenantKeyRef): Pick<TenantKeyRef, "tenantId" | "keyName"> {
  return { tenantId, keyName };
}

/**
 * @param type `branch:ACTIVE`, or `branch:version:{uuid}`
 * @throws TenantKeysError `key_unknown` where there is none, `record_invalid` where it isn't this tenant key's
 */
export async function readRecord(access: KeyAccess, table: BranchKeyTable, type: string): Promise<BranchKeyRecord> {
  const found = await findRecord(access, table, type);
  if (found !== undefined) return found;
  const { tenantId, keyName } = access;
  const what = type === ACTIVE ? "no branch key yet: createBranchKey makes it" : `no branch key of ${type}`;
  const message = `key "${keyName}" of tenant ${tenantId} has ${what}, in table ${tableNameOf(access, table)}`;
  throw new TenantKeysError("key_unknown", message, { tenantId, keyName });
}

/** @throws TenantKeysError `record_invalid` where it isn't this tenant key's */
export async function findRecord(
  access: KeyAccess,
  table: BranchKeyTable,
  type: string,
): Promise<BranchKeyRecord | undefined> {
  const step = "dynamodb:GetItem";
  const { Item: item } = await table.dynamodb
    .send(
      new GetItemCommand({
        TableName: tableNameOf(access, table),
        Key: { [ID]: { S: branchKeyId(access.tenantId, access.keyName) }, [TYPE]: { S: type } },
        // A branch key that was made a moment ago is there.
        ConsistentRead: true,
      }),
    )
    .catch((error: unknown) => {
      throw narrowAwsError(error, step).within(whose(access));
    });
  if (item === undefined) return undefined;
  const record = recordOf(access, item);
  if (record.type === type) return record;
  throw invalid(access, type, TYPE);
}

/**
 * Whoever writes to the table must not lead a tenant's data to a key of theirs: the item has to be this tenant key's by its
 * own context, and wrapped by one of the tenant's keys. That it wasn't changed says KMS.
 * @throws TenantKeysError `record_invalid`
 */
export function recordOf(access: KeyAccess, item: Item): BranchKeyRecord {
  const wrapped = item[WRAPPED]?.B;
  const type = item[TYPE]?.S ?? "";
  const kmsArn = item[KMS_ARN]?.S ?? "";
  if (wrapped === undefined) throw invalid(access, type, WRAPPED);
  const context: Record<string, string> = { [LOGICAL_NAME]: logicalNameOf(access) };
  for (const [name, value] of Object.entries(item)) {
    if (name === WRAPPED) continue;
    const text = value.S ?? value.N;
    if (text === undefined || name === LOGICAL_NAME) throw invalid(access, type, name);
    context[name] = text;
  }
  if (context[ID] !== branchKeyId(access.tenantId, access.keyName)) throw invalid(access, type, ID);
  const own = tenantEncryptionContext(access.stage, access.tenantId, access.keyName);
  for (const [name, value] of Object.entries(own)) {
    if (context[`${OWN_CONTEXT_PREFIX}${name}`] !== value) throw invalid(access, type, `${OWN_CONTEXT_PREFIX}${name}`);
  }
  if (!access.decryptKeyArns.some((arn) => arn === kmsArn)) throw invalid(access, type, KMS_ARN);
  const version = VERSION_PATTERN.exec(type === ACTIVE ? (context.version ?? "") : type)?.[1];
  return { type, version, kmsArn, wrapped, context };
}

/** The same branch key under another KMS key. */
export function itemUnder(
  record: BranchKeyRecord,
  kmsArn: KeyArn,
  wrapped: Uint8Array,
): Record<string, AttributeValue> {
  const item: Record<string, AttributeValue> = {};
  for (const [name, value] of Object.entries(contextUnder(record, kmsArn))) {
    if (name === LOGICAL_NAME) continue;
    item[name] = name === "hierarchy-version" ? { N: value } : { S: value };
  }
  return { ...item, [WRAPPED]: { B: wrapped } };
}

export function contextUnder({ context }: BranchKeyRecord, kmsArn: KeyArn): Record<string, string> {
  return { ...context, [KMS_ARN]: kmsArn };
}

function invalid({ tenantId, keyName }: TenantKeyRef, type: string, field: string): TenantKeysError {
  const message = `the branch key of key "${keyName}" of tenant ${tenantId} (${type}) has ${field} of another, or none`;
  return new TenantKeysError("record_invalid", message, { tenantId, keyName, field });
}
