/** Which of AWS's events wake the guard, asked of EventBridge's own matching (TestEventPattern). */
import { TestEventPatternCommand } from "@aws-sdk/client-eventbridge";
import { guardPattern, keyUsePattern, parseRoleArn } from "@tenantkeys/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Emulator, startEmulator } from "./emulator.ts";
import { type Caller, callerWith } from "./test-support.ts";

const PROVISIONER = "arn:aws:iam::000000000000:role/tenantkeys/tenantkeys-dev-provisioner";
const bySessionOf = (arn: string) => ({
  type: "AssumedRole",
  sessionContext: { sessionIssuer: { type: "Role", arn } },
});
const WORKER = bySessionOf(PROVISIONER);
const SOMEBODY = bySessionOf("arn:aws:iam::000000000000:role/somebody");
const USER = { type: "IAMUser", arn: "arn:aws:iam::000000000000:user/somebody" };
const ROOT = { type: "Root", arn: "arn:aws:iam::000000000000:root" };

let emulator: Emulator;
let root: Caller;

beforeAll(async () => {
  emulator = await startEmulator();
  root = callerWith(emulator, emulator.credentials);
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

async function matches(pattern: object, detailType: string, detail: object, source = "aws.kms"): Promise<boolean> {
  const event = {
    id: "0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11",
    account: "000000000000",
    source,
    time: "2026-11-01T09:00:00Z",
    region: "eu-west-1",
    resources: [],
    "detail-type": detailType,
    detail,
  };
  const command = new TestEventPatternCommand({ EventPattern: JSON.stringify(pattern), Event: JSON.stringify(event) });
  return (await root.events.send(command)).Result === true;
}

const called = (eventName: string, userIdentity: object) => ({
  eventSource: "kms.amazonaws.com",
  eventName,
  userIdentity,
});

describe("the guard", () => {
  const wakes = (detailType: string, detail: object, source?: string) =>
    matches(guardPattern(parseRoleArn(PROVISIONER)), detailType, detail, source);

  test.each(["ScheduleKeyDeletion", "PutKeyPolicy", "DisableKey", "CreateGrant"])(
    "is woken by %s, whoever called it",
    async (eventName) => {
      for (const caller of [WORKER, SOMEBODY, USER, ROOT]) {
        expect(await wakes("AWS API Call via CloudTrail", called(eventName, caller))).toBe(true);
      }
    },
  );

  test.each(["EnableKey", "CreateAlias", "EnableKeyRotation"])(
    "is woken by %s of anybody but the worker, also of those without a session",
    async (eventName) => {
      for (const caller of [SOMEBODY, USER, ROOT]) {
        expect(await wakes("AWS API Call via CloudTrail", called(eventName, caller))).toBe(true);
      }
      expect(await wakes("AWS API Call via CloudTrail", called(eventName, WORKER))).toBe(false);
    },
  );

  test.each(["KMS CMK Rotation", "KMS Imported Key Material Expiration", "KMS CMK Deletion"])(
    "is woken by KMS's own event %s",
    async (detailType) => {
      expect(await wakes(detailType, { "key-id": "0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11" })).toBe(true);
    },
  );

  test("sleeps through uses of keys, other services, and what only looks like KMS", async () => {
    expect(await wakes("AWS API Call via CloudTrail", called("Decrypt", SOMEBODY))).toBe(false);
    expect(await wakes("AWS API Call via CloudTrail", called("PutKeyPolicy", SOMEBODY), "our.app")).toBe(false);
    const ofIam = { ...called("DisableKey", SOMEBODY), eventSource: "iam.amazonaws.com" };
    expect(await wakes("AWS API Call via CloudTrail", ofIam)).toBe(false);
  });
});

test("the rule for uses of keys takes crypto calls, and no others", async () => {
  const taken = (eventName: string) =>
    matches(keyUsePattern(), "AWS API Call via CloudTrail", called(eventName, SOMEBODY));
  for (const eventName of ["Decrypt", "GenerateDataKey", "ReEncrypt", "Sign"])
    expect(await taken(eventName)).toBe(true);
  for (const eventName of ["DescribeKey", "PutKeyPolicy"]) expect(await taken(eventName)).toBe(false);
});
