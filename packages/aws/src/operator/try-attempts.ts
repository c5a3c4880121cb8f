/**
 * What is tried with one key. DryRun where a success would give key material: KMS then says only whether it would. Decrypt
 * is done, with the ciphertext of a random text that means nothing to anybody.
 * https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html
 */
import {
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateMacCommand,
  type KMSClient,
  type MacAlgorithmSpec,
  SignCommand,
} from "@aws-sdk/client-kms";
import { type KeyArn, type KeyProfile, type KeySpec, keyUsage } from "@tenantkeys/core";
import { errorName } from "../narrow-error.ts";

export type KeyAttempt = "kms:Decrypt" | "kms:GenerateDataKey" | "kms:GenerateMac" | "kms:Sign";
type Context = Readonly<Record<string, string>>;
type CallOptions = { readonly abortSignal: AbortSignal };

const MESSAGE = Buffer.from("probe");

/** @returns a ciphertext under the key */
export async function encryptProbe(
  kms: KMSClient,
  KeyId: KeyArn,
  text: Uint8Array,
  EncryptionContext: Context,
  options: CallOptions,
): Promise<Uint8Array> {
  const { CiphertextBlob } = await kms.send(new EncryptCommand({ KeyId, Plaintext: text, EncryptionContext }), options);
  return CiphertextBlob ?? new Uint8Array();
}

/** @returns what was encrypted */
export async function decryptProbe(
  kms: KMSClient,
  KeyId: KeyArn,
  CiphertextBlob: Uint8Array,
  EncryptionContext: Context,
  options: CallOptions,
): Promise<Uint8Array> {
  const { Plaintext } = await kms.send(new DecryptCommand({ KeyId, CiphertextBlob, EncryptionContext }), options);
  return Plaintext ?? new Uint8Array();
}

/** The use of a key that needs no ciphertext. */
export function useAttempt(keySpec: KeySpec): KeyAttempt {
  switch (keyUsage(keySpec)) {
    case "ENCRYPT_DECRYPT":
      return "kms:GenerateDataKey";
    case "GENERATE_VERIFY_MAC":
      return "kms:GenerateMac";
    case "SIGN_VERIFY":
      return "kms:Sign";
  }
}

/** Returns where KMS would have done it. @throws the SDK's error otherwise */
export async function tryUse(
  kms: KMSClient,
  KeyId: KeyArn,
  { keySpec }: Pick<KeyProfile, "keySpec">,
  EncryptionContext: Context,
  options: CallOptions,
): Promise<void> {
  try {
    switch (useAttempt(keySpec)) {
      case "kms:GenerateMac": {
        const MacAlgorithm = keySpec.replace("HMAC_", "HMAC_SHA_") as MacAlgorithmSpec;
        await kms.send(new GenerateMacCommand({ KeyId, MacAlgorithm, Message: MESSAGE, DryRun: true }), options);
        return;
      }
      case "kms:Sign": {
        const SigningAlgorithm = signingAlgorithm(keySpec);
        const input = { KeyId, SigningAlgorithm, Message: MESSAGE, MessageType: "RAW", DryRun: true } as const;
        await kms.send(new SignCommand(input), options);
        return;
      }
      default: {
        const input = { KeyId, KeySpec: "AES_256", EncryptionContext, DryRun: true } as const;
        await kms.send(new GenerateDataKeyCommand(input), options);
      }
    }
  } catch (error) {
    if (errorName(error) !== "DryRunOperationException") throw error;
  }
}

/** One that each spec knows. https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html */
export function signingAlgorithm(keySpec: KeySpec) {
  const ofCurve = {
    ECC_NIST_P256: "ECDSA_SHA_256",
    ECC_SECG_P256K1: "ECDSA_SHA_256",
    ECC_NIST_P384: "ECDSA_SHA_384",
    ECC_NIST_P521: "ECDSA_SHA_512",
  } as const;
  return keySpec in ofCurve ? ofCurve[keySpec as keyof typeof ofCurve] : "RSASSA_PSS_SHA_256";
}
