import { expect, test } from "vitest";
import { ERROR_CODES, TenantKeysError } from "../errors.ts";
import { parseAttemptId, parseKeyArn, parseStage } from "../ids.ts";
import { aliasName, tenantRoleArn } from "../names.ts";
import { ACCOUNT_ID, ACME, DEFAULT_KEY } from "../test-support.ts";
import { type ProvisionedKey, provisionedReply, provisioningFailedReply } from "./replies.ts";
import { tenantKeyProvisionedSchema, tenantKeyProvisioningFailedSchema } from "./reply-schemas.ts";

const DEV = parseStage("dev");
const EVENT_ID = "6a7e8feb-b491-4cf7-a9f1-bf3703467718";
const KEY: ProvisionedKey = {
  stage: DEV,
  tenantId: ACME,
  keyName: DEFAULT_KEY,
  generation: 7,
  keyArn: parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11"),
  aliasName: aliasName(DEV, ACME, DEFAULT_KEY),
  roleArn: tenantRoleArn(ACCOUNT_ID, DEV, ACME),
  eventId: EVENT_ID,
};

/** What a subscriber gets: the detail went through JSON. */
const sent = (detail: unknown): unknown => JSON.parse(JSON.stringify(detail));

test("a provisioned key's reply says what the application needs to use it", () => {
  expect(provisionedReply({ ...KEY, tenantRegistrationId: "registration-1" })).toEqual({
    detailType: "TenantKeyProvisioned",
    detail: {
      version: "1",
      replyId: "dev/acme/default/7/provisioned",
      stage: "dev",
      tenantId: "acme",
      keyName: "default",
      generation: 7,
      keyArn: KEY.keyArn,
      aliasName: "alias/tenantkeys/dev/acme/default",
      roleArn: "arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-acme",
      eventId: EVENT_ID,
      tenantRegistrationId: "registration-1",
    },
  });
});

test("the same fact has the same reply id, whichever delivery of which event led to it, and another generation another", () => {
  const replyId = (key: ProvisionedKey) => provisionedReply(key).detail.replyId;
  expect(replyId({ ...KEY, eventId: "another-event" })).toBe(replyId(KEY));
  expect(replyId({ ...KEY, generation: 8 })).not.toBe(replyId(KEY));
});

test("a failure's reply says code, step, field, next action and where the event is kept", () => {
  const details = { tenantId: "Acme", step: "parse", field: "detail.tenantId" };
  const error = new TenantKeysError("event_invalid", "detail.tenantId: expected …", details);
  expect(sent(provisioningFailedReply(DEV, EVENT_ID, error))).toEqual({
    detailType: "TenantKeyProvisioningFailed",
    detail: {
      version: "1",
      replyId: `dev/Acme/-/${EVENT_ID}/event_invalid`,
      stage: "dev",
      tenantId: "Acme",
      eventId: EVENT_ID,
      code: "event_invalid",
      message: "detail.tenantId: expected …",
      step: "parse",
      field: "detail.tenantId",
      nextAction: "Correct the named field in the publisher, then publish the event again.",
      keptIn: "refused store",
    },
  });
});

test("a failure that waiting may cure is kept in the dead-letter queue", () => {
  const reply = provisioningFailedReply(DEV, EVENT_ID, new TenantKeysError("throttled", "slow down"));
  expect(reply.detail.keptIn).toBe("dead-letter queue");
});

test("a failure's message is cut at 2,000 characters", () => {
  const reply = provisioningFailedReply(DEV, EVENT_ID, new TenantKeysError("aws_unexpected", "x".repeat(9_000)));
  expect(reply.detail.message).toHaveLength(2_000);
});

test("every reply holds to its schema, and every field of it is in the schema", () => {
  const detail = sent(provisionedReply({ ...KEY, tenantRegistrationId: "registration-1" }).detail) as object;
  expect(tenantKeyProvisionedSchema.parse(detail)).toEqual(detail);
  expect(Object.keys(tenantKeyProvisionedSchema.shape).sort()).toEqual(Object.keys(detail).sort());
  expect(tenantKeyProvisionedSchema.safeParse(sent(provisionedReply(KEY).detail)).success).toBe(true);
});

test.each(ERROR_CODES)("a failure with code %s holds to its schema, knowing everything or nothing", (code) => {
  const everything = { tenantId: ACME, keyName: DEFAULT_KEY, step: "kms:CreateKey", field: "detail" };
  for (const details of [everything, {}]) {
    const detail = sent(provisioningFailedReply(DEV, EVENT_ID, new TenantKeysError(code, "why", details)).detail);
    expect(tenantKeyProvisioningFailedSchema.safeParse(detail)).toMatchObject({ success: true });
    const fields = Object.keys(tenantKeyProvisioningFailedSchema.shape);
    expect(fields).toEqual(expect.arrayContaining(Object.keys(detail as object)));
  }
});

test.each([
  { keyArn: "alias/x" },
  { tenantId: "Acme" },
  { generation: 0 },
  { version: "2" },
  { aliasName: "alias/aws/s3" },
  { roleArn: parseAttemptId("attempt-1") },
])("a reply with %j doesn't hold to the schema", (change) => {
  const detail = { ...provisionedReply(KEY).detail, ...change };
  expect(tenantKeyProvisionedSchema.safeParse(detail).success).toBe(false);
});
