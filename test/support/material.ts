/** Imported material as a customer brings it: wrapped with the key that KMS gives, and never seen by tenantkeys. */
import { constants, createHash, createPublicKey, publicEncrypt } from "node:crypto";
import { GetParametersForImportCommand, ImportKeyMaterialCommand } from "@aws-sdk/client-kms";
import type { LocalStage } from "@tenantkeys/local";
import { type Person, say, untilState } from "./life.ts";

/** The same for the same tenant, always: KMS takes a key's own material again, and no other. */
function materialOf(tenantId: string): Buffer {
  return createHash("sha256").update(tenantId).digest();
}

function wrapped(publicKey: Buffer, tenantId: string): Buffer {
  const key = createPublicKey({ key: publicKey, format: "der", type: "spki" });
  return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" }, materialOf(tenantId));
}

/** Through tenantkeys, as docs/byok.md says, of a tenant that waits for it. */
export async function supplyMaterial(stage: LocalStage, person: Person, tenantId: string): Promise<void> {
  const { importParameters } = await untilState(stage, tenantId, "awaiting-material");
  const { publicKey = "", importToken } = importParameters ?? {};
  const encryptedKeyMaterial = wrapped(Buffer.from(publicKey, "base64"), tenantId).toString("base64");
  await say(person, stage, "TenantKeyMaterialSupplied", { tenantId, encryptedKeyMaterial, importToken });
  await untilState(stage, tenantId, "active");
}

/** Past tenantkeys, with the account's root. @param validTo default: for ever */
export async function importByHand(stage: LocalStage, KeyId: string, tenantId: string, validTo?: Date): Promise<void> {
  const { PublicKey, ImportToken } = await stage.root.kms.send(
    new GetParametersForImportCommand({ KeyId, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048" }),
  );
  await stage.root.kms.send(
    new ImportKeyMaterialCommand({
      KeyId,
      ImportToken,
      EncryptedKeyMaterial: wrapped(Buffer.from(PublicKey ?? []), tenantId),
      ...(validTo === undefined
        ? { ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE" }
        : { ExpirationModel: "KEY_MATERIAL_EXPIRES", ValidTo: validTo }),
    }),
  );
}
