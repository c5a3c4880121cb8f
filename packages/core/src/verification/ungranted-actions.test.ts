import { expect, test } from "vitest";
import { desiredTenantKey } from "../desired-state.ts";
import { parseAccountId, parseKeyName, parseRegion, parseTenantId } from "../ids.ts";
import { completeKeyProfile } from "../key-profile.ts";
import { stageContext } from "../stage-context.ts";
import { parseStageSettings } from "../stage-settings.ts";
import { ungrantedActions } from "./ungranted-actions.ts";

const SETTINGS = parseStageSettings({ stage: "dev", applicationRoleArns: ["arn:aws:iam::111122223333:role/app"] });
const CONTEXT = stageContext(SETTINGS, parseAccountId("111122223333"), parseRegion("eu-west-1"));

function ofProfile(profile: Parameters<typeof completeKeyProfile>[0]) {
  const desired = desiredTenantKey(
    CONTEXT,
    parseTenantId("acme"),
    parseKeyName("default"),
    completeKeyProfile(profile),
  );
  return { desired, actions: ungrantedActions(desired) };
}

test("none of a key's own policies grants an action that it shouldn't", () => {
  const { desired, actions } = ofProfile({});
  expect(actions).toContain("kms:CreateGrant");
  expect(actions).toContain("kms:DeleteImportedKeyMaterial");
  for (const policy of [desired.creationPolicy, desired.admittedPolicy, desired.departingPolicy]) {
    const granted = policy.Statement.filter(({ Effect }) => Effect === "Allow").flatMap(({ Action }) => Action);
    expect(granted.filter((action) => actions.includes(action))).toEqual([]);
  }
});

test("what the profile lets somebody do is not asked about", () => {
  expect(ofProfile({}).actions).not.toContain("kms:Decrypt");
  expect(ofProfile({ actions: "encrypt-only" }).actions).toContain("kms:Decrypt");
  expect(ofProfile({ serviceGrants: true }).actions).not.toContain("kms:CreateGrant");
  expect(ofProfile({ keySpec: "RSA_2048" }).actions).not.toContain("kms:Sign");
});
