import { expect, test } from "vitest";
import { TenantKeysError } from "./errors.ts";
import { parseTenantId } from "./ids.ts";
import { tenantPermissionsBoundary } from "./permissions-boundary.ts";
import { parseStageSettings, workerSettings } from "./stage-settings.ts";
import { characters, exampleContext, longRoleArns } from "./test-support.ts";
import { tenantTrustPolicy } from "./trust-policy.ts";

const ROLE = "arn:aws:iam::111122223333:role/app/acme-web";
const LEAST = { stage: "dev", applicationRoleArns: [ROLE] };

function refusal(input: unknown): string {
  try {
    parseStageSettings(input);
  } catch (error) {
    expect(error).toBeInstanceOf(TenantKeysError);
    expect(error).toMatchObject({ code: "settings_invalid", retryable: false });
    return (error as TenantKeysError).message;
  }
  throw new Error("the settings were accepted");
}

test("a stage needs a name and an application role; everything else has a default", () => {
  expect(parseStageSettings(LEAST)).toEqual({
    stage: "dev",
    applicationRoleArns: [ROLE],
    administratorRoleArns: [],
    signUpEventSources: ["tenantkeys.application", "sbt.control.plane"],
    createKeyRatePerSecond: 5,
    maximumConcurrency: 5,
    batchSize: 10,
    provisionTimeoutSeconds: 60,
    receivesMax: 10,
    retryDelaySeconds: 5,
    roleVisibilityBudgetSeconds: 30,
    archiveRetentionDays: 365,
    logRetentionDays: 90,
    tenantDataActions: [
      "s3:DeleteObject",
      "s3:GetObject",
      "s3:ListBucket",
      "s3:PutObject",
      "dynamodb:DeleteItem",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "dynamodb:UpdateItem",
      "secretsmanager:GetSecretValue",
    ],
    profiles: { default: { rotationPeriodDays: 365 } },
  });
});

test.each([
  ["createKeyRatePerSecond", [0.1, 1000], [0, 0.09, 1000.1, "5", Number.NaN]],
  ["maximumConcurrency", [2, 1000], [1, 1001, 2.5]],
  ["batchSize", [1, 10], [0, 11]],
  ["provisionTimeoutSeconds", [10, 900], [9, 901]],
  ["receivesMax", [2, 1000], [1, 1001]],
  ["retryDelaySeconds", [1, 900], [0, 901]],
  ["roleVisibilityBudgetSeconds", [1, 600], [0, 601]],
  ["archiveRetentionDays", [1, 3653], [0, 3654]],
  ["logRetentionDays", [1, 3653], [2, 0]],
  ["signUpEventSources", [["x"], ["x".repeat(256)]], [[], [""], ["x".repeat(257)], "x"]],
  ["administratorRoleArns", [[], longRoleArns(5)], [longRoleArns(6), [ROLE, ROLE], ["*"], [`${ROLE}*`]]],
  ["applicationRoleArns", [[ROLE]], [[], [ROLE, ROLE], ["*"], longRoleArns(6, 60), longRoleArns(1, 614)]],
  ["tenantDataActions", [[], ["s3:GetObject"]], [["s3:*"], ["kms:Decrypt"], ["iam:PassRole"], ["s3:A", "s3:A"]]],
  ["stage", ["a", "a".repeat(20)], ["", "a-b", "Dev", "a".repeat(21)]],
] as const)("%s takes its limits, and refuses what lies beyond by name", (field, accepted, refused) => {
  for (const value of accepted) expect(parseStageSettings({ ...LEAST, [field]: value })).toHaveProperty(field, value);
  for (const value of refused) expect(refusal({ ...LEAST, [field]: value })).toContain(`stage settings: ${field}`);
});

test.each([
  [90, true],
  [2560, true],
  [89, false],
  [2561, false],
])("a profile's rotation period of %i days is accepted: %s", (rotationPeriodDays, accepted) => {
  const settings = { ...LEAST, profiles: { default: { rotationPeriodDays } } };
  if (accepted) expect(parseStageSettings(settings).profiles).toEqual({ default: { rotationPeriodDays } });
  else expect(refusal(settings)).toContain("profiles.default.rotationPeriodDays: expected at ");
});

