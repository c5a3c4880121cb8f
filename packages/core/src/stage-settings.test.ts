import { describe, expect, test } from "vitest";
import { TenantKeysError } from "./errors.ts";
import { parseTenantId } from "./ids.ts";
import { completeKeyProfile } from "./key-profile.ts";
import { tenantPermissionsBoundary } from "./permissions-boundary.ts";
import { parseStageSettings } from "./stage-settings.ts";
import { characters, exampleContext, longRoleArns } from "./test-support.ts";
import { tenantTrustPolicy } from "./trust-policy.ts";
import { workerSettings } from "./worker-settings.ts";

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
    eventSources: ["tenantkeys.application", "sbt.control.plane"],
    eventMappings: [],
    roleMode: "per-tenant",
    tenantOwnedKeys: false,
    approvalPrincipal: "role",
    reviewIntervalMinutes: 15,
    sweepIntervalMinutes: 60,
    sweepQuotaShare: 0.4,
    verifyConcurrency: 10,
    cancelUnintendedDeletions: false,
    automaticRepair: false,
    repairKeysMax: 10,
    repairSharePercent: 5,
    watchKeyUse: false,
    canary: true,
    canaryIntervalMinutes: 15,
    securityHub: false,
    accessAnalyzer: false,
    branchKeys: false,
    alarmEmails: [],
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
    profiles: { default: completeKeyProfile() },
    keyProfiles: {},
    sbtReplySource: "sbt.application.plane",
  });
});

test.each([
  ["roleMode", ["per-tenant", "session-tag"], ["shared", ""]],
  ["approvalPrincipal", ["role", "session"], ["person"]],
  ["reviewIntervalMinutes", [5, 1440], [4, 1441, 5.5]],
  ["sweepQuotaShare", [0.01, 0.5], [0, 0.51, "0.4"]],
  ["alarmEmails", [[], ["on-call@example.com"]], ["on-call@example.com", ["on-call"], ["a@b", "a@b"]]],
  ["canaryIntervalMinutes", [5, 1440], [4, 1441, 7.5]],
  ["sbtReplySource", ["x", "x".repeat(256)], ["", "x".repeat(257), 7]],
  ["createKeyRatePerSecond", [0.1, 1000], [0, 0.09, 1000.1, "5", Number.NaN]],
  ["maximumConcurrency", [2, 1000], [1, 1001, 2.5]],
  ["batchSize", [1, 10], [0, 11]],
  ["provisionTimeoutSeconds", [10, 900], [9, 901]],
  ["receivesMax", [2, 1000], [1, 1001]],
  ["retryDelaySeconds", [1, 900], [0, 901]],
  ["roleVisibilityBudgetSeconds", [1, 600], [0, 601]],
  ["archiveRetentionDays", [1, 3653], [0, 3654]],
  ["logRetentionDays", [1, 3653], [2, 0]],
  ["eventSources", [["x"], ["x".repeat(256)]], [[], [""], ["x".repeat(257)], ["tenantkeys"], "x"]],
  ["administratorRoleArns", [[], longRoleArns(5)], [longRoleArns(6), [ROLE, ROLE], ["*"], [`${ROLE}*`]]],
  ["applicationRoleArns", [[ROLE]], [[], [ROLE, ROLE], ["*"], longRoleArns(6, 60), longRoleArns(1, 614)]],
  ["tenantDataActions", [[], ["s3:GetObject"]], [["s3:*"], ["kms:Decrypt"], ["iam:PassRole"], ["s3:A", "s3:A"]]],
  ["stage", ["a", "a".repeat(20)], ["", "a-b", "Dev", "a".repeat(21)]],
] as const)("%s takes its limits, and refuses what lies beyond by name", (field, accepted, refused) => {
  for (const value of accepted) expect(parseStageSettings({ ...LEAST, [field]: value })).toHaveProperty(field, value);
  for (const value of refused) expect(refusal({ ...LEAST, [field]: value })).toContain(`stage settings: ${field}`);
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
  const longest = longRoleArns(5, 280);
  const context = exampleContext({ applicationRoleArns: longest });
  expect(characters(tenantTrustPolicy(context, parseTenantId("t".repeat(36))))).toBeLessThanOrEqual(2048);
  expect(refusal({ ...LEAST, applicationRoleArns: longRoleArns(5, 281) })).toContain("applicationRoleArns");
  expect(refusal({ ...LEAST, applicationRoleArns: longRoleArns(3, 607) })).toContain("a trust policy holds them");
});

