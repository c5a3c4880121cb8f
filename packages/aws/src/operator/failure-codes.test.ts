import { type KeyRecord, parseKeyName, parseTenantId } from "@tenantkeys/core";
import { expect, test } from "vitest";
import type { DeadLetter } from "./dead-letters.ts";
import { createFailureCodes } from "./failure-codes.ts";

function key(eventId: string, code?: string): KeyRecord {
  const failure = code === undefined ? undefined : { code, message: "", step: "", nextAction: "", failedAtMs: 1 };
  return {
    tenantId: parseTenantId("acme"),
    keyName: parseKeyName("default"),
    state: "failed",
    generation: 1,
    profile: "default",
    attempts: [],
    fence: 1,
    leaseUntilMs: 0,
    eventId,
    declaredAtMs: 1,
    updatedAtMs: 1,
    ...(failure === undefined ? {} : { failure }),
  };
}

const letter = (changes: Partial<DeadLetter> = {}): DeadLetter => ({
  queueName: "dlq",
  messageId: "message-1",
  tenantId: "acme",
  eventId: "event-1",
  source: "tenantkeys.application",
  detailType: "TenantSignedUp",
  sentAtMs: 1,
  ...changes,
});

/** Of a tenant with a key of event 1 that failed with one code, one of event 2 with another, and a sound one. */
function prepare() {
  const read: string[] = [];
  const codes = createFailureCodes([], async (tenantId) => {
    read.push(tenantId);
    return [key("event-1", "access_denied"), key("event-2", "throttled"), key("event-1")];
  });
  return { codes, read };
}

test("a sign-up failed as the keys did that it declared", async () => {
  const { codes } = prepare();
  expect(await codes(letter())).toEqual(["access_denied"]);
  expect(await codes(letter({ detailType: "sbt_aws_onboardingRequest" }))).toEqual(["access_denied"]);
  expect(await codes(letter({ eventId: "event-9" }))).toEqual([]);
});

test("any other event failed as any key of its tenant did", async () => {
  expect(await prepare().codes(letter({ detailType: "TenantSuspended", eventId: "event-9" }))).toEqual([
    "access_denied",
    "throttled",
  ]);
});

test("a letter that names no tenant, or one that can't be, has no failure", async () => {
  const { codes, read } = prepare();
  expect(await codes(letter({ tenantId: undefined }))).toEqual([]);
  expect(await codes(letter({ tenantId: "Not Valid" }))).toEqual([]);
  expect(read).toEqual([]);
});

test("each tenant is read once", async () => {
  const { codes, read } = prepare();
  await Promise.all([codes(letter()), codes(letter()), codes(letter({ eventId: "event-2" }))]);
  expect(read).toEqual(["acme"]);
});
