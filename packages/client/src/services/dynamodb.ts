/** How a table that is one tenant's alone is encrypted with its key. */
import type { EncryptingKey } from "./s3.ts";

/** A parameter of CreateTable and UpdateTable. */
export interface TableEncryption {
  readonly SSESpecification: { readonly Enabled: true; readonly SSEType: "KMS"; readonly KMSMasterKeyId: string };
}

/**
 * DynamoDB makes a grant on the key for itself, in the name of whoever makes the table: a session of the tenant, and the
 * key's profile must have `serviceGrants`.
 */
export function tableEncryption({ keyArn }: Pick<EncryptingKey, "keyArn">): TableEncryption {
  return { SSESpecification: { Enabled: true, SSEType: "KMS", KMSMasterKeyId: keyArn } };
}