test("profiles must hold one named default, and their names are key names", () => {
  expect(refusal({ ...LEAST, profiles: { strict: {} } })).toContain('profiles must hold one named "default"');
  expect(refusal({ ...LEAST, profiles: { default: {}, Strict: {} } })).toContain("profiles.Strict");
});

test("a misspelled field is refused by its name, in the settings and in a profile", () => {
  expect(refusal({ ...LEAST, batchsize: 5 })).toContain("unknown field batchsize");
  expect(refusal({ ...LEAST, profiles: { default: { rotationDays: 90 } } })).toContain(
    "profiles.default: unknown field rotationDays",
  );
});

test("a refusal names every missing field, and says what kind of value a wrong one is", () => {
  expect(refusal({})).toBe("stage settings: stage: is missing; applicationRoleArns: is missing");
  expect(refusal({ ...LEAST, batchSize: null })).toBe("stage settings: batchSize: expected number, got null");
  expect(refusal({ ...LEAST, batchSize: 1.5 })).toBe("stage settings: batchSize: expected a whole number, got number");
});

test.each([undefined, null, 3, "dev", []])("settings that aren't an object are refused: %o", (input) => {
  expect(refusal(input)).toContain("stage settings: (whole): ");
});

test("application role ARNs that a trust policy of 2,048 characters can't hold are refused, and all that pass fit", () => {
  const longest = longRoleArns(5, 356);
  const context = exampleContext({ applicationRoleArns: longest });
  expect(characters(tenantTrustPolicy(context, parseTenantId("t".repeat(36))))).toBeLessThanOrEqual(2048);
  expect(refusal({ ...LEAST, applicationRoleArns: longRoleArns(5, 357) })).toContain("applicationRoleArns");
  expect(refusal({ ...LEAST, applicationRoleArns: longRoleArns(4, 607) })).toContain("a trust policy holds them");
});

test("data actions that a permissions boundary of 6,144 characters can't hold are refused, and all that pass fit", () => {
  const actions = Array.from({ length: 136 }, (_, index) => `secretsmanager:${letters(index)}${"A".repeat(20)}`);
  const settings = parseStageSettings({ ...LEAST, stage: "s".repeat(20), tenantDataActions: actions });
  const context = exampleContext({ stage: settings.stage });
  expect(characters(tenantPermissionsBoundary(context, settings.tenantDataActions))).toBeLessThanOrEqual(6144);
  expect(refusal({ ...LEAST, tenantDataActions: [...actions, ...actions.map((action) => `${action}B`)] })).toContain(
    "tenantDataActions: expected at most 5500 characters",
  );
});

function letters(index: number): string {
  return String.fromCharCode(65 + Math.floor(index / 26), 65 + (index % 26));
}

test("settings that the worker's environment can't hold are refused", () => {
  const profiles = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`profile-${index}`, {}]));
  expect(() => parseStageSettings({ ...LEAST, profiles: { default: {}, ...profiles } })).toThrow(
    /hold \d+ bytes for the worker, more than the 3600/,
  );
});

test("the worker is told everything but what only the stacks need, and its settings pass the check again", () => {
  const settings = parseStageSettings(LEAST);
  const told = workerSettings(settings);
  expect(Object.keys(settings).filter((name) => !(name in told))).toEqual([
    "signUpEventSources",
    "archiveRetentionDays",
    "logRetentionDays",
    "tenantDataActions",
  ]);
  expect(parseStageSettings(told)).toEqual(settings);
});

test("event sources that the rule's pattern can't hold are refused, naming the field", () => {
  const signUpEventSources = Array.from({ length: 8 }, (_, index) => `${index}`.repeat(256));
  expect(() => parseStageSettings({ ...LEAST, signUpEventSources })).toThrow(/signUpEventSources: .*1800/);
});
