import { expect, test } from "vitest";
import { parseAccountId, parseRegion, type Stage } from "../ids.ts";
import { CRYPTOGRAPHIC_ACTIONS } from "../key-actions.ts";
import { stageArns } from "../names.ts";
import { GUARDED_CALLS, GUARDED_CALLS_OF_OTHERS, guardPattern, KEY_USE_CALLS, keyUsePattern } from "./guard-pattern.ts";

const ofStage = (stage: string) =>
  stageArns(parseAccountId("111122223333"), parseRegion("ap-southeast-2"), stage as Stage).provisionerRole;
const PROVISIONER = ofStage("dev");

test("the guard looks at every call that takes a key away or lets somebody in, whoever made it", () => {
  const [called] = guardPattern(PROVISIONER).$or;
  expect(called).toEqual({
    source: ["aws.kms"],
    "detail-type": ["AWS API Call via CloudTrail"],
    detail: { eventSource: ["kms.amazonaws.com"], errorCode: [{ exists: false }], eventName: GUARDED_CALLS },
  });
  expect(GUARDED_CALLS).toEqual(
    expect.arrayContaining(["ScheduleKeyDeletion", "DisableKey", "PutKeyPolicy", "CreateGrant", "UpdateAlias"]),
  );
});

test("what the worker does for every sign-up wakes the guard only when another did it, with a session or without", () => {
  const [, ofOthers] = guardPattern(PROVISIONER).$or;
  expect(ofOthers).toMatchObject({
    detail: {
      eventName: GUARDED_CALLS_OF_OTHERS,
      userIdentity: {
        sessionContext: { sessionIssuer: { arn: [{ "anything-but": [PROVISIONER] }, { exists: false }] } },
      },
    },
  });
});

test("calls that AWS refused don't reach the guard, however many somebody without rights makes", () => {
  const [called, ofOthers] = guardPattern(PROVISIONER).$or;
  for (const one of [called, ofOthers]) expect(one).toMatchObject({ detail: { errorCode: [{ exists: false }] } });
});

test("KMS's own events are in it without a caller, as they have none", () => {
  expect(guardPattern(PROVISIONER).$or.at(-1)).toEqual({
    source: ["aws.kms"],
    "detail-type": ["KMS CMK Deletion", "KMS CMK Rotation", "KMS Imported Key Material Expiration"],
  });
});

test("no call is listed twice, and none that only reads, which such a rule never gets", () => {
  const calls = [...GUARDED_CALLS, ...GUARDED_CALLS_OF_OTHERS];
  expect(new Set(calls).size).toBe(calls.length);
  expect(calls.filter((name) => /^(Get|List|Describe)/.test(name))).toEqual([]);
});

test("uses of a key are the calls behind every cryptographic action; CreateGrant, which changes, is guarded", () => {
  const uses = CRYPTOGRAPHIC_ACTIONS.filter((action) => action !== "kms:CreateGrant");
  const calls = uses.map((action) => action.slice("kms:".length).replace(/^ReEncrypt.+$/, "ReEncrypt"));
  expect([...KEY_USE_CALLS].toSorted()).toEqual([...new Set(calls)].toSorted());
  expect(GUARDED_CALLS).toContain("CreateGrant");
});

test("both patterns fit EventBridge's 2,048 characters with the longest stage name", () => {
  expect(JSON.stringify(guardPattern(ofStage("s".repeat(20)))).length).toBeLessThanOrEqual(2_048);
  expect(JSON.stringify(keyUsePattern()).length).toBeLessThanOrEqual(2_048);
});
