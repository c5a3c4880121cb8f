import { describe, expect, test } from "vitest";
import { ERROR_CODES, TenantKeysError } from "../errors.ts";
import { parseAttemptId, parseKeyArn, parseKeyName, parseRegion, parseStage } from "../ids.ts";
import { aliasName, tenantRoleArn } from "../names.ts";
import { ACCOUNT_ID, ACME, DEFAULT_KEY } from "../test-support.ts";
import {
  FAILED_REPLY_TYPES,
  failedReply,
  failedReplyTypeOf,
  KEY_REPLY_TYPES,
  keyReply,
  type ProvisionedKey,
  provisionedReply,
  REPLY_TYPES,
  type RepliedKey,
  type RepliedTenant,
  type Reply,
  TENANT_REPLY_TYPES,
  tenantReply,
} from "./replies.ts";
import { replySchema } from "./reply-schemas.ts";
import { TENANT_EVENT_TYPES } from "./tenant-event.ts";

const DEV = parseStage("dev");
const EVENT_ID = "6a7e8feb-b491-4cf7-a9f1-bf3703467718";
const PROVISIONED: ProvisionedKey = {
  stage: DEV,
  tenantId: ACME,
  keyName: DEFAULT_KEY,
  generation: 7,
  keyArn: parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11"),
  aliasName: aliasName(DEV, ACME, DEFAULT_KEY),
  roleArn: tenantRoleArn(ACCOUNT_ID, DEV, ACME),
  eventId: EVENT_ID,
};
const KEY: RepliedKey = { ...PROVISIONED, state: "active" };
const REPLICA = {
  region: parseRegion("eu-central-1"),
  keyArn: parseKeyArn("arn:aws:kms:eu-central-1:111122223333:key/mrk-0d4f1f0e4a3c4f649c0e3c1c6a4a9d11"),
};
const OLD_KEY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/1d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d12");
const TENANT: RepliedTenant = {
  stage: DEV,
  tenantId: ACME,
  generation: 7,
  eventId: EVENT_ID,
  keys: [
    { keyName: DEFAULT_KEY, state: "suspended", keyArn: KEY.keyArn },
    { keyName: parseKeyName("payroll"), state: "failed" },
  ],
};
const DELETION_DATE = "2026-12-24T09:00:00Z";
const PARAMETERS = {
  wrappingKeySpec: "RSA_4096",
  wrappingAlgorithm: "RSA_AES_KEY_WRAP_SHA_256",
  parametersExpireAtMs: 1_767_225_600_000,
};
const WATCH = { watchEndsAt: "2026-12-01T09:00:00Z", approvalRequired: true, held: false };
const FULL_DESTRUCTION = {
  recordedAt: "2026-12-24T10:00:00Z",
  deletionScheduledAt: "2026-11-24T09:00:00Z",
  deletionDate: DELETION_DATE,
  deletionWindowDays: 30,
  lastUsedAt: "2026-11-01T09:00:00Z",
  requestedBy: "AROAEXAMPLE",
  approvedBy: ["AROAOTHER"],
};

/** One of each reply that isn't a failure, saying all it can. */
const DONE: readonly (readonly [Reply, string])[] = [
  [keyReply("TenantKeyProvisioned", KEY, { replicas: [REPLICA] }), "default/7/provisioned"],
  [keyReply("TenantKeyAwaitingMaterial", KEY, PARAMETERS), "default/7/awaiting-material/1767225600000"],
  [keyReply("TenantKeyRotated", KEY, { rotation: "new-key", previousKeyArn: OLD_KEY_ARN }), "default/7/rotated"],
  [keyReply("TenantKeyMaterialImported", KEY, { materialExpiresAt: DELETION_DATE }), "default/7/material-imported"],
  [
    keyReply("TenantKeyDeletionScheduled", { ...KEY, state: "pending-deletion" }, { deletionDate: DELETION_DATE }),
    `default/7/deletion-scheduled/0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11/${DELETION_DATE}`,
  ],
  [
    keyReply("TenantKeyDestroyed", { ...KEY, state: "destroyed" }, { destruction: FULL_DESTRUCTION }),
    "default/7/destroyed/0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11",
  ],
  [
    keyReply("TenantKeyRepaired", KEY, {
      rules: ["key-disabled"],
      automatic: false,
      actions: ["enable-key"],
      withheld: [],
    }),
    `default/7/repaired/${KEY.eventId}`,
  ],
  [tenantReply("TenantSuspensionCompleted", TENANT), "7/suspended"],
  [tenantReply("TenantResumptionCompleted", TENANT), "7/resumed"],
  [tenantReply("TenantOffboardingStarted", TENANT, WATCH), "7/offboarding-started"],
  [tenantReply("TenantReinstatementCompleted", TENANT), "7/reinstated"],
  [tenantReply("TenantOffboardingApprovalRecorded", TENANT), "7/offboarding-approved"],
  [tenantReply("TenantLegalHoldRecorded", TENANT, { held: true, reason: "case 4711" }), "7/hold-placed"],
];

/** What a subscriber gets: the detail went through JSON. */
const sent = (detail: unknown): unknown => JSON.parse(JSON.stringify(detail));

test("a provisioned key's reply says what the application needs to use it", () => {
  expect(provisionedReply({ ...PROVISIONED, tenantRegistrationId: "registration-1" })).toEqual({
    source: "tenantkeys",
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
      state: "active",
    },
  });
});

test.each(DONE)("$detailType has an id that is the same for the same fact", (reply, fact) => {
  expect(reply).toMatchObject({ source: "tenantkeys", detail: { version: "1", replyId: `dev/acme/${fact}` } });
});

