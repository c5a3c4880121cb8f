import { expect, test } from "vitest";
import { parseStageSettings } from "./stage-settings.ts";
import { readWorkerSettings, workerSettings } from "./worker-settings.ts";

const LEAST = { stage: "dev", applicationRoleArns: ["arn:aws:iam::111122223333:role/app/acme-web"] };
/** As the environment variable carries them. */
const sent = (value: object) => JSON.parse(JSON.stringify(value));

/** Every field of every profile differs from its default. */
const RICH = {
  rotationPeriodDays: 2560,
  deletionWindowDays: 14,
  watchPeriodDays: 30,
  approvalRequired: true,
  viaServices: ["s3", "dynamodb", "secretsmanager"],
  serviceGrants: true,
  outsideAccounts: ["444455556666", "777788889999"],
  administratorRoleArns: ["arn:aws:iam::111122223333:role/people/Bank"],
  replicaRegions: ["eu-central-1", "eu-west-3"],
};
const PROFILES = {
  default: {},
  rich: RICH,
  strict: { actions: "decrypt-only", strictEncryptionContext: true },
  hmac: { keySpec: "HMAC_256" },
  signing: { keySpec: "RSA_2048", deletionWindowDays: 7 },
  imported: { origin: "EXTERNAL" },
  hsm: { origin: "AWS_CLOUDHSM", customKeyStoreId: "cks-1234567890abcdef0" },
} as const;

test("the worker is told everything but what only the stacks need, and its settings pass the check again", () => {
  const settings = parseStageSettings({ ...LEAST, profiles: PROFILES, keyProfiles: { payroll: "strict" } });
  const told = sent(workerSettings(settings));
  expect(Object.keys(settings).filter((name) => !(name in told))).toEqual([
    "eventSources",
    "sweepIntervalMinutes",
    "sweepQuotaShare",
    "verifyConcurrency",
    "cancelUnintendedDeletions",
    "automaticRepair",
    "repairKeysMax",
    "repairSharePercent",
    "watchKeyUse",
    "canaryIntervalMinutes",
    "securityHub",
    "accessAnalyzer",
    "branchKeys",
    "alarmEmails",
    "archiveRetentionDays",
    "logRetentionDays",
    "tenantDataActions",
  ]);
  expect(parseStageSettings(told)).toEqual(settings);
});

test("of a profile only what differs from the defaults is told, and it is read back in full", () => {
  const settings = parseStageSettings({ ...LEAST, profiles: PROFILES });
  const told = sent(workerSettings(settings));
  expect(told.profiles).toEqual(PROFILES);
  expect(readWorkerSettings(told).profiles).toEqual(settings.profiles);
});

test("what is off by default is told where it is on, and read as off where it isn't", () => {
  const on = { automaticRepair: true, cancelUnintendedDeletions: true };
  expect(readWorkerSettings(sent(workerSettings(parseStageSettings(LEAST))))).toMatchObject({
    automaticRepair: false,
    cancelUnintendedDeletions: false,
  });
  expect(readWorkerSettings(sent(workerSettings(parseStageSettings({ ...LEAST, ...on }))))).toMatchObject(on);
});

test("twenty plain profiles and five rich ones fit the worker's environment", () => {
  const named = (name: string, count: number, profile: object) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`${name}-${index}`, profile]));
  const profiles = { default: {}, ...named("plain", 20, { deletionWindowDays: 7 }), ...named("rich", 5, RICH) };
  expect(Object.keys(parseStageSettings({ ...LEAST, profiles }).profiles)).toHaveLength(26);
});
