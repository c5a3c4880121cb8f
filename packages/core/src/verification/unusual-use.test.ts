import { describe, expect, test } from "vitest";
import { CANARY_TENANTS } from "../canary.ts";
import { parseKeyArn, parseRegion } from "../ids.ts";
import { tenantRoleArn } from "../names.ts";
import type { StageSettingsInput } from "../stage-settings.ts";
import { ACCOUNT_ID, ACME, DEFAULT_KEY, exampleContext, exampleProfile, REGION } from "../test-support.ts";
import type { KmsCaller, KmsEvent } from "./touched-key.ts";
import { type ExpectedUse, isKeyUse, isSessionOf, refusedUse, tooManyUses, unusualUses } from "./unusual-use.ts";

const KEY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/1");
const CONTEXT = exampleContext();

const session = (name: string, path: string): KmsCaller => ({
  type: "AssumedRole",
  arn: `arn:aws:sts::111122223333:assumed-role/${name}/app`,
  roleArn: `arn:aws:iam::111122223333:role${path}${name}`,
  accountId: "111122223333",
  invokedBy: undefined,
});
const TENANT = session("tk-dev-acme", "/tenantkeys/dev/");
const OTHER_TENANT = session("tk-dev-globex", "/tenantkeys/dev/");
const SHARED = session("tenantkeys-dev-tenant", "/tenantkeys/");
const STRANGER = session("reports", "/");
const JOB = session("nightly", "/jobs/");
const OUTSIDER: KmsCaller = {
  type: "AWSAccount",
  arn: undefined,
  roleArn: undefined,
  accountId: "444455556666",
  invokedBy: undefined,
};
const EC2: KmsCaller = {
  ...OUTSIDER,
  type: "AssumedRole",
  arn: "arn:aws:sts::111122223333:assumed-role/aws:ec2-infrastructure/i-0a1b2c3d",
  roleArn: "arn:aws:iam::111122223333:role/aws:ec2-infrastructure",
  accountId: "111122223333",
};

const use = (changes: Partial<KmsEvent> = {}): KmsEvent => ({
  eventId: "event-1",
  operation: "Decrypt",
  atMs: Date.parse("2026-11-24T09:30:15Z"),
  region: REGION,
  accountId: ACCOUNT_ID,
  keyArns: [KEY_ARN],
  aliasNames: [],
  caller: TENANT,
  sourceAddress: "192.0.2.10",
  errorCode: undefined,
  policyText: undefined,
  ...changes,
});
const DENIED = { errorCode: "AccessDenied" };

type ProfileInput = NonNullable<StageSettingsInput["profiles"]>[string];
const expected = (profile: ProfileInput = {}, changes: Partial<ExpectedUse> = {}): ExpectedUse => ({
  context: CONTEXT,
  tenantId: ACME,
  keyName: DEFAULT_KEY,
  profile: exampleProfile(profile),
  shutOut: false,
  isInside: (address, cidrs) => cidrs.some((cidr) => cidr.split(".")[0] === address.split(".")[0]),
  ...changes,
});

const kinds = (event: KmsEvent, expectation = expected()) =>
  unusualUses(event, KEY_ARN, expectation).map(({ resource }) => resource.slice(KEY_ARN.length + 1));

