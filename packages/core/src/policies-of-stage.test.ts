import { expect, test } from "vitest";
import { parseAccountId, parseRegion } from "./ids.ts";
import { policiesOfStage } from "./policies-of-stage.ts";
import { stageContext } from "./stage-context.ts";
import { parseStageSettings, type StageSettingsInput } from "./stage-settings.ts";

function policiesOf(changes: Partial<StageSettingsInput>) {
  const applicationRoleArns = ["arn:aws:iam::111122223333:role/app"];
  const settings = parseStageSettings({ stage: "dev", applicationRoleArns, ...changes });
  return policiesOfStage(stageContext(settings, parseAccountId("111122223333"), parseRegion("eu-west-1")), settings);
}

test("every policy that a profile makes is there, with what it is for", () => {
  expect(policiesOf({}).map(({ kind, names }) => [kind, ...names])).toEqual([
    ["key", "profile default: key until its tenant is let in"],
    ["key", "profile default: key in use"],
    ["key", "profile default: key of a tenant that leaves"],
    ["trust", "profile default: trust policy of the role"],
    ["role", "profile default: policy of the role"],
    ["trust", "trust policy of the role of a tenant of the canary's"],
    ["boundary", "permissions boundary of tenants' roles"],
  ]);
});

test("a document that several profiles share is there once, with all their names", () => {
  const policies = policiesOf({ canary: false, profiles: { default: {}, narrow: { actions: "decrypt-only" } } });
  expect(policies.filter(({ kind }) => kind === "trust").map(({ names }) => names)).toEqual([
    ["profile default: trust policy of the role", "profile narrow: trust policy of the role"],
  ]);
  const inUse = policies.filter(({ names }) => names.some((name) => name.endsWith("key in use")));
  expect(inUse.map(({ names }) => names)).toEqual([["profile default: key in use"], ["profile narrow: key in use"]]);
});

test("a role that all tenants share has no policy of its own", () => {
  expect(policiesOf({ roleMode: "session-tag" }).map(({ kind }) => kind)).not.toContain("role");
});
