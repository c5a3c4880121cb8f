import { parseKeyArn, parseKeyName, parseStage, parseTenantId } from "@tenantkeys/core";
import { expect, it } from "vitest";
import { s3Encryption, secretEncryption, tableEncryption } from "./index.ts";

const KEY = {
  stage: parseStage("dev"),
  tenantId: parseTenantId("acme"),
  keyName: parseKeyName("default"),
  keyArn: parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11"),
};

it("an object's encryption names the tenant's key by its ARN and says whose it is, without a bucket key", () => {
  const { SSEKMSEncryptionContext, ...rest } = s3Encryption(KEY);
  expect(rest).toEqual({ ServerSideEncryption: "aws:kms", SSEKMSKeyId: KEY.keyArn, BucketKeyEnabled: false });
  expect(JSON.parse(Buffer.from(SSEKMSEncryptionContext, "base64").toString())).toEqual({
    tenant: "acme",
    keyName: "default",
    stage: "dev",
  });
});

it("an object's encryption with a bucket key differs in that only", () => {
  expect(s3Encryption(KEY, { bucketKey: true })).toEqual({ ...s3Encryption(KEY), BucketKeyEnabled: true });
});

it("a table's and a secret's encryption name the tenant's key by its ARN", () => {
  expect(tableEncryption(KEY)).toEqual({
    SSESpecification: { Enabled: true, SSEType: "KMS", KMSMasterKeyId: KEY.keyArn },
  });
  expect(secretEncryption(KEY)).toEqual({ KmsKeyId: KEY.keyArn });
});
