/** The envelope of branch keys: the same functions and the same messages but for who wraps the data key. */
import { KmsHierarchicalKeyRingNode, NodeDefaultCryptographicMaterialsManager } from "@aws-crypto/client-node";
import type { NodeBranchKeyMaterial } from "@aws-crypto/material-management";
import { asTenantKeysError, branchKeyId, TenantKeysError } from "@tenantkeys/core";
import type { MaterialsCache } from "../data-key-cache.ts";
import { openDataKey, withDataKey } from "../data-keys.ts";
import { type FurtherContext, requireContext, shown } from "../encryption-context.ts";
import type { Envelope, EnvelopeFactory } from "../envelope.ts";
import type { KeyAccess, KeyAccessSource, TenantKeyRef } from "../key-access.ts";
import { createKeyUse, type KeyUse } from "../key-use.ts";
import { type Materials, type Refusal, wipedAfter, wipingExports } from "../materials.ts";
import { HIERARCHY_PROVIDER, type MessageHead } from "../message-header.ts";
import { decryptingStream, encryptingStream } from "../message-streams.ts";
import { decryptMessage, encryptMessage } from "../messages.ts";
import { type BranchKeyCaches, type BranchKeyLimits, createBranchKeyCaches } from "./branch-key-caches.ts";
import { TenantKeyStore } from "./key-store.ts";
import { type BranchKeyTable, whose } from "./records.ts";

export interface HierarchicalSettings extends BranchKeyLimits, BranchKeyTable {
  /** Default: the system's clock. */
  readonly nowMs?: (() => number) | undefined;
}

/** Nothing is kept there: branch keys are kept by us (branch-key-caches.ts). */
const NO_CACHE: MaterialsCache = {
  putEncryptionMaterial: () => {},
  putDecryptionMaterial: () => {},
  putBranchKeyMaterial: () => {},
  getEncryptionMaterial: () => false,
  getDecryptionMaterial: () => false,
  getBranchKeyMaterial: () => false,
  del: () => {},
};

/**
 * For `createTenantKeys({ …, envelope: branchKeyEnvelope() })`: messages are encrypted with branch keys, with the
 * application's own client of DynamoDB.
 */
export function branchKeyEnvelope(settings: BranchKeyLimits & Pick<BranchKeyTable, "tableName"> = {}): EnvelopeFactory {
  return (source, { dynamodb, nowMs }) => createHierarchicalEnvelope(source, { ...settings, dynamodb, nowMs });
}

/**
 * Encrypts with the tenant's branch key. Decrypts what that encrypted, and what an envelope of KMS keys did. Raw data keys
 * are of KMS. Where a tenant has no branch key yet: `key_unknown`, never another way.
 * @throws TenantKeysError `settings_invalid`
 */
export function createHierarchicalEnvelope(source: KeyAccessSource, settings: HierarchicalSettings): Envelope {
  const caches = createBranchKeyCaches(settings, settings.nowMs ?? Date.now);
  const ofKms = createKeyUse(source, undefined);
  const use = branchKeyUse(ofKms, settings, caches);
  return {
    encrypt: (ref, plaintext, context) => encryptMessage(use, ref, plaintext, context),
    decrypt: (ref, message, context) => decryptMessage(use, ref, message, context),
    encryptStream: (ref, context) => encryptingStream(use, ref, context),
    decryptStream: (ref, context) => decryptingStream(use, ref, context),
    withDataKey: (ref, work, context) => withDataKey(use, ref, work, context),
    openDataKey: (ref, wrapped, work, context) => openDataKey(use, ref, wrapped, work, context),
    forget: (tenantId) => caches.forget(tenantId),
    destroy: () => caches.destroy(),
  };
}

function branchKeyUse(ofKms: KeyUse, table: BranchKeyTable, caches: BranchKeyCaches): KeyUse {
  /** A tenant that may not work has no branch key waiting in memory. */
  const forgetIfRefused = ({ tenantId }: TenantKeyRef, why: TenantKeysError) => {
    if (!why.retryable || why.code === "access_denied") caches.forget(tenantId);
    return why;
  };
  return {
    async open(ref) {
      try {
        return await ofKms.open(ref);
      } catch (error) {
        throw forgetIfRefused(ref, asTenantKeysError(error));
      }
    },
    materials: (access) => materialsOf(access, table, caches),
    materialsToDecrypt(access, head, further) {
      const isOfBranchKey = head.wrappedBy.some(({ providerId }) => providerId === HIERARCHY_PROVIDER);
      if (!isOfBranchKey) return ofKms.materialsToDecrypt(access, head, further);
      requireOwnBranchKey(access, head, further);
      return materialsOf(access, table, caches);
    },
    async explained(ref, refusal, error, otherwise) {
      if (refusal?.error instanceof TenantKeysError) return refusal.error.within(whose(ref));
      const why = await ofKms.explained(ref, refusal, error, otherwise);
      // A message that is rubbish says nothing of the tenant: else whoever sends some would have KMS asked for each.
      return refusal === undefined || why.code === "ciphertext_corrupted" ? why : forgetIfRefused(ref, why);
    },
  };
}

function materialsOf(access: KeyAccess, table: BranchKeyTable, caches: BranchKeyCaches): Materials {
  let refused: Refusal | undefined;
  const copies: NodeBranchKeyMaterial[] = [];
  const keyStore = new TenantKeyStore({
    access,
    table,
    cache: caches.of(access),
    onRefusal: (refusal) => {
      refused ??= refusal;
    },
    onHandedOut: (material) => copies.push(material),
  });
  const keyring = new KmsHierarchicalKeyRingNode({
    branchKeyId: branchKeyId(access.tenantId, access.keyName),
    keyStore,
    cache: NO_CACHE,
    cacheLimitTtl: 1,
    // Without it the SDK puts the context's pairs in the order of the process's own language before it binds the data key
    // to them: a process of another language, or another SDK, which goes by bytes, couldn't unwrap it.
    utf8Sorting: true,
  });
  const manager = wipingExports(new NodeDefaultCryptographicMaterialsManager(keyring));
  const materials = wipedAfter(manager, () => refused);
  return {
    ...materials,
    wipe() {
      materials.wipe();
      for (const copy of copies) copy.zeroUnencryptedDataKey();
    },
  };
}

/**
 * Whether the message is this tenant key's, by what it says itself. Asks nobody.
 * @throws TenantKeysError `ciphertext_of_another_tenant`, `encryption_context_invalid`
 */
function requireOwnBranchKey(access: KeyAccess, head: MessageHead, further: FurtherContext | undefined): void {
  requireContext(access, head.encryptionContext, further);
  const [wrapped] = head.wrappedBy;
  const { tenantId, keyName } = access;
  if (head.wrappedBy.length === 1 && wrapped?.providerInfo === branchKeyId(tenantId, keyName)) return;
  const message = `The ciphertext says it is of "${tenantId}", but is wrapped by ${shown(wrapped?.providerInfo)}, not by its branch key alone.`;
  throw new TenantKeysError("ciphertext_of_another_tenant", message, { tenantId, keyName });
}
