/** What is done with a key once, and not by comparing: reading its last use, rotating it on demand, importing material. */
import {
  DescribeKeyCommand,
  GetKeyLastUsageCommand,
  ImportKeyMaterialCommand,
  ListKeyRotationsCommand,
  RotateKeyOnDemandCommand,
} from "@aws-sdk/client-kms";
import { type KeyArn, TenantKeysError } from "@tenantkeys/core";
import type { Clients } from "./clients.ts";
import { errorName, narrowAwsError } from "./narrow-error.ts";
import { type Run, untilVisible } from "./run.ts";

/** A key has at most 25 rotations on demand and one automatic a quarter: ten pages of 1,000 last for ever. */
const ROTATION_PAGES_MAX = 10;

/**
 * When the key was last used, as KMS knows it, or undefined where it doesn't know or can't be asked: the answer is for
 * the record and decides nothing, so a Region or an emulator without the call is no reason to stop.
 * https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyLastUsage.html
 */
export async function readLastUse(clients: Clients, run: Run, keyArn: KeyArn): Promise<number | undefined> {
  try {
    const answer = await clients.kms.send(new GetKeyLastUsageCommand({ KeyId: keyArn }), { abortSignal: run.signal });
    return answer.KeyLastUsage?.Timestamp?.getTime();
  } catch {
    return undefined;
  }
}

/**
 * Sent once: each call spends one of the key's 25 rotations, and a second one would be a second rotation.
 * https://docs.aws.amazon.com/kms/latest/APIReference/API_RotateKeyOnDemand.html
 */
export async function rotateOnDemand(clients: Clients, run: Run, keyArn: KeyArn): Promise<void> {
  try {
    await clients.kmsOnce.send(new RotateKeyOnDemandCommand({ KeyId: keyArn }), { abortSignal: run.signal });
  } catch (error) {
    throw narrowAwsError(error, "kms:RotateKeyOnDemand");
  }
}

/** Whether the key was rotated on demand since then. KMS keeps whole seconds. */
export async function wasRotatedSince(clients: Clients, run: Run, keyArn: KeyArn, sinceMs: number): Promise<boolean> {
  const fromMs = Math.floor(sinceMs / 1000) * 1000;
  let marker: string | undefined;
  try {
    for (let page = 0; page < ROTATION_PAGES_MAX; page++) {
      const command = new ListKeyRotationsCommand({
        KeyId: keyArn,
        ...(marker === undefined ? {} : { Marker: marker }),
      });
      const answer = await clients.kms.send(command, { abortSignal: run.signal });
      const found = (answer.Rotations ?? []).some(
        ({ RotationType, RotationDate }) => RotationType === "ON_DEMAND" && (RotationDate?.getTime() ?? 0) >= fromMs,
      );
      if (found) return true;
      if (answer.Truncated !== true) return false;
      marker = answer.NextMarker;
    }
  } catch (error) {
    throw narrowAwsError(error, "kms:ListKeyRotations");
  }
  throw new TenantKeysError("aws_unexpected", `kms:ListKeyRotations: more than ${ROTATION_PAGES_MAX} pages`);
}

export interface WrappedMaterial {
  /** Base64, wrapped under the public key of the import parameters. */
  readonly encryptedKeyMaterial: string;
  /** Base64. */
  readonly importToken: string;
  /** Epoch milliseconds. Absent: it doesn't expire. */
  readonly expiresAtMs?: number | undefined;
}

/** What KMS says of material, or a token, that isn't this key's. */
const NOT_THIS_KEYS = ["IncorrectKeyMaterialException", "InvalidCiphertextException", "InvalidImportTokenException"];

/**
 * Safe to repeat: KMS takes the same material again, and no other.
 * @throws TenantKeysError `material_mismatch`, `import_token_expired`
 */
export async function importKeyMaterial(
  clients: Clients,
  run: Run,
  keyArn: KeyArn,
  { encryptedKeyMaterial, importToken, expiresAtMs }: WrappedMaterial,
): Promise<void> {
  const expiration =
    expiresAtMs === undefined
      ? ({ ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE" } as const)
      : ({ ExpirationModel: "KEY_MATERIAL_EXPIRES", ValidTo: new Date(expiresAtMs) } as const);
  const command = new ImportKeyMaterialCommand({
    KeyId: keyArn,
    EncryptedKeyMaterial: Buffer.from(encryptedKeyMaterial, "base64"),
    ImportToken: Buffer.from(importToken, "base64"),
    ...expiration,
  });
  const step = "kms:ImportKeyMaterial";
  try {
    await clients.kms.send(command, { abortSignal: run.signal });
  } catch (error) {
    const name = errorName(error);
    if (name === "ExpiredImportTokenException") {
      throw new TenantKeysError("import_token_expired", `${step}: the import token is older than 24 hours`, { step });
    }
    if (NOT_THIS_KEYS.includes(name)) {
      const message = `${step}: ${name}: the material or its token isn't this key's: KMS takes only what was wrapped with the key's own parameters, and after the first import only the same material`;
      throw new TenantKeysError("material_mismatch", message, { step, cause: error });
    }
    throw narrowAwsError(error, step);
  }
}

/**
 * Waits until KMS shows the key with its material. A key that is read too early would be taken for one that still waits,
 * and nothing would look at it again.
 * https://docs.aws.amazon.com/kms/latest/developerguide/programming-eventual-consistency.html
 * @throws TenantKeysError `plan_not_converging` where it doesn't show within the budget
 */
export async function untilImported(clients: Clients, run: Run, keyArn: KeyArn, budgetMs: number): Promise<void> {
  const step = "kms:DescribeKey";
  const isPending = (error: unknown) => error instanceof TenantKeysError && error.code === "plan_not_converging";
  await untilVisible(run, budgetMs, isPending, async () => {
    const command = new DescribeKeyCommand({ KeyId: keyArn });
    const { KeyMetadata } = await clients.kms.send(command, { abortSignal: run.signal }).catch((error) => {
      throw narrowAwsError(error, step);
    });
    if (KeyMetadata?.KeyState !== "PendingImport") return;
    const message = `${step}: ${keyArn} still shows no material after it was imported`;
    throw new TenantKeysError("plan_not_converging", message, { step });
  });
}
