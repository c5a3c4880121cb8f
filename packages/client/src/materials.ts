/**
 * Data keys for one message, by AWS KMS in the tenant's own session, for the Encryption SDK: which key, what KMS answered
 * when it refused, and that nothing is left of the plaintext afterwards.
 *
 * What happens to the plaintext of a data key (5.0.2 of the SDK, read and tried):
 * - the SDK copies it out of KMS's answer and zeroes the answer; the copy goes into a KeyObject, whose memory is OpenSSL's
 *   and is cleared when it is collected, and the copy is zeroed;
 * - for every message it exports the KeyObject twice and leaves those exports: here they are zeroed as soon as the SDK,
 *   which uses them at once, is done with them;
 * - it drops its material at the end of a message only when something failed: here it always is;
 * - what can't be wiped: the text of KMS's answer, in which the key is base64; per message the values from which the
 *   message's own key was derived; and copies that V8 leaves when it moves small arrays. Nothing refers to any of them, and
 *   they are gone when their memory is used again.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import {
  AwsKmsMrkAwareSymmetricKeyringNode,
  NodeCachingMaterialsManager,
  type NodeDecryptionMaterial,
  NodeDefaultCryptographicMaterialsManager,
  type NodeEncryptionMaterial,
  type NodeMaterialsManager,
} from "@aws-crypto/client-node";
import type { KeyArn } from "@tenantkeys/core";
import type { MaterialsCache } from "./data-key-cache.ts";
import type { DataKeyCacheSettings, DataKeyCaches } from "./data-key-caches.ts";
import type { KeyAccess, TenantKeyRef } from "./key-access.ts";

type SdkKms = ConstructorParameters<typeof AwsKmsMrkAwareSymmetricKeyringNode>[0]["client"];
/** The SDK looks itself whether KMS's answer lacks something. */
type WithoutUndefined<T> = { readonly [K in keyof T]: Exclude<T[K], undefined> };
type Material = NodeEncryptionMaterial | NodeDecryptionMaterial;

/** What AWS refused, in its own words: the SDK keeps only the text of it. */
export interface Refusal {
  readonly error: unknown;
  /** `kms:GenerateDataKey`, `kms:Decrypt`, or `dynamodb:GetItem` where a branch key was to be read. */
  readonly step: string;
}

/** For one message, then thrown away. */
export interface Materials {
  readonly manager: NodeMaterialsManager;
  refusal(): Refusal | undefined;
  /** Whatever was handed to the SDK for this message. What a cache keeps stays. */
  wipe(): void;
}

export interface Caching {
  readonly caches: DataKeyCaches;
  readonly settings: DataKeyCacheSettings;
}

/** @param keyArn to encrypt with, or the one that wrapped the message's data key */
export function materialsFor(access: KeyAccess, keyArn: KeyArn, caching: Caching | undefined): Materials {
  let refused: Refusal | undefined;
  // Made when KMS has to be asked, which with a cache is seldom.
  const keyring = () => {
    const client = watched(access.kms, (refusal) => {
      refused = refusal;
    });
    // Strict: this key and no other, nor any that a message might name. It knows replicas of a key for the same key.
    return new NodeDefaultCryptographicMaterialsManager(
      new AwsKmsMrkAwareSymmetricKeyringNode({ client, keyId: keyArn }),
    );
  };
  const own = wipingExports({
    getEncryptionMaterials: (request) => keyring().getEncryptionMaterials(request),
    decryptMaterials: (request) => keyring().decryptMaterials(request),
  });
  return wipedAfter(caching === undefined ? own : cached(own, access, keyArn, caching), () => refused);
}

/** Materials of which nothing is left after the message, but what the manager keeps itself. */
export function wipedAfter(manager: NodeMaterialsManager, refusal: Materials["refusal"]): Materials {
  const handedOut: Material[] = [];
  return {
    manager: noting(manager, handedOut),
    refusal,
    wipe() {
      for (const material of handedOut) material.zeroUnencryptedDataKey();
    },
  };
}

