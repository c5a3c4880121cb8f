import { expect, test } from "vitest";
import { parseKeyArn } from "./ids.ts";
import { tenantRolePolicy } from "./role-policy.ts";
import { characters } from "./test-support.ts";

const KEY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11");

test("a tenant's role may use the one key that its policy names, and do nothing else", () => {
  expect(tenantRolePolicy(KEY_ARN)).toEqual({
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
        Resource: KEY_ARN,
      },
    ],
  });
});

test("the policies of ten keys, the most an event names, fit a role's 10,240 characters of inline policies", () => {
  expect(10 * characters(tenantRolePolicy(KEY_ARN))).toBeLessThanOrEqual(10_240);
});
