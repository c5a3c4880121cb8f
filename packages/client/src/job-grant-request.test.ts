import { KMS } from "@aws-sdk/client-kms";
import { parseKeyArn, parseKeyName, parseRoleArn, parseStage, parseTenantId } from "@tenantkeys/core";
import { expect, test } from "vitest";
import { type JobGrantRequest, parseJobGrantRequest } from "./job-grant-request.ts";
import type { KeyAccess } from "./key-access.ts";

const NOW_MS = Date.parse("2026-11-24T09:30:00Z");
const HOUR_MS = 3_600_000;
const KEY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/key-2");
const REPLACED_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/key-1");

/** Nothing here calls AWS: what is asked for is looked at before. */
const access: KeyAccess = {
  stage: parseStage("dev"),
  tenantId: parseTenantId("acme"),
  keyName: parseKeyName("default"),
  keyArn: KEY_ARN,
  decryptKeyArns: [KEY_ARN, REPLACED_ARN],
  roleArn: parseRoleArn("arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-acme"),
  kms: new KMS({ region: "eu-west-1" }),
  credentials: async () => {
    throw new Error("the test needs no credentials");
  },
};

const REQUEST = {
  jobId: "nightly-7",
  granteeRoleArn: "arn:aws:iam::111122223333:role/jobs/nightly",
  operations: ["Decrypt"],
  endsAtMs: NOW_MS + HOUR_MS,
} as const;

const parsed = (changes: object = {}) =>
  parseJobGrantRequest(access, { ...REQUEST, ...changes } as JobGrantRequest, NOW_MS);

test("a job is lent the key for the tenant's own data, and may always give it back", () => {
  expect(parsed({ context: { invoice: "7" } })).toEqual({
    jobId: "nightly-7",
    granteeRoleArn: REQUEST.granteeRoleArn,
    operations: ["Decrypt", "RetireGrant"],
    context: { tenant: "acme", keyName: "default", stage: "dev", invoice: "7" },
    keyArn: KEY_ARN,
    endsAtMs: NOW_MS + HOUR_MS,
  });
});

test("operations come in one order and each once, so that the same asked again is the same grant", () => {
  const orders = [
    ["Encrypt", "Decrypt"],
    ["Decrypt", "Encrypt", "Decrypt"],
  ];
  for (const operations of orders) {
    expect(parsed({ operations }).operations).toEqual(["Decrypt", "Encrypt", "RetireGrant"]);
  }
});

test("the end is said as a time or as minutes from now", () => {
  expect(parsed({ endsAtMs: undefined, durationMinutes: 90 }).endsAtMs).toBe(NOW_MS + 1.5 * HOUR_MS);
  expect(parsed({ endsAtMs: NOW_MS + 168 * HOUR_MS }).endsAtMs).toBe(NOW_MS + 168 * HOUR_MS);
});

test("what a replaced key encrypted can be lent as well", () => {
  expect(parsed({ keyArn: REPLACED_ARN }).keyArn).toBe(REPLACED_ARN);
});

test.each([
  ["jobId", { jobId: "" }],
  ["jobId", { jobId: "night/ly" }],
  ["jobId", { jobId: "x".repeat(65) }],
  ["granteeRoleArn", { granteeRoleArn: "nightly" }],
  ["granteeRoleArn", { granteeRoleArn: "arn:aws:sts::111122223333:assumed-role/nightly/session" }],
  ["operations", { operations: [] }],
  ["operations", { operations: ["Decrypt", "CreateGrant"] }],
  ["operations", { operations: ["ReEncryptFrom"] }],
  ["keyArn", { keyArn: "arn:aws:kms:eu-west-1:111122223333:key/somebody-elses" }],
  ["endsAtMs", { endsAtMs: NOW_MS }],
  ["endsAtMs", { endsAtMs: NOW_MS + 168 * HOUR_MS + 1 }],
  ["endsAtMs", { endsAtMs: NOW_MS + 0.5 }],
  ["durationMinutes", { endsAtMs: undefined, durationMinutes: 0 }],
  ["durationMinutes", { endsAtMs: undefined, durationMinutes: Number.NaN }],
  ["durationMinutes", { endsAtMs: undefined }],
  ["context", { context: Object.fromEntries(Array.from({ length: 6 }, (_, index) => [`pair${index}`, "x"])) }],
  ["context", { context: { invoice: "x".repeat(384) } }],
])("%s is refused by name: %o", (field, changes) => {
  expect(() => parsed(changes)).toThrow(
    expect.objectContaining({
      code: "job_grant_invalid",
      message: expect.stringContaining(`the grant for a job: ${field}: expected `),
      details: expect.objectContaining({ tenantId: "acme", keyName: "default", field }),
    }),
  );
});

test("no further pair takes the place of the tenant's own", () => {
  expect(() => parsed({ context: { tenant: "globex" } })).toThrow(
    expect.objectContaining({ code: "encryption_context_invalid" }),
  );
});
