/** The Encryption SDK's key store, as its hierarchical keyring wants it: it unwraps a tenant's branch key, and keeps it. */
import { BranchKeyStoreNode } from "@aws-crypto/branch-keystore-node";
import { NodeBranchKeyMaterial } from "@aws-crypto/material-management";
import { branchKeyId, TenantKeysError } from "@tenantkeys/core";
import type { KeyAccess } from "../key-access.ts";
import { errorName } from "../key-use.ts";
import { forgetLastMatch, type Refusal } from "../materials.ts";
import { usableHere } from "../message-header.ts";
import type { BranchKeyCache } from "./branch-key-caches.ts";
import {
  ACTIVE,
  type BranchKeyRecord,
  type BranchKeyTable,
  logicalNameOf,
  readRecord,
  tableNameOf,
  VERSION_PREFIX,
} from "./records.ts";

export interface KeyStoreParts {
  readonly access: KeyAccess;
  readonly table: BranchKeyTable;
  readonly cache: BranchKeyCache;
  /** Told before it is thrown: the keyring makes one text of all its errors. */
  readonly onRefusal: (refusal: Refusal) => void;
  /** A copy of the branch key went out: it is to be wiped after the message. */
  readonly onHandedOut: (material: NodeBranchKeyMaterial) => void;
}

/**
 * Reads and unwraps by itself what the SDK's own class would, because that one leaves the plaintext of each branch key in
 * KMS's answer, takes the KMS key that the item names without asking whose it is, and has its errors as text only.
 */
export class TenantKeyStore extends BranchKeyStoreNode {
  readonly #parts: KeyStoreParts;

  constructor(parts: KeyStoreParts) {
    const { access, table } = parts;
    super({
      logicalKeyStoreName: logicalNameOf(access),
      storage: { ddbTableName: tableNameOf(access, table), ddbClient: table.dynamodb },
      keyManagement: { kmsClient: access.kms },
      kmsConfiguration: { identifier: access.keyArn },
    });
    this.#parts = parts;
  }

  override getActiveBranchKey(): Promise<NodeBranchKeyMaterial> {
    return this.#branchKey(ACTIVE);
  }

  override getBranchKeyVersion(_branchKeyId: string, version: string): Promise<NodeBranchKeyMaterial> {
    return this.#branchKey(`${VERSION_PREFIX}${version}`);
  }

  async #branchKey(type: string): Promise<NodeBranchKeyMaterial> {
    const { access, table, cache, onRefusal, onHandedOut } = this.#parts;
    let step = "dynamodb:GetItem";
    try {
      const material = await cache.get(type, async () => {
        const record = await readRecord(access, table, type);
        step = "kms:Decrypt";
        return unwrapped(access, record);
      });
      onHandedOut(material);
      return material;
    } catch (error) {
      onRefusal({ error, step });
      throw error;
    }
  }
}

const NOT_WHAT_KMS_MADE = ["InvalidCiphertextException", "IncorrectKeyException"];

async function unwrapped(access: KeyAccess, record: BranchKeyRecord): Promise<NodeBranchKeyMaterial> {
  const { tenantId, keyName } = access;
  const { version, wrapped, context: EncryptionContext } = record;
  const keyArn = access.decryptKeyArns.find((arn) => arn === record.kmsArn);
  if (version === undefined || keyArn === undefined) {
    const message = `the branch key of key "${keyName}" of tenant ${tenantId} (${record.type}) has no version, or another's key`;
    throw new TenantKeysError("record_invalid", message, { tenantId, keyName });
  }
  const KeyId = usableHere(keyArn, access);
  const opening = { KeyId, CiphertextBlob: wrapped, EncryptionContext };
  const { Plaintext: plaintext } = await access.kms.decrypt(opening).catch((error: unknown) => {
    if (!NOT_WHAT_KMS_MADE.includes(errorName(error))) throw error;
    const message = `the branch key of key "${keyName}" of tenant ${tenantId} (${record.type}) was changed: KMS didn't wrap it like this`;
    throw new TenantKeysError("record_invalid", message, { tenantId, keyName, step: "kms:Decrypt", cause: error });
  });
  forgetLastMatch();
  if (plaintext === undefined) throw new TenantKeysError("aws_unexpected", "KMS answered without Plaintext.");
  const bytes = Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
  try {
    return new NodeBranchKeyMaterial(bytes, branchKeyId(tenantId, keyName), version, {});
  } finally {
    bytes.fill(0);
  }
}
