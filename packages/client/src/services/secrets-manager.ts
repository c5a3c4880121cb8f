/** How a tenant's secret is encrypted with its key. */
import type { EncryptingKey } from "./s3.ts";

/**
 * A parameter of CreateSecret and UpdateSecret. Secrets Manager uses the key in its caller's name, with an encryption
 * context of its own: no profile with `strictEncryptionContext`.
 */
export function secretEncryption({ keyArn }: Pick<EncryptingKey, "keyArn">): { readonly KmsKeyId: string } {
  return { KmsKeyId: keyArn };
}
