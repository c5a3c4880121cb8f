import { expect, test } from "vitest";
import { desiredTenantKey } from "../desired-state.ts";
import { parseAttemptId, parseKeyArn } from "../ids.ts";
import type { ObservedKey, ObservedTenantKey } from "../observed-state.ts";
import { ACME, DEFAULT_KEY, exampleContext, exampleProfile } from "../test-support.ts";
import type { RuleId } from "./finding-rules.ts";
import { planRepair } from "./plan-repair.ts";
import { permissionsOf } from "./repair.ts";

const DESIRED = desiredTenantKey(exampleContext(), ACME, DEFAULT_KEY, exampleProfile());
const KEY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/1");
const ATTEMPT_ID = parseAttemptId("attempt-1");
const KEY: ObservedKey = {
  keyArn: KEY_ARN,
  state: "Enabled",
  tags: DESIRED.keyTags(ATTEMPT_ID),
  policy: DESIRED.admittedPolicy,
  origin: "AWS_KMS",
  rotation: { enabled: true, periodDays: DESIRED.rotationPeriodDays },
};
const OTHER: ObservedKey = { ...KEY, keyArn: parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/2"), tags: {} };

function repair(alias: ObservedTenantKey["alias"], ruleId: RuleId) {
  const observed: ObservedTenantKey = {
    role: { ...DESIRED.role, policyNames: [DESIRED.role.policyName] },
    rolePolicy: DESIRED.rolePolicy(KEY_ARN),
    alias,
    taggedKeys: [KEY],
    recordedKey: "read",
  };
  const attempts = [{ attemptId: ATTEMPT_ID, outcome: "created" as const, keyArn: KEY_ARN }];
  const recorded = { keyArn: KEY_ARN, roleArn: DESIRED.role.arn, state: "active" as const, attempts };
  const planned = planRepair(DESIRED, observed, recorded, "usable", permissionsOf([ruleId], "person"));
  if (planned.kind === "refused") throw planned.error;
  return { kinds: planned.steps.flat().map(({ kind }) => kind), refusal: planned.refusal?.code };
}

const MOVED = { kinds: ["move-alias"], refusal: undefined };

test("an alias is moved off a dying key where that is the finding, also where the key lets nobody of ours look", () => {
  const dying: ObservedKey = { ...OTHER, state: "PendingDeletion" };
  expect(repair({ kind: "present", key: dying }, "alias-on-dying-key")).toEqual(MOVED);
  expect(repair({ kind: "unreadable" }, "alias-on-dying-key")).toEqual(MOVED);
});

test("an alias stays on a living key, and on one that hides, unless that is the finding", () => {
  expect(repair({ kind: "present", key: OTHER }, "alias-on-dying-key")).toEqual({ kinds: [], refusal: undefined });
  expect(repair({ kind: "present", key: OTHER }, "alias-on-another-key")).toEqual(MOVED);
  expect(repair({ kind: "unreadable" }, "alias-on-another-key")).toEqual(MOVED);
  expect(repair({ kind: "unreadable" }, "alias-missing")).toEqual({ kinds: [], refusal: undefined });
});
