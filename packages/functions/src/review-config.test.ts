import { expect, test } from "vitest";
import { readReviewConfig } from "./review-config.ts";

const ENVIRONMENT = {
  AWS_REGION: "eu-west-1",
  TENANTKEYS_STAGE: "dev",
  TENANTKEYS_ACCOUNT_ID: "111122223333",
  TENANTKEYS_QUEUE_URL: "https://sqs.example/provisioning",
  TENANTKEYS_REGISTRY_TABLE: "tenantkeys-dev-registry",
};

test("the review function is told its stage, its queue and its table", () => {
  expect(readReviewConfig(ENVIRONMENT)).toEqual({
    stage: "dev",
    accountId: "111122223333",
    region: "eu-west-1",
    queueUrl: "https://sqs.example/provisioning",
    tableName: "tenantkeys-dev-registry",
  });
});

test.each(Object.keys(ENVIRONMENT))("without %s it fails at its start", (name) => {
  expect(() => readReviewConfig({ ...ENVIRONMENT, [name]: undefined })).toThrow();
});