test.each(DONE)("$detailType holds to its schema, and every field of it is in the schema", ({ detailType, detail }) => {
  const schema = replySchema(detailType as (typeof REPLY_TYPES)[number]);
  const said = sent({ ...detail, tenantRegistrationId: "registration-1" }) as object;
  expect(schema.safeParse(said)).toEqual({ success: true, data: said });
  const known = Object.keys(schema.shape).filter((name) => name !== "reason" || "reason" in said);
  expect(known.sort()).toEqual(Object.keys(said).sort());
  expect(schema.safeParse({ ...said, version: "2" }).success).toBe(false);
  expect(schema.safeParse({ ...said, more: "of a later version" }).success).toBe(true);
});

test("every type of reply has a builder", () => {
  expect(DONE.map(([{ detailType }]) => detailType)).toEqual([...KEY_REPLY_TYPES, ...TENANT_REPLY_TYPES]);
  expect(REPLY_TYPES).toHaveLength(7 + 6 + 10 + 2);
});

test("the same fact has the same reply id, whichever delivery of which event led to it, and another generation another", () => {
  const replyId = (key: ProvisionedKey) => provisionedReply(key).detail.replyId;
  expect(replyId({ ...PROVISIONED, eventId: "another-event" })).toBe(replyId(PROVISIONED));
  expect(replyId({ ...PROVISIONED, generation: 8 })).not.toBe(replyId(PROVISIONED));
});

test("a key destroyed in a tenant's second life, new parameters and a released hold are facts of their own", () => {
  const id = ({ detail }: Reply) => detail.replyId;
  const destruction = { approvedBy: [], recordedAt: DELETION_DATE };
  const destroyed = (keyArn = KEY.keyArn) => id(keyReply("TenantKeyDestroyed", { ...KEY, keyArn }, { destruction }));
  expect(destroyed(OLD_KEY_ARN)).not.toBe(destroyed());
  const waiting = (parametersExpireAtMs: number) =>
    id(keyReply("TenantKeyAwaitingMaterial", KEY, { ...PARAMETERS, parametersExpireAtMs }));
  expect(waiting(1)).not.toBe(waiting(2));
  const held = (value: boolean) => id(tenantReply("TenantLegalHoldRecorded", TENANT, { held: value }));
  expect(held(false)).toBe("dev/acme/7/hold-released");
  expect(held(true)).not.toBe(held(false));
});

test("a key of the tenant's own account has no alias in its reply", () => {
  const { aliasName: _, ...own } = PROVISIONED;
  const detail = sent(provisionedReply(own).detail);
  expect(detail).not.toHaveProperty("aliasName");
  expect(replySchema("TenantKeyProvisioned").safeParse(detail).success).toBe(true);
});

describe("a failure", () => {
  test("says code, step, field, next action and where the event is kept", () => {
    const details = { tenantId: "Acme", step: "parse", field: "detail.tenantId" };
    const error = new TenantKeysError("event_invalid", "detail.tenantId: expected …", details);
    expect(sent(failedReply("TenantSuspensionFailed", DEV, EVENT_ID, error))).toEqual({
      source: "tenantkeys",
      detailType: "TenantSuspensionFailed",
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

  test("that waiting may cure is kept in the dead-letter queue", () => {
    const error = new TenantKeysError("throttled", "slow down");
    const reply = failedReply("TenantKeyProvisioningFailed", DEV, EVENT_ID, error, { tenantRegistrationId: "r" });
    expect(reply.detail).toMatchObject({ keptIn: "dead-letter queue", tenantRegistrationId: "r" });
  });

  test("has a message that is cut at 2,000 characters", () => {
    const error = new TenantKeysError("aws_unexpected", "x".repeat(9_000));
    expect(failedReply("TenantLegalHoldFailed", DEV, EVENT_ID, error).detail.message).toHaveLength(2_000);
  });

  test.each(ERROR_CODES)("with code %s holds to its schema, knowing everything or nothing", (code) => {
    const everything = { tenantId: ACME, keyName: DEFAULT_KEY, step: "kms:CreateKey", field: "detail" };
    for (const [details, registration] of [
      [everything, { tenantRegistrationId: "r" }],
      [{}, {}],
    ] as const) {
      const error = new TenantKeysError(code, "why", details);
      for (const type of FAILED_REPLY_TYPES) {
        const detail = sent(failedReply(type, DEV, EVENT_ID, error, registration).detail);
        expect(replySchema(type).safeParse(detail)).toMatchObject({ success: true });
        expect(Object.keys(replySchema(type).shape)).toEqual(expect.arrayContaining(Object.keys(detail as object)));
      }
    }
  });

  test("has a type for each type of event, and a sign-up's for an event that can't be told", () => {
    const types = TENANT_EVENT_TYPES.map(failedReplyTypeOf);
    expect(new Set(types)).toEqual(new Set(FAILED_REPLY_TYPES));
    expect(failedReplyTypeOf("TenantReinstated")).toBe("TenantReinstatementFailed");
    expect(failedReplyTypeOf("TenantLegalHoldReleased")).toBe("TenantLegalHoldFailed");
    expect(failedReplyTypeOf(undefined)).toBe("TenantKeyProvisioningFailed");
  });
});

test.each([
  { keyArn: "alias/x" },
  { tenantId: "Acme" },
  { generation: 0 },
  { version: "2" },
  { aliasName: "alias/aws/s3" },
  { roleArn: parseAttemptId("attempt-1") },
  { state: "Active!" },
])("a reply with %j doesn't hold to the schema", (change) => {
  const detail = { ...provisionedReply(PROVISIONED).detail, ...change };
  expect(replySchema("TenantKeyProvisioned").safeParse(detail).success).toBe(false);
});
