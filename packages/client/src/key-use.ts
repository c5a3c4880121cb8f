/** The way from a tenant's key to the Encryption SDK and back: opened, given materials, and every failure explained. */
import { AlgorithmSuiteIdentifier, buildClient, CommitmentPolicy } from "@aws-crypto/client-node";
import { asTenantKeysError, type KeyArn, TenantKeysError } from "@tenantkeys/core";
import type { FurtherContext } from "./encryption-context.ts";
import type { KeyAccess, KeyAccessSource, TenantKeyRef } from "./key-access.ts";
import { type Caching, type Materials, materialsFor, type Refusal } from "./materials.ts";
import { corrupted, type MessageHead, requireOwnMessage } from "./message-header.ts";

/** The Encryption SDK, which takes nothing but messages with key commitment and one wrapped data key. */
export const sdk = buildClient({
  commitmentPolicy: CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT,
  maxEncryptedDataKeys: 1,
});
export const SUITE = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY;
/** Of what we write. The SDK's default of 4 KiB costs several times the work per byte; small messages are one frame anyway. */
export const FRAME_BYTES = 65_536;

export interface KeyUse {
  /** Before every use: a tenant that was suspended is stopped although its data keys are still in memory. */
  open(ref: TenantKeyRef): Promise<KeyAccess>;
  materials(access: KeyAccess, keyArn: KeyArn): Materials;
  /**
   * For a message that is this tenant key's, by what it says itself.
   * @throws TenantKeysError `ciphertext_of_another_tenant`, `encryption_context_invalid`, `key_unknown`
   */
  materialsToDecrypt(access: KeyAccess, head: MessageHead, further: FurtherContext | undefined): Materials;
  /** @param otherwise what it is when neither we nor KMS refused */
  explained(
    ref: TenantKeyRef,
    refusal: Refusal | undefined,
    error: unknown,
    otherwise: (error: unknown) => TenantKeysError,
  ): Promise<TenantKeysError>;
}

/** What KMS says of a wrapped data key, or an encryption context, that isn't the one it made. */
const NOT_WHAT_KMS_MADE = new Set(["InvalidCiphertextException", "IncorrectKeyException"]);

export function createKeyUse(source: KeyAccessSource, caching: Caching | undefined): KeyUse {
  /** A tenant that may not work has no data keys waiting in memory. */
  const forgetIfRefused = (ref: TenantKeyRef, why: TenantKeysError) => {
    if (!why.retryable || why.code === "access_denied") caching?.caches.forget(ref.tenantId);
    return why;
  };
  return {
    async open(ref) {
      try {
        return await source.open(ref);
      } catch (error) {
        throw forgetIfRefused(ref, asTenantKeysError(error));
      }
    },
    materials: (access, keyArn) => materialsFor(access, keyArn, caching),
    materialsToDecrypt: (access, head, further) =>
      materialsFor(access, requireOwnMessage(head, access, further), caching),
    async explained(ref, refusal, error, otherwise) {
      const details = { tenantId: ref.tenantId, keyName: ref.keyName };
      if (error instanceof TenantKeysError) return error.within(details);
      if (refusal === undefined) return otherwise(error).within(details);
      if (NOT_WHAT_KMS_MADE.has(errorName(refusal.error))) {
        const step = refusal.step;
        return corrupted("KMS didn't make its wrapped data key, or not for this context", refusal.error).within({
          ...details,
          step,
        });
      }
      return forgetIfRefused(ref, await source.explain(ref, refusal.error, refusal.step));
    },
  };
}

export const errorName = (error: unknown): string => (error instanceof Error ? error.name : "");
