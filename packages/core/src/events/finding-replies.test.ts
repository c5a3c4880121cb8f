import { describe, expect, test } from "vitest";
import { parseStage } from "../ids.ts";
import { ACME, DEFAULT_KEY } from "../test-support.ts";
import { finding, findingId, type StoredFinding } from "../verification/finding.ts";
import { findingReply } from "./finding-replies.ts";
import { FINDING_REPLY_TYPES } from "./replies.ts";
import { replySchema } from "./reply-schemas.ts";

const STAGE = parseStage("dev");
const KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11";
const FOUND = finding("key-disabled", {
  tenantId: ACME,
  keyName: DEFAULT_KEY,
  resource: KEY_ARN,
  expected: "Enabled",
  seen: "Disabled",
});
const STORED: StoredFinding = {
  ...FOUND,
  findingId: findingId(FOUND),
  firstSeenAtMs: 1_767_225_600_000,
  lastSeenAtMs: 1_767_229_200_000,
};
const CLOSED: StoredFinding = { ...STORED, closedAtMs: 1_767_232_800_000 };

/** What a subscriber gets: the detail went through JSON. */
const sent = (detail: unknown) => JSON.parse(JSON.stringify(detail)) as Record<string, unknown>;

test("an opened finding says what is wrong with what, whose it is, and since when", () => {
  const { source, detailType, detail } = findingReply("TenantKeyFindingOpened", STAGE, STORED);
  expect({ source, detailType, detail: sent(detail) }).toEqual({
    source: "tenantkeys",
    detailType: "TenantKeyFindingOpened",
    detail: {
      version: "1",
      replyId: `dev/key-disabled/acme/default/${KEY_ARN}/1767225600000/opened`,
      stage: "dev",
      findingId: `key-disabled/acme/default/${KEY_ARN}`,
      ruleId: "key-disabled",
      severity: "high",
      tenantId: "acme",
      keyName: "default",
      resource: KEY_ARN,
      expected: "Enabled",
      seen: "Disabled",
      firstSeenAt: "2026-01-01T00:00:00.000Z",
      lastSeenAt: "2026-01-01T01:00:00.000Z",
    },
  });
});

test("a closed one says when it closed, and has an id of its own", () => {
  const { detail } = findingReply("TenantKeyFindingClosed", STAGE, CLOSED);
  expect(detail).toMatchObject({
    replyId: `dev/key-disabled/acme/default/${KEY_ARN}/1767225600000/closed`,
    closedAt: "2026-01-01T02:00:00.000Z",
  });
});

describe.each(FINDING_REPLY_TYPES)("%s", (type) => {
  test("holds to its schema, and every field of it is in the schema", () => {
    const detail = sent(findingReply(type, STAGE, CLOSED).detail);
    const schema = replySchema(type);
    expect(schema.safeParse(detail)).toEqual({ success: true, data: detail });
    expect(Object.keys(schema.shape).sort()).toEqual(Object.keys(detail).sort());
    expect(schema.safeParse({ ...detail, version: "2" }).success).toBe(false);
    expect(schema.safeParse({ ...detail, more: "of a later version" }).success).toBe(true);
  });

  test("holds to its schema without a tenant, and with the longest texts", () => {
    const long = { resource: "r".repeat(2_000), expected: "e".repeat(9_000), seen: "s".repeat(9_000) };
    const stage = finding("sweep-overdue", { ...long, tenantId: undefined, keyName: undefined });
    const stored = { ...CLOSED, ...stage, findingId: findingId(stage) };
    const longest = { ...stored, ...FOUND, ...long, findingId: findingId({ ...FOUND, ...long }) };
    for (const one of [stored, longest]) {
      const detail = sent(findingReply(type, parseStage("s".repeat(20)), one).detail);
      expect(replySchema(type).safeParse(detail)).toEqual({ success: true, data: detail });
    }
  });
});

test("a finding that comes again after it was closed is another fact, and one that was seen again isn't", () => {
  const replyId = (stored: StoredFinding) => findingReply("TenantKeyFindingOpened", STAGE, stored).detail.replyId;
  expect(replyId({ ...STORED, firstSeenAtMs: 1_767_240_000_000 })).not.toBe(replyId(STORED));
  expect(replyId({ ...STORED, lastSeenAtMs: 1_767_240_000_000 })).toBe(replyId(STORED));
});
