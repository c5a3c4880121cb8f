import { expect, test } from "vitest";
import { USE_ACTIONS } from "./key-actions.ts";
import { tenantPermissionsBoundary } from "./permissions-boundary.ts";
import { parseStageSettings } from "./stage-settings.ts";
import { characters, exampleContext, SETTINGS_INPUT } from "./test-support.ts";

const DEFAULT_ACTIONS = parseStageSettings(SETTINGS_INPUT).tenantDataActions;

test("the boundary allows the use of keys and the stage's data actions, and nothing else", () => {
  expect(tenantPermissionsBoundary(exampleContext(), ["s3:GetObject"])).toEqual({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "UseKeysAtMost",
        Effect: "Allow",
        Action: [...USE_ACTIONS],
        Resource: "arn:aws:kms:eu-west-1:111122223333:key/*",
      },
      { Sid: "TouchDataAtMost", Effect: "Allow", Action: ["s3:GetObject"], Resource: "*" },
    ],
  });
});

test("the boundary never lets a tenant's role administer a key, touch IAM or become another role", () => {
  const actions = tenantPermissionsBoundary(exampleContext(), DEFAULT_ACTIONS).Statement.flatMap(
    ({ Action }) => Action,
  );
  expect(actions.filter((action) => /^(iam|sts|organizations):|\*/.test(action))).toEqual([]);
  expect(actions.filter((action) => action.startsWith("kms:"))).toEqual([...USE_ACTIONS]);
});

test("without data actions there is no statement about data, since IAM refuses an empty list", () => {
  const { Statement } = tenantPermissionsBoundary(exampleContext(), []);
  expect(Statement.map(({ Sid }) => Sid)).toEqual(["UseKeysAtMost"]);
});

test("the default boundary fits a managed policy's 6,144 characters", () => {
  expect(characters(tenantPermissionsBoundary(exampleContext(), DEFAULT_ACTIONS))).toBeLessThanOrEqual(6_144);
});
