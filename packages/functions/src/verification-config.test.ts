import { describe, expect, test } from "vitest";
import { readSweepConfig, readVerifyConfig } from "./verification-config.ts";

const ENVIRONMENT = {
  AWS_REGION: "eu-west-1",
  TENANTKEYS_STAGE: "dev",
  TENANTKEYS_ACCOUNT_ID: "111122223333",
  TENANTKEYS_REGISTRY_TABLE: "tenantkeys-dev-registry",
  TENANTKEYS_VERIFICATION_QUEUE_URL: "https://sqs.example/111122223333/verification",
  TENANTKEYS_QUEUE_URL: "https://sqs.example/111122223333/provisioning",
};
const STAGE = {
  stage: "dev",
  accountId: "111122223333",
  region: "eu-west-1",
  tableName: "tenantkeys-dev-registry",
  provisioningQueueUrl: ENVIRONMENT.TENANTKEYS_QUEUE_URL,
};

describe("what the stack tells", () => {
  test("the sweep function is its stage, its registry, the worker's queue and that of shards", () => {
    expect(readSweepConfig(ENVIRONMENT)).toEqual({ ...STAGE, queueUrl: ENVIRONMENT.TENANTKEYS_VERIFICATION_QUEUE_URL });
  });

  test("the verify function is its stage, its registry and the worker's queue", () => {
    expect(readVerifyConfig(ENVIRONMENT)).toEqual(STAGE);
  });
});

test.each([
  ["TENANTKEYS_VERIFICATION_QUEUE_URL", readSweepConfig, "settings_invalid"],
  ["TENANTKEYS_QUEUE_URL", readVerifyConfig, "settings_invalid"],
  ["TENANTKEYS_REGISTRY_TABLE", readSweepConfig, "settings_invalid"],
  ["TENANTKEYS_STAGE", readVerifyConfig, "identifier_invalid"],
  ["TENANTKEYS_ACCOUNT_ID", readSweepConfig, "identifier_invalid"],
  ["AWS_REGION", readVerifyConfig, "identifier_invalid"],
] as const)("a function without %s fails at its start", (name, read, code) => {
  expect(() => read({ ...ENVIRONMENT, [name]: undefined })).toThrow(expect.objectContaining({ code }));
  expect(() => read({ ...ENVIRONMENT, [name]: "" })).toThrow(expect.objectContaining({ code }));
});
