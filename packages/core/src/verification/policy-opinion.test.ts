import { expect, test } from "vitest";
import { parseKeyArn, parseKeyName, parseTenantId } from "../ids.ts";
import { judgePolicyAnswer } from "./policy-opinion.ts";

const KEY = {
  tenantId: parseTenantId("acme"),
  keyName: parseKeyName("default"),
  keyArn: parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/1234"),
};

test("a policy that passed, and one that nobody asks about, is no finding", () => {
  const nothing = { findings: [], unjudged: [] };
  expect(judgePolicyAnswer(KEY, { kind: "off" })).toEqual(nothing);
  expect(judgePolicyAnswer(KEY, { kind: "answered", opinion: { policyHash: "a", objections: [] } })).toEqual(nothing);
});

test("objections are one finding of the key, with all that was said", () => {
  const opinion = { policyHash: "a", objections: ["open to all by statement X", "grants kms:CreateGrant"] };
  expect(judgePolicyAnswer(KEY, { kind: "answered", opinion })).toMatchObject({
    findings: [
      {
        ruleId: "public-access",
        severity: "critical",
        tenantId: "acme",
        keyName: "default",
        resource: KEY.keyArn,
        seen: "open to all by statement X; grants kms:CreateGrant",
      },
    ],
    unjudged: [],
  });
});

test.each(["denied", "failed"] as const)("an answer that was %s could not be verified, and closes nothing", (kind) => {
  const answer = { kind, operation: "access-analyzer:CheckNoPublicAccess", reason: "not authorized" };
  expect(judgePolicyAnswer(KEY, answer)).toMatchObject({
    findings: [{ ruleId: "could-not-verify", severity: "medium", seen: "not authorized" }],
    unjudged: ["public-access"],
  });
});
