import { expect, test } from "vitest";
import { EVERY_USE_ACTION } from "./key-actions.ts";
import type { KeyProfile } from "./key-profile.ts";
import { tenantPermissionsBoundary } from "./permissions-boundary.ts";
import { parseStageSettings } from "./stage-settings.ts";
import { characters, exampleContext, exampleProfile, SETTINGS_INPUT } from "./test-support.ts";

const DEFAULTS = parseStageSettings(SETTINGS_INPUT);
const boundary = (tenantDataActions: string[], ...profiles: readonly KeyProfile[]) =>
  tenantPermissionsBoundary(exampleContext(), {
    tenantDataActions,
    tenantOwnedKeys: false,
    profiles: { ...DEFAULTS.profiles, ...Object.fromEntries(profiles.entries()) },
  });

test("the boundary allows the use of keys and the stage's data actions, and nothing else", () => {
  expect(boundary(["s3:GetObject"])).toEqual({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "UseKeysAtMost",
        Effect: "Allow",
        Action: [...EVERY_USE_ACTION],
        Resource: "arn:aws:kms:eu-west-1:111122223333:key/*",
      },
      { Sid: "TouchDataAtMost", Effect: "Allow", Action: ["s3:GetObject"], Resource: "*" },
    ],
  });
});

test("the boundary never lets a tenant's role administer a key, touch IAM or become another role", () => {
  const actions = boundary(DEFAULTS.tenantDataActions).Statement.flatMap(({ Action }) => Action);
  expect(actions.filter((action) => /^(iam|sts|organizations):|\*/.test(action))).toEqual([]);
  expect(actions.filter((action) => action.startsWith("kms:"))).toEqual([...EVERY_USE_ACTION]);
});

test("without data actions there is no statement about data, since IAM refuses an empty list", () => {
  const { Statement } = boundary([]);
  expect(Statement.map(({ Sid }) => Sid)).toEqual(["UseKeysAtMost"]);
});

test("grants for services are within the boundary once a profile has them, and no grants of the role's own making", () => {
  const keys = "arn:aws:kms:eu-west-1:111122223333:key/*";
  expect(boundary([], exampleProfile({ serviceGrants: true })).Statement[1]).toEqual({
    Sid: "GrantToServicesAtMost",
    Effect: "Allow",
    Action: ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
    Resource: keys,
    Condition: { Bool: { "kms:GrantIsForAWSResource": "true" } },
  });
});

test("grants to jobs are within the boundary once a profile has jobs, and only such as are bound to a context", () => {
  const Resource = "arn:aws:kms:eu-west-1:111122223333:key/*";
  const profile = exampleProfile({ jobRoleArns: ["arn:aws:iam::111122223333:role/jobs/nightly"] });
  const types = ["EncryptionContextEquals", "EncryptionContextSubset"];
  expect(boundary([], profile).Statement.slice(1)).toEqual([
    {
      Sid: "GrantToJobsAtMost",
      Effect: "Allow",
      Action: ["kms:CreateGrant"],
      Resource,
      Condition: { StringEquals: { "kms:GrantConstraintType": types } },
    },
    { Sid: "RetireGrantsAtMost", Effect: "Allow", Action: ["kms:RetireGrant"], Resource },
  ]);
});

test("keys of every Region are within the boundary once a profile has replicas", () => {
  const { Statement } = boundary([], exampleProfile({ replicaRegions: ["eu-central-1"], serviceGrants: true }));
  expect(Statement.map(({ Resource }) => Resource)).toEqual(Array(2).fill("arn:aws:kms:*:111122223333:key/*"));
});

test("the default boundary fits a managed policy's 6,144 characters", () => {
  expect(characters(boundary(DEFAULTS.tenantDataActions))).toBeLessThanOrEqual(6_144);
});

test("where tenants may bring keys of their own accounts, keys of any account may be used at most, and no more is done to them", () => {
  const { Statement } = tenantPermissionsBoundary(exampleContext(), { ...DEFAULTS, tenantOwnedKeys: true });
  expect(Statement[0]).toMatchObject({ Resource: "arn:aws:kms:*:*:key/*", Action: [...EVERY_USE_ACTION] });
});
