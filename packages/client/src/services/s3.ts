/** How a tenant's objects are put into S3: with its key, named by the request itself. */
import { tenantEncryptionContext } from "@tenantkeys/core";
import type { KeyAccess } from "../key-access.ts";

/** What `tenantKey.access()` gives, as far as an encryption's parameters are made of it. */
export type EncryptingKey = Pick<KeyAccess, "stage" | "tenantId" | "keyName" | "keyArn">;

export interface S3EncryptionOptions {
  /**
   * Whether S3 may make a key of its own for a while under the tenant's key, and call KMS less often. Default: false. Then
   * a key that was disabled stops the next read and write; with a bucket key S3 goes on with what it keeps, and KMS and
   * CloudTrail see the bucket in place of the object. Not for a profile with `strictEncryptionContext`: AWS doesn't say
   * that the tenant is in the request for a bucket key.
   */
  readonly bucketKey?: boolean | undefined;
}

/** Parameters of PutObject, CreateMultipartUpload and CopyObject. */
export interface S3Encryption {
  readonly ServerSideEncryption: "aws:kms";
  readonly SSEKMSKeyId: string;
  readonly SSEKMSEncryptionContext: string;
  readonly BucketKeyEnabled: boolean;
}

/** Every parameter is always there: what is left out, S3 takes from the bucket's or the source object's settings. */
export function s3Encryption(key: EncryptingKey, { bucketKey = false }: S3EncryptionOptions = {}): S3Encryption {
  const context = tenantEncryptionContext(key.stage, key.tenantId, key.keyName);
  return {
    ServerSideEncryption: "aws:kms",
    SSEKMSKeyId: key.keyArn,
    // Ids are ASCII, so base64 of the text is base64 of its UTF-8.
    SSEKMSEncryptionContext: btoa(JSON.stringify(context)),
    BucketKeyEnabled: bucketKey,
  };
}
