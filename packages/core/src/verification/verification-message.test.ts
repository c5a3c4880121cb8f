import { describe, expect, test } from "vitest";
import { parseKeyName, parseTenantId } from "../ids.ts";
import { parseVerificationMessage, type VerificationWork, verificationMessage } from "./verification-message.ts";

const WORK: readonly VerificationWork[] = [
  { kind: "shard", sweepId: "5f0c2f0e-0c56-4a3c-9d38-8b9b0a5c9d11", shard: 0 },
  { kind: "tenant-key", tenantId: parseTenantId("acme") },
  { kind: "tenant-key", tenantId: parseTenantId("acme"), keyName: parseKeyName("payroll") },
];

test.each(WORK)("a message of ours is read as it was written: %o", (work) => {
  expect(parseVerificationMessage(verificationMessage(work))).toEqual(work);
});

test("an event of KMS's own is given on as it is", () => {
  const event = { version: "0", source: "aws.kms", "detail-type": "AWS API Call via CloudTrail", detail: { a: 1 } };
  expect(parseVerificationMessage(JSON.stringify(event))).toEqual({ kind: "aws-event", event });
});

describe("is refused:", () => {
  test.each([
    ["what isn't JSON", "no", "event_not_json", "not JSON"],
    ["what is no object", "[]", "event_type_unknown", "kind none"],
    ["null", "null", "event_invalid", "not an object"],
    ["an event of another service", '{"source":"aws.s3","detail-type":"x"}', "event_type_unknown", '"aws.s3"'],
    ["another kind", '{"version":"1","kind":"repair"}', "event_type_unknown", '"repair"'],
    ["another version", '{"version":"2","kind":"tenant-key","tenantId":"acme"}', "event_invalid", "version"],
    ["no tenant", '{"version":"1","kind":"tenant-key"}', "event_invalid", "tenantId: is missing"],
    ["a tenant id that is none", '{"version":"1","kind":"tenant-key","tenantId":"A B"}', "event_invalid", "tenantId"],
    ["a negative shard", '{"version":"1","kind":"shard","sweepId":"s","shard":-1}', "event_invalid", "shard"],
    ["a sweep id that is none", '{"version":"1","kind":"shard","sweepId":"a/b","shard":1}', "event_invalid", "sweepId"],
  ])("%s", (_what, body, code, says) => {
    expect(() => parseVerificationMessage(body)).toThrow(expect.objectContaining({ code }));
    expect(() => parseVerificationMessage(body)).toThrow(says);
  });
});