test("data actions that a permissions boundary of 6,144 characters can't hold are refused, and all that pass fit", () => {
  const actions = Array.from({ length: 130 }, (_, index) => `secretsmanager:${letters(index)}${"A".repeat(20)}`);
  const profiles = { default: { serviceGrants: true, replicaRegions: ["eu-central-1"] } };
  const settings = parseStageSettings({ ...LEAST, stage: "s".repeat(20), tenantDataActions: actions, profiles });
  const context = exampleContext({ stage: settings.stage });
  expect(characters(tenantPermissionsBoundary(context, settings))).toBeLessThanOrEqual(6144);
  expect(refusal({ ...LEAST, tenantDataActions: [...actions, ...actions.map((action) => `${action}B`)] })).toContain(
    "tenantDataActions: expected at most 5250 characters",
  );
});

function letters(index: number): string {
  return String.fromCharCode(65 + Math.floor(index / 26), 65 + (index % 26));
}

test("settings that the worker's environment can't hold are refused", () => {
  const profiles = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`profile-${index}`, {}]));
  expect(() => parseStageSettings({ ...LEAST, profiles: { default: {}, ...profiles } })).toThrow(
    /hold \d+ bytes for the worker, more than the 3600/,
  );
});

test("profiles of key names must be there, and are named where they aren't", () => {
  const profiles = { default: {}, strict: { strictEncryptionContext: true } };
  expect(parseStageSettings({ ...LEAST, profiles, keyProfiles: { payroll: "strict" } }).keyProfiles).toEqual({
    payroll: "strict",
  });
  expect(refusal({ ...LEAST, profiles, keyProfiles: { payroll: "strictest" } })).toBe(
    'stage settings: keyProfiles.payroll: expected the name of a profile (default, strict), got "strictest"',
  );
  expect(refusal({ ...LEAST, keyProfiles: { payroll: "constructor" } })).toContain("keyProfiles.payroll");
  expect(refusal({ ...LEAST, keyProfiles: { Payroll: "default" } })).toContain("keyProfiles.Payroll");
  expect(refusal({ ...LEAST, keyProfiles: { payroll: 7 } })).toContain("keyProfiles.payroll: expected string");
});

describe("eventMappings", () => {
  const mapping = {
    detailType: "CustomerCreated",
    source: "crm",
    as: "TenantSignedUp",
    fields: { tenantId: "$.detail.id" },
  };

  test("that can work are taken, and the worker is told of them", () => {
    const settings = parseStageSettings({
      ...LEAST,
      eventMappings: [{ ...mapping, constants: { profile: "default" } }],
    });
    expect(workerSettings(settings).eventMappings).toEqual(settings.eventMappings);
  });

  test("that can't work are refused, naming the field", () => {
    const refused = (change: object) => refusal({ ...LEAST, eventMappings: [{ ...mapping, ...change }] });
    expect(refused({ fields: { tenantId: "$..id" } })).toContain("eventMappings.0.fields.tenantId: expected one place");
    expect(refused({ fields: {} })).toContain("eventMappings.0.fields.tenantId: is missing");
    expect(refused({ constants: { profile: "gold" } })).toContain(
      'eventMappings.0.constants.profile: the stage has no key profile "gold"; it has: default',
    );
  });
});

test("event sources that the rule's pattern can't hold are refused, naming the field", () => {
  const eventSources = Array.from({ length: 8 }, (_, index) => `${index}`.repeat(256));
  expect(() => parseStageSettings({ ...LEAST, eventSources })).toThrow(/eventSources: .*1580/);
});
