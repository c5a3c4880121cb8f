import { expect, test } from "vitest";
import { parseKeyName } from "./ids.ts";
import { KEY_SPECS, profileOf, regionsOf } from "./key-profile.ts";
import { parseStageSettings } from "./stage-settings.ts";
import { exampleProfile, longRoleArns, REGION } from "./test-support.ts";

const LEAST = { stage: "dev", applicationRoleArns: ["arn:aws:iam::111122223333:role/app/acme-web"] };
const STORE = { customKeyStoreId: "cks-1234567890abcdef0" };

/** What a stage says of a profile named `strict` with these fields: `undefined` where it takes it. */
function refusal(profile: object): string | undefined {
  try {
    parseStageSettings({ ...LEAST, profiles: { default: {}, strict: profile } });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

test("a profile without fields is complete", () => {
  expect(exampleProfile()).toEqual({
    rotationPeriodDays: 365,
    deletionWindowDays: 30,
    watchPeriodDays: 7,
    approvalRequired: false,
    actions: "full",
    strictEncryptionContext: false,
    viaServices: [],
    serviceGrants: false,
    jobRoleArns: [],
    jobGrantHoursMax: 24,
    outsideAccounts: [],
    administratorRoleArns: [],
    keySpec: "SYMMETRIC_DEFAULT",
    origin: "AWS_KMS",
    customKeyStoreId: undefined,
    replicaRegions: [],
    usesPerMinuteMax: undefined,
    useSourceCidrs: [],
  });
});

const accounts = (count: number) => Array.from({ length: count }, (_, index) => String(444455556660 + index));
const services = (count: number) => Array.from({ length: count }, (_, index) => `service${index}`);
const REGIONS = ["eu-central-1", "eu-west-2", "eu-west-3", "us-east-1", "us-east-2", "ap-southeast-1"];

test.each([
  ["rotationPeriodDays", [90, 2560], [89, 2561, 90.5, "90", null]],
  ["deletionWindowDays", [7, 30], [6, 31, 7.5]],
  ["watchPeriodDays", [0, 365], [-1, 366]],
  ["approvalRequired", [true, false], ["yes", 1]],
  ["actions", ["full", "encrypt-only", "decrypt-only"], ["none", ""]],
  ["strictEncryptionContext", [true, false], ["tenant"]],
  [
    "viaServices",
    [[], ["s3"], services(10)],
    [services(11), ["S3"], [""], ["s3.eu-west-1"], ["s3", "s3"], ["*"], "s3"],
  ],
  ["serviceGrants", [true, false], [0]],
  ["jobRoleArns", [[], longRoleArns(5)], [longRoleArns(6), ["*"], [longRoleArns(1), longRoleArns(1)].flat()]],
  ["jobGrantHoursMax", [1, 168], [0, 169, 1.5]],
  ["outsideAccounts", [[], accounts(10)], [accounts(11), ["44445555666"], ["*"], ["444455556666", "444455556666"]]],
  ["administratorRoleArns", [[], longRoleArns(5)], [longRoleArns(6), ["*"], [longRoleArns(1), longRoleArns(1)].flat()]],
  ["usesPerMinuteMax", [1, 1_000_000], [0, 1_000_001, "many"]],
  [
    "useSourceCidrs",
    [[], ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32", "::ffff:192.0.2.0/120"]],
    [["10.0.0.0"], ["999.0.0.0/8"], ["10.0.0.0/33"], [":::/8"], ["2001:db8::/129"], ["anywhere"]],
  ],
  ["keySpec", KEY_SPECS, ["RSA_1024", "SM2", "symmetric"]],
  ["origin", ["AWS_KMS", "EXTERNAL"], ["aws_kms", "IMPORTED"]],
  ["replicaRegions", [[], REGIONS.slice(1)], [REGIONS, ["europe"], ["eu-west-2", "eu-west-2"], ["*"]]],
] as const)("%s takes its limits, and refuses what lies beyond by name", (field, accepted, refused) => {
  for (const value of accepted) expect(exampleProfile({ [field]: value })).toHaveProperty(field, value);
  for (const value of refused) {
    expect(refusal({ [field]: value }), String(value)).toMatch(`stage settings: profiles.strict.${field}`);
  }
});

test.each([
  ["rotationPeriodDays", { keySpec: "HMAC_256", rotationPeriodDays: 365 }, "KMS doesn't rotate"],
  ["rotationPeriodDays", { origin: "EXTERNAL", rotationPeriodDays: 365 }, "origin EXTERNAL by itself"],
  ["rotationPeriodDays", { origin: "AWS_CLOUDHSM", ...STORE, rotationPeriodDays: 365 }, "KMS doesn't rotate"],
  ["actions", { keySpec: "RSA_2048", actions: "encrypt-only" }, "aren't used to encrypt"],
  ["strictEncryptionContext", { keySpec: "HMAC_224", strictEncryptionContext: true }, "aren't used to encrypt"],
  ["viaServices", { keySpec: "ECC_NIST_P256", viaServices: ["s3"] }, "aren't used to encrypt"],
  ["serviceGrants", { keySpec: "ECC_NIST_P256", serviceGrants: true }, "aren't used to encrypt"],
  ["serviceGrants", { actions: "encrypt-only", serviceGrants: true }, "would go round"],
  ["serviceGrants", { strictEncryptionContext: true, serviceGrants: true }, "would go round"],
  ["jobRoleArns", { keySpec: "HMAC_256", jobRoleArns: longRoleArns(1) }, "aren't used to encrypt"],
  ["jobRoleArns", { viaServices: ["s3"], jobRoleArns: longRoleArns(1) }, "would go round viaServices"],
  ["keySpec", { keySpec: "RSA_2048", origin: "AWS_CLOUDHSM", ...STORE }, "holds no other keys"],
  ["customKeyStoreId", { origin: "AWS_CLOUDHSM" }, "expected the store's id"],
  ["customKeyStoreId", { origin: "EXTERNAL_KEY_STORE" }, "expected the store's id"],
  ["customKeyStoreId", STORE, "expected none, as origin is AWS_KMS"],
  ["customKeyStoreId", { origin: "EXTERNAL", ...STORE }, "expected none, as origin is EXTERNAL"],
  ["customKeyStoreId", { origin: "AWS_CLOUDHSM", customKeyStoreId: "arn:aws:x" }, "cks-"],
  ["replicaRegions", { origin: "EXTERNAL_KEY_STORE", ...STORE, replicaRegions: ["eu-west-2"] }, "doesn't replicate"],
])("%s is refused where another field forbids it: %o", (field, profile, words) => {
  const message = refusal(profile);
  expect(message).toMatch(new RegExp(`^stage settings: profiles\\.strict\\.${field}: expected`));
  expect(message).toContain(words);
});

test.each([
  { origin: "AWS_CLOUDHSM", ...STORE },
  { origin: "EXTERNAL_KEY_STORE", ...STORE, actions: "decrypt-only", strictEncryptionContext: true },
  { origin: "EXTERNAL", viaServices: ["s3"] },
  { replicaRegions: ["eu-west-2"], viaServices: ["s3"] },
  { keySpec: "RSA_4096", outsideAccounts: ["444455556666"] },
  { serviceGrants: true, viaServices: ["ec2"] },
  { serviceGrants: true, jobRoleArns: longRoleArns(2) },
  { jobRoleArns: longRoleArns(1), strictEncryptionContext: true, actions: "decrypt-only" },
  { strictEncryptionContext: true, viaServices: ["s3"], actions: "encrypt-only" },
])("what goes together is taken: %o", (profile) => {
  expect(refusal(profile)).toBeUndefined();
});

test("every conflict of a profile is named", () => {
  const message = refusal({ keySpec: "HMAC_256", actions: "decrypt-only", viaServices: ["s3"] });
  expect(message).toContain("profiles.strict.actions: ");
  expect(message).toContain("profiles.strict.viaServices: ");
});

test("a key's profile is the one that its event names, else the stage's for its name, else default", () => {
  const settings = parseStageSettings({
    ...LEAST,
    profiles: { default: {}, strict: {} },
    keyProfiles: { payroll: "strict" },
  });
  expect(profileOf(settings, parseKeyName("payroll"), "default")).toBe("default");
  expect(profileOf(settings, parseKeyName("payroll"), undefined)).toBe("strict");
  expect(profileOf(settings, parseKeyName("default"), undefined)).toBe("default");
  expect(profileOf(settings, parseKeyName("constructor"), undefined)).toBe("default");
});

test("a stage's Regions are its own and those of its profiles, each once", () => {
  const profiles = {
    a: exampleProfile({ replicaRegions: ["eu-central-1", "us-east-1"] }),
    b: exampleProfile({ replicaRegions: ["us-east-1"] }),
  };
  expect(regionsOf(REGION, profiles)).toEqual(["eu-west-1", "eu-central-1", "us-east-1"]);
});
