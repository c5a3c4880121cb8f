import { expect, test } from "vitest";
import { parseKeyArn } from "./ids.ts";
import { outsideAccountPolicy, tenantRolePolicy } from "./role-policy.ts";
import { characters, exampleProfile } from "./test-support.ts";

const PROFILE = exampleProfile();
const KEY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11");

test("a tenant's role may use the one key that its policy names, and do nothing else", () => {
  expect(tenantRolePolicy([KEY_ARN], PROFILE)).toEqual({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "UseThisKey",
        Effect: "Allow",
        Action: [
          "kms:Decrypt",
          "kms:DescribeKey",
          "kms:Encrypt",
          "kms:GenerateDataKey",
          "kms:GenerateDataKeyWithoutPlaintext",
          "kms:ReEncryptFrom",
          "kms:ReEncryptTo",
        ],
        Resource: [KEY_ARN],
      },
    ],
  });
});

test("a role's policy names every key that its tenant's data may be under, with the profile's actions", () => {
  const old = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/1");
  const { Statement } = tenantRolePolicy([KEY_ARN, old], exampleProfile({ actions: "decrypt-only" }));
  expect(Statement).toMatchObject([
    { Action: ["kms:Decrypt", "kms:DescribeKey", "kms:ReEncryptFrom"], Resource: [KEY_ARN, old] },
  ]);
});

test("an outside account's policy says the same of the one key", () => {
  expect(outsideAccountPolicy(KEY_ARN, exampleProfile({ keySpec: "HMAC_256" }))).toEqual({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "UseKeyOfOtherAccount",
        Effect: "Allow",
        Action: ["kms:DescribeKey", "kms:GenerateMac", "kms:VerifyMac"],
        Resource: [KEY_ARN],
      },
    ],
  });
});

test("the policies of ten keys with five replicas fit a role's 10,240 characters of inline policies", () => {
  const replicas = ["ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-northeast-1"];
  const arns = ["eu-west-1", ...replicas].map((region) =>
    parseKeyArn(`arn:aws:kms:${region}:111122223333:key/mrk-0d4f1f0e4a3c4f649c0e3c1c6a4a9d11`),
  );
  expect(10 * characters(tenantRolePolicy(arns, PROFILE))).toBeLessThanOrEqual(10_240);
});