/** Who asks KMS for the message under way: a tenant key's caching manager serves them all. */
const asking = new AsyncLocalStorage<NodeMaterialsManager>();
const backing: NodeMaterialsManager = {
  getEncryptionMaterials: (request) => asker().getEncryptionMaterials(request),
  decryptMaterials: (request) => asker().decryptMaterials(request),
};

function asker(): NodeMaterialsManager {
  const own = asking.getStore();
  if (own === undefined) throw new Error("A caching manager is only asked for a message.");
  return own;
}

function cached(own: NodeMaterialsManager, access: KeyAccess, keyArn: KeyArn, caching: Caching): NodeMaterialsManager {
  const manager = caching.caches.managerOf(access, keyArn, (cache) => cachingManager(cache, access, keyArn, caching));
  return {
    getEncryptionMaterials: (request) => asking.run(own, () => manager.getEncryptionMaterials(request)),
    decryptMaterials: (request) => asking.run(own, () => manager.decryptMaterials(request)),
  };
}

function cachingManager(cache: MaterialsCache, ref: TenantKeyRef, keyArn: KeyArn, { settings }: Caching) {
  return new NodeCachingMaterialsManager({
    cache,
    backingMaterials: backing,
    // A key that replaces another is another partition: nothing is encrypted for the old one any more.
    partition: `${ref.stage}/${ref.tenantId}/${ref.keyName}/${keyArn}`,
    maxAge: settings.maxAgeMs,
    maxBytesEncrypted: settings.maxBytes,
    maxMessagesEncrypted: settings.maxMessages,
  });
}

function watched(kms: KeyAccess["kms"], onRefusal: (refusal: Refusal) => void): SdkKms {
  const watch = async <Answer>(step: Refusal["step"], call: Promise<Answer>): Promise<WithoutUndefined<Answer>> => {
    try {
      const answer = (await call) as WithoutUndefined<Answer>;
      forgetLastMatch();
      return answer;
    } catch (error) {
      onRefusal({ error, step });
      throw error;
    }
  };
  return {
    generateDataKey: (request) => watch("kms:GenerateDataKey", kms.generateDataKey(request)),
    decrypt: (request) => watch("kms:Decrypt", kms.decrypt(request)),
    // For a second key that wraps the same data key, and there is never one.
    encrypt: () => Promise.reject(new Error("One key wraps a data key, when it is made.")),
  };
}

/**
 * The AWS SDK reads base64 with a regular expression, and JavaScript keeps the text of the last match of any of them
 * (`RegExp.input`): the last data key's, until something else matches.
 */
export function forgetLastMatch(): void {
  /^/.test("");
}

/** The SDK exports a data key's bytes and leaves them: here they are zeroed once it is done with them. */
export function wipingExports(manager: NodeMaterialsManager): NodeMaterialsManager {
  return {
    getEncryptionMaterials: async (request) => withWipedExports(await manager.getEncryptionMaterials(request)),
    decryptMaterials: async (request) => withWipedExports(await manager.decryptMaterials(request)),
  };
}

function withWipedExports<M extends Material>(material: M): M {
  const key = material.getUnencryptedDataKey();
  if (key instanceof Uint8Array) return material;
  const exportKey = key.export.bind(key);
  Object.defineProperty(key, "export", {
    value: () => {
      const bytes = exportKey();
      queueMicrotask(() => bytes.fill(0));
      return bytes;
    },
  });
  return material;
}

function noting(manager: NodeMaterialsManager, handedOut: Material[]): NodeMaterialsManager {
  return {
    async getEncryptionMaterials(request) {
      const material = await manager.getEncryptionMaterials(request);
      handedOut.push(material);
      return material;
    },
    async decryptMaterials(request) {
      const material = await manager.decryptMaterials(request);
      handedOut.push(material);
      return material;
    },
  };
}