describe("who uses a key", () => {
  test.each<readonly [string, KmsCaller, ProfileInput]>([
    ["the tenant's role", TENANT, {}],
    ["a declared outside account", OUTSIDER, { outsideAccounts: ["444455556666"] }],
    ["an AWS service by a grant, where the profile has such", EC2, { serviceGrants: true }],
    ["a job of the profile, by a grant", JOB, { jobRoleArns: [JOB.roleArn ?? ""] }],
  ])("is usual: %s", (_, caller, profile) => {
    expect(kinds(use({ caller }), expected(profile))).toEqual([]);
  });

  test.each<readonly [string, KmsCaller, string]>([
    ["another tenant's role", OTHER_TENANT, "other-tenant"],
    ["some other role", STRANGER, "principal"],
    ["an account that isn't declared", OUTSIDER, "principal"],
    ["an AWS service without declared grants", EC2, "principal"],
    ["a role that the stage doesn't share", SHARED, "principal"],
    ["nobody that CloudTrail names", { ...OUTSIDER, accountId: undefined }, "principal"],
  ])("is unusual: %s, which counts apart where AWS refused it", (_, caller, kind) => {
    expect(kinds(use({ caller }))).toEqual([kind]);
    expect(kinds(use({ caller, ...DENIED }))).toEqual([`${kind}-refused`]);
  });

  test("is unusual where AWS refused it to a job, whose grant may be over", () => {
    const ofJobs = expected({ jobRoleArns: [JOB.roleArn ?? ""] });
    expect(kinds(use({ caller: JOB, ...DENIED }), ofJobs)).toEqual(["principal-refused"]);
    expect(unusualUses(use({ caller: STRANGER }), KEY_ARN, ofJobs)[0]?.expected).toContain(`${JOB.roleArn} by a grant`);
  });

  test("nobody is taken for an AWS service by the path of a user or role", () => {
    const named = ["user", "role"].map((kind) => `arn:aws:iam::111122223333:${kind}/x:assumed-role/aws:ec2/me`);
    for (const arn of named)
      expect(kinds(use({ caller: { ...EC2, arn } }), expected({ serviceGrants: true }))).toEqual(["principal"]);
  });

  test("a use by a stranger that succeeded is critical, and a refused one isn't", () => {
    const severities = [{}, DENIED].map((changes) =>
      unusualUses(use({ caller: STRANGER, ...changes }), KEY_ARN, expected()),
    );
    expect(severities.flat().map(({ severity }) => severity)).toEqual(["critical", "high"]);
  });

  test("a refusal to the tenant's own role isn't unusual: its application may have erred", () => {
    expect(kinds(use(DENIED))).toEqual([]);
  });

  test("a refusal to the role that all tenants share is, unless the tenant was shut out", () => {
    const context = exampleContext({ roleMode: "session-tag" });
    expect(kinds(use({ caller: SHARED }), expected({}, { context }))).toEqual([]);
    expect(kinds(use({ caller: SHARED, ...DENIED }), expected({}, { context }))).toEqual(["refused"]);
    expect(kinds(use({ caller: SHARED, ...DENIED }), expected({}, { context, shutOut: true }))).toEqual([]);
  });

  test("names what was expected and what was seen", () => {
    const [found] = unusualUses(use({ caller: STRANGER }), KEY_ARN, expected());
    expect(found).toMatchObject({
      ruleId: "unusual-use",
      tenantId: "acme",
      keyName: "default",
      expected: "uses by arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-acme",
      seen: "Decrypt by arn:aws:sts::111122223333:assumed-role/reports/app from 192.0.2.10 in eu-west-1 at 2026-11-24T09:30:15.000Z",
    });
  });
});

describe("a session is of a role", () => {
  const roleArn = tenantRoleArn(ACCOUNT_ID, CONTEXT.stage, ACME);
  const without = (caller: KmsCaller) => ({ ...caller, roleArn: undefined });

  test("by its issuer, and by its own ARN where CloudTrail says no issuer", () => {
    expect([TENANT, without(TENANT)].map((caller) => isSessionOf(caller, roleArn))).toEqual([true, true]);
  });

  test("not where another account's role, or a longer name, has the same beginning", () => {
    const arns = [
      "arn:aws:sts::444455556666:assumed-role/tk-dev-acme/app",
      "arn:aws:sts::111122223333:assumed-role/tk-dev-acme-2/app",
      "arn:aws:iam::111122223333:user/tk-dev-acme",
    ];
    expect(arns.map((arn) => isSessionOf({ ...without(TENANT), arn }, roleArn))).toEqual([false, false, false]);
  });

  test("not where the issuer is a role of the same name under another path", () => {
    expect(isSessionOf({ ...TENANT, roleArn: "arn:aws:iam::111122223333:role/tk-dev-acme" }, roleArn)).toBe(false);
  });
});

