/** Raw data keys, for what the Encryption SDK's messages don't fit: the plaintext is there while a function runs. */
import { inspect } from "node:util";
import { asTenantKeysError, type KeyArn, regionOfKey, TenantKeysError } from "@tenantkeys/core";
import { encryptionContextOf, type FurtherContext } from "./encryption-context.ts";
import type { KeyAccess, TenantKeyRef } from "./key-access.ts";
import { errorName, type KeyUse } from "./key-use.ts";
import { forgetLastMatch } from "./materials.ts";
import { corrupted } from "./message-header.ts";

/** KMS takes no longer CiphertextBlob. */
const WRAPPED_BYTES_MAX = 6_144;

/** A data key while `withDataKey` runs. Printed or made JSON of, it shows the ARN only. */
export interface DataKey {
  /** 32 bytes, for AES-256. Zeroed when the function has ended. */
  readonly plaintext: Uint8Array;
  /** To be stored beside the data: `openDataKey` takes it. It is what KMS made (CiphertextBlob), and nothing else. */
  readonly wrapped: Uint8Array;
  /** The KMS key that wrapped it. */
  readonly keyArn: KeyArn;
}

export async function withDataKey<T>(
  use: KeyUse,
  ref: TenantKeyRef,
  work: (key: DataKey) => Promise<T>,
  further: FurtherContext | undefined,
): Promise<T> {
  const EncryptionContext = encryptionContextOf(ref, further);
  const access = await use.open(ref);
  const { keyArn: KeyId } = access;
  const step = "kms:GenerateDataKey";
  const answer = await access.kms
    .generateDataKey({ KeyId, KeySpec: "AES_256", EncryptionContext })
    .catch(async (error: unknown) => {
      throw await use.explained(ref, { error, step }, error, asTenantKeysError);
    });
  const wrapped = answer.CiphertextBlob;
  if (wrapped === undefined) throw lacking(ref, step, "CiphertextBlob");
  return withPlaintext(ref, step, answer, (plaintext) => work(new HeldDataKey(plaintext, wrapped, KeyId)));
}

/**
 * Opened by the key itself, or one that it replaced: KMS is told which, so it never looks for another.
 */
export async function openDataKey<T>(
  use: KeyUse,
  ref: TenantKeyRef,
  wrapped: Uint8Array,
  work: (plaintext: Uint8Array) => Promise<T>,
  further: FurtherContext | undefined,
): Promise<T> {
  const EncryptionContext = encryptionContextOf(ref, further);
  const access = await use.open(ref);
  const answer = await unwrap(use, access, wrapped, EncryptionContext);
  return withPlaintext(ref, "kms:Decrypt", answer, work);
}

async function unwrap(
  use: KeyUse,
  access: KeyAccess,
  CiphertextBlob: Uint8Array,
  EncryptionContext: Record<string, string>,
): Promise<{ readonly Plaintext?: Uint8Array | undefined }> {
  const { byteLength } = CiphertextBlob;
  if (byteLength === 0 || byteLength > WRAPPED_BYTES_MAX)
    throw corrupted(`a wrapped data key has no ${byteLength} bytes`);
  const step = "kms:Decrypt";
  for (const KeyId of keysHere(access)) {
    try {
      return await access.kms.decrypt({ KeyId, CiphertextBlob, EncryptionContext });
    } catch (error) {
      if (errorName(error) === "IncorrectKeyException") continue;
      throw await use.explained(access, { error, step }, error, asTenantKeysError);
    }
  }
  const { tenantId, keyName } = access;
  const whose = `The data key isn't wrapped by a key of tenant "${tenantId}" for "${keyName}".`;
  throw new TenantKeysError("ciphertext_of_another_tenant", whose, { tenantId, keyName, step });
}

/** In the Region of the session, the one that encrypts now first. At most 25 were replaced, so the tries have a bound. */
function keysHere({ keyArn, decryptKeyArns }: KeyAccess): readonly KeyArn[] {
  const here = regionOfKey(keyArn);
  return [keyArn, ...decryptKeyArns.filter((arn) => arn !== keyArn && regionOfKey(arn) === here)];
}

async function withPlaintext<T>(
  ref: TenantKeyRef,
  step: string,
  answer: { readonly Plaintext?: Uint8Array | undefined },
  work: (plaintext: Uint8Array) => Promise<T>,
): Promise<T> {
  if (answer.Plaintext === undefined) throw lacking(ref, step, "Plaintext");
  // The answer's bytes lie in memory that Node shares among small buffers. And what V8 makes without a buffer of its own,
  // if it is as small as a key, it keeps in its heap, where collecting garbage moves it and leaves copies.
  const plaintext = hidden(new Uint8Array(new ArrayBuffer(answer.Plaintext.byteLength)));
  plaintext.set(answer.Plaintext);
  answer.Plaintext.fill(0);
  forgetLastMatch();
  try {
    return await work(plaintext);
  } finally {
    plaintext.fill(0);
  }
}

function lacking({ tenantId, keyName }: TenantKeyRef, step: string, field: string): TenantKeysError {
  return new TenantKeysError("aws_unexpected", `KMS answered without ${field}.`, { tenantId, keyName, step });
}

const HIDDEN = "[data key]";

/** The bytes as they are, but not for logs. */
function hidden(plaintext: Uint8Array): Uint8Array {
  return Object.defineProperties(plaintext, {
    [inspect.custom]: { value: () => HIDDEN },
    toJSON: { value: () => HIDDEN },
  });
}

class HeldDataKey implements DataKey {
  readonly keyArn: KeyArn;
  readonly wrapped: Uint8Array;
  readonly #plaintext: Uint8Array;

  constructor(plaintext: Uint8Array, wrapped: Uint8Array, keyArn: KeyArn) {
    this.#plaintext = plaintext;
    this.wrapped = wrapped;
    this.keyArn = keyArn;
  }

  get plaintext(): Uint8Array {
    return this.#plaintext;
  }

  toJSON(): unknown {
    return { keyArn: this.keyArn };
  }

  [inspect.custom](): string {
    return `DataKey { keyArn: ${inspect(this.keyArn)}, plaintext: ${HIDDEN} }`;
  }
}