describe("from where", () => {
  const profile = { useSourceCidrs: ["10.0.0.0/8"] };

  test("any address is usual where the profile names none", () => {
    expect(kinds(use({ sourceAddress: "203.0.113.9" }))).toEqual([]);
  });

  test("an address inside the profile's blocks is usual, one outside isn't", () => {
    expect(kinds(use({ sourceAddress: "10.1.2.3" }), expected(profile))).toEqual([]);
    expect(kinds(use({ sourceAddress: "203.0.113.9" }), expected(profile))).toEqual(["address"]);
  });

  test("a service's name is usual where the profile lets it through, or lets everything", () => {
    const s3 = use({ sourceAddress: "s3.amazonaws.com" });
    expect(kinds(s3, expected(profile))).toEqual([]);
    expect(kinds(s3, expected({ ...profile, viaServices: ["s3"] }))).toEqual([]);
    expect(kinds(s3, expected({ ...profile, viaServices: ["sqs"] }))).toEqual(["address"]);
  });

  test("AWS's own address, and none at all, are usual", () => {
    const addresses = ["AWS Internal", undefined];
    expect(addresses.flatMap((sourceAddress) => kinds(use({ sourceAddress }), expected(profile)))).toEqual([]);
  });

  test("another Region than the key's is unusual", () => {
    expect(kinds(use({ region: parseRegion("us-east-1") }))).toEqual(["region"]);
  });

  test("one use may be unusual in every way", () => {
    const event = use({ caller: STRANGER, sourceAddress: "203.0.113.9", region: parseRegion("us-east-1") });
    expect(kinds(event, expected(profile))).toEqual(["principal", "address", "region"]);
  });
});

describe("how often", () => {
  test("up to the profile's number is usual, one more isn't", () => {
    const often = expected({ usesPerMinuteMax: 100 });
    expect(tooManyUses(use(), KEY_ARN, often, 100)).toBeUndefined();
    expect(tooManyUses(use(), KEY_ARN, often, 101)).toMatchObject({
      resource: `${KEY_ARN}#frequency`,
      expected: "at most 100 calls a minute",
      seen: expect.stringContaining("101 or more calls in the minute of 2026-11-24T09:30Z"),
    });
  });

  test("any number is usual where the profile has none", () => {
    expect(tooManyUses(use(), KEY_ARN, expected(), 1_000_000)).toBeUndefined();
  });
});

describe("a refused use whose key isn't named", () => {
  const unnamed = { keyArns: [], ...DENIED };

  test("is said of the tenant whose role it was", () => {
    expect(refusedUse(use({ ...unnamed, caller: OTHER_TENANT }), CONTEXT)).toMatchObject({
      tenantId: "globex",
      resource: "arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-globex#refused",
    });
  });

  test("is nobody's where the role is no tenant's of this stage and account", () => {
    const others = [
      STRANGER,
      session("tk-prod-globex", "/tenantkeys/prod/"),
      { ...OTHER_TENANT, roleArn: "arn:aws:iam::444455556666:role/tenantkeys/dev/tk-dev-globex" },
    ];
    expect(others.map((caller) => refusedUse(use({ ...unnamed, caller }), CONTEXT))).toEqual(
      others.map(() => undefined),
    );
  });

  test("and one that succeeded is none", () => {
    expect(refusedUse(use({ keyArns: [] }), CONTEXT)).toBeUndefined();
  });
});

test("what uses a key is told from what changes it", () => {
  expect(["Decrypt", "ReEncrypt", "Sign"].every((operation) => isKeyUse({ operation }))).toBe(true);
  expect(["PutKeyPolicy", "DescribeKey", "GenerateRandom"].some((operation) => isKeyUse({ operation }))).toBe(false);
});

describe("a key of the canary's", () => {
  const ofCanary = expected({ useSourceCidrs: ["198.0.0.0/8"], usesPerMinuteMax: 1 }, { tenantId: CANARY_TENANTS.b });
  const CANARY = session("tenantkeys-dev-canary-runner", "/tenantkeys/");

  test("is used as usual, however often and from wherever, and by whomever AWS refuses it", () => {
    const owner = session("tk-dev-tenantkeys-canary-b", "/tenantkeys/dev/");
    expect(kinds(use({ caller: owner }), ofCanary)).toEqual([]);
    expect(tooManyUses(use(), KEY_ARN, ofCanary, 100)).toBeUndefined();
    for (const caller of [OTHER_TENANT, CANARY, STRANGER])
      expect(kinds(use({ caller, ...DENIED }), ofCanary)).toEqual([]);
    expect(refusedUse(use({ caller: owner, ...DENIED }), CONTEXT)).toBeUndefined();
  });

  test("is used as no other where a stranger succeeds, the canary itself included", () => {
    expect([OTHER_TENANT, CANARY].map((caller) => kinds(use({ caller }), ofCanary))).toEqual([
      ["other-tenant"],
      ["principal"],
    ]);
  });
});
