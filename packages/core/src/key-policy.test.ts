import { expect, test } from "vitest";
import { parseRoleArn, parseTenantId } from "./ids.ts";
import { USE_ACTIONS } from "./key-actions.ts";
import { admittedKeyPolicy, creationKeyPolicy, departingKeyPolicy, recoveryStatements } from "./key-policy.ts";
import { tenantRoleArn } from "./names.ts";
import type { PolicyDocument, PolicyStatement } from "./policy-document.ts";
import { tenantPrincipalArn } from "./stage-context.ts";
import { ACCOUNT_ID, ACME, characters, exampleContext, exampleProfile, longRoleArns } from "./test-support.ts";

const CONTEXT = exampleContext();
const ROLE = tenantRoleArn(ACCOUNT_ID, CONTEXT.stage, ACME);
const PROFILE = exampleProfile();
type ProfileChanges = Parameters<typeof exampleProfile>[0];
const PROVISIONER = "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-provisioner";
const AUDITOR = "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-auditor";
const ROOT = "arn:aws:iam::111122223333:root";

const RECOVER = [
  "kms:CancelKeyDeletion",
  "kms:DescribeKey",
  "kms:EnableKey",
  "kms:GetKeyPolicy",
  "kms:PutKeyPolicy",
  "kms:TagResource",
];

const ADMITTED: PolicyDocument = {
  Version: "2012-10-17",
  Statement: [
    {
      Sid: "AdministerByProvisioner",
      Effect: "Allow",
      Principal: { AWS: PROVISIONER },
      Action: [
        "kms:CancelKeyDeletion",
        "kms:CreateAlias",
        "kms:DescribeKey",
        "kms:DisableKey",
        "kms:EnableKey",
        "kms:EnableKeyRotation",
        "kms:GetKeyLastUsage",
        "kms:GetKeyPolicy",
        "kms:GetKeyRotationStatus",
        "kms:ListGrants",
        "kms:ListKeyRotations",
        "kms:ListResourceTags",
        "kms:PutKeyPolicy",
        "kms:RevokeGrant",
        "kms:RotateKeyOnDemand",
        "kms:UpdateAlias",
      ],
      Resource: "*",
    },
    {
      Sid: "AuditByAuditor",
      Effect: "Allow",
      Principal: { AWS: AUDITOR },
      Action: [
        "kms:DescribeKey",
        "kms:GetKeyLastUsage",
        "kms:GetKeyPolicy",
        "kms:GetKeyRotationStatus",
        "kms:ListGrants",
        "kms:ListKeyRotations",
        "kms:ListResourceTags",
      ],
      Resource: "*",
    },
    {
      Sid: "RecoverByAdministrators",
      Effect: "Allow",
      Principal: { AWS: ROOT },
      Action: RECOVER,
      Resource: "*",
      Condition: { ArnEquals: { "aws:PrincipalArn": ["arn:aws:iam::111122223333:role/people/SecurityAdmin"] } },
    },
    {
      Sid: "BreakGlassByRootUser",
      Effect: "Allow",
      Principal: { AWS: ROOT },
      Action: RECOVER,
      Resource: "*",
      Condition: { StringEquals: { "aws:PrincipalType": "Account" } },
    },
    {
      Sid: "UseByTenant",
      Effect: "Allow",
      Principal: { AWS: "arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-acme" },
      Action: [
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
      ],
      Resource: "*",
    },
    {
      Sid: "NeverDeleteEarly",
      Effect: "Deny",
      Principal: { AWS: ROOT },
      Action: "kms:ScheduleKeyDeletion",
      Resource: "*",
      Condition: { NumericLessThan: { "kms:ScheduleKeyDeletionPendingWindowInDays": "30" } },
    },
  ],
};

const allowedBy = (policy: PolicyDocument) =>
  policy.Statement.filter(({ Effect }) => Effect === "Allow").flatMap((statement) => statement.Action);
const forms = [
  ["creation", creationKeyPolicy(CONTEXT, PROFILE)],
  ["admitted", admittedKeyPolicy(CONTEXT, ACME, PROFILE, ROLE)],
  ["departing", departingKeyPolicy(CONTEXT, PROFILE)],
] as const;
/** The statements that let anybody use a key of this profile. */
function useOf(changes: ProfileChanges, context = CONTEXT): readonly PolicyStatement[] {
  const policy = admittedKeyPolicy(context, ACME, exampleProfile(changes), tenantPrincipalArn(context, ACME));
  return policy.Statement.filter(({ Sid }) => /By(Tenant|OutsideAccounts)$/.test(Sid));
}

test("the admitted form reads as documented", () => {
  expect(admittedKeyPolicy(CONTEXT, ACME, PROFILE, ROLE)).toEqual(ADMITTED);
});

test("the creation form is the admitted form without the tenant and the shortest window, and with deletion", () => {
  const [administer, ...others] = ADMITTED.Statement.filter(
    ({ Sid }) => Sid !== "UseByTenant" && Sid !== "NeverDeleteEarly",
  );
  expect(creationKeyPolicy(CONTEXT, PROFILE)).toEqual({
    Version: "2012-10-17",
    Statement: [
      { ...administer, Action: [...(administer?.Action ?? []), "kms:ScheduleKeyDeletion"].sort() },
      ...others,
    ],
  });
});

test("the departing form is the admitted form without the tenant, and with deletion", () => {
  const [administer, ...others] = ADMITTED.Statement.filter(({ Sid }) => Sid !== "UseByTenant");
  const Action = [...(administer?.Action ?? []), "kms:ScheduleKeyDeletion"].sort();
  expect(departingKeyPolicy(CONTEXT, PROFILE)).toEqual({
    Version: "2012-10-17",
    Statement: [{ ...administer, Action }, ...others],
  });
});

test("a window shorter than the profile's is denied to the whole account, before and while a tenant leaves", () => {
  const profile = exampleProfile({ deletionWindowDays: 14 });
  const spare = creationKeyPolicy(CONTEXT, profile);
  expect(spare.Statement.filter(({ Effect }) => Effect === "Deny")).toEqual([]);
  for (const policy of [admittedKeyPolicy(CONTEXT, ACME, profile, ROLE), departingKeyPolicy(CONTEXT, profile)]) {
    expect(policy.Statement.filter(({ Effect }) => Effect === "Deny")).toEqual([
      {
        Sid: "NeverDeleteEarly",
        Effect: "Deny",
        Principal: { AWS: ROOT },
        Action: "kms:ScheduleKeyDeletion",
        Resource: "*",
        Condition: { NumericLessThan: { "kms:ScheduleKeyDeletionPendingWindowInDays": "14" } },
      },
    ]);
  }
});

test("a strict encryption context is demanded of every use, and not of the description, which carries none", () => {
  expect(useOf({ strictEncryptionContext: true })).toEqual([
    {
      Sid: "DescribeByTenant",
      Effect: "Allow",
      Principal: { AWS: ROLE },
      Action: ["kms:DescribeKey"],
      Resource: "*",
    },
    {
      Sid: "UseByTenant",
      Effect: "Allow",
      Principal: { AWS: ROLE },
      Action: USE_ACTIONS.filter((action) => action !== "kms:DescribeKey"),
      Resource: "*",
      Condition: { StringEquals: { "kms:EncryptionContext:tenant": "acme" } },
    },
  ]);
});

test("services to come through are named in each Region of the key, so that its replicas take the same policy", () => {
  const [, use] = useOf({ viaServices: ["s3", "sqs"], replicaRegions: ["eu-central-1"], actions: "decrypt-only" });
  expect(use?.Condition).toEqual({
    StringEquals: {
      "kms:ViaService": [
        "s3.eu-west-1.amazonaws.com",
        "s3.eu-central-1.amazonaws.com",
        "sqs.eu-west-1.amazonaws.com",
        "sqs.eu-central-1.amazonaws.com",
      ],
    },
  });
  expect(use?.Action).toEqual(["kms:Decrypt", "kms:ReEncryptFrom"]);
});

test("services make grants for the tenant and the tenant makes none by itself", () => {
  expect(useOf({ serviceGrants: true, viaServices: ["ec2"] }).at(-1)).toEqual({
    Sid: "GrantToServicesByTenant",
    Effect: "Allow",
    Principal: { AWS: ROLE },
    Action: ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
    Resource: "*",
    Condition: {
      Bool: { "kms:GrantIsForAWSResource": "true" },
      StringEquals: { "kms:ViaService": ["ec2.eu-west-1.amazonaws.com"] },
    },
  });
  expect(useOf({}).flatMap(({ Action }) => Action)).not.toContain("kms:CreateGrant");
});

const JOB = "arn:aws:iam::111122223333:role/jobs/nightly";

test("the tenant makes grants for its profile's jobs: of no more than it may do, for its own data, and its to take back", () => {
  expect(useOf({ jobRoleArns: [JOB], actions: "decrypt-only" }).at(-1)).toEqual({
    Sid: "GrantToJobsByTenant",
    Effect: "Allow",
    Principal: { AWS: ROLE },
    Action: ["kms:CreateGrant"],
    Resource: "*",
    Condition: {
      "ForAllValues:StringEquals": { "kms:GrantOperations": ["Decrypt", "DescribeKey", "RetireGrant"] },
      StringEquals: {
        "kms:EncryptionContext:tenant": "acme",
        "kms:GrantConstraintType": ["EncryptionContextEquals", "EncryptionContextSubset"],
        "kms:GranteePrincipal": [JOB],
        "kms:RetiringPrincipal": ROLE,
      },
    },
  });
});

test("where tenants share a role, a session makes grants for jobs on the key of its own tenant only", () => {
  const context = exampleContext({ roleMode: "session-tag" });
  const grant = useOf({ jobRoleArns: [JOB] }, context).at(-1);
  expect(grant?.Condition?.StringEquals).toMatchObject({
    "aws:PrincipalTag/tenant": "acme",
    "kms:RetiringPrincipal": context.sharedTenantRoleArn,
  });
});

test("outside accounts get the profile's actions under its conditions, and nothing else", () => {
  const Principal = { AWS: ["arn:aws:iam::444455556666:root", "arn:aws:iam::777788889999:root"] };
  const outsideAccounts = ["444455556666", "777788889999"];
  expect(useOf({ outsideAccounts, actions: "decrypt-only" }).slice(1)).toEqual([
    {
      Sid: "UseByOutsideAccounts",
      Effect: "Allow",
      Principal,
      Action: ["kms:Decrypt", "kms:DescribeKey", "kms:ReEncryptFrom"],
      Resource: "*",
    },
  ]);
  expect(useOf({ outsideAccounts, strictEncryptionContext: true }).slice(2)).toMatchObject([
    { Sid: "DescribeByOutsideAccounts", Principal, Action: ["kms:DescribeKey"] },
    { Sid: "UseByOutsideAccounts", Principal, Condition: { StringEquals: { "kms:EncryptionContext:tenant": "acme" } } },
  ]);
});

test("where tenants share a role, each of its statements holds for this tenant's sessions only", () => {
  const context = exampleContext({ roleMode: "session-tag" });
  const changes = { viaServices: ["s3"], serviceGrants: true, outsideAccounts: ["444455556666"] };
  const [describe, use, grant, ...outside] = useOf(changes, context);
  for (const statement of [describe, use, grant]) {
    expect(statement?.Principal).toEqual({ AWS: "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-tenant" });
    expect(statement?.Condition?.StringEquals).toMatchObject({ "aws:PrincipalTag/tenant": "acme" });
  }
  expect(use?.Condition?.StringEquals).toHaveProperty(["kms:ViaService"]);
  // An outside account's principals have tags of its own choosing: they say nothing about our tenants.
  expect(JSON.stringify(outside)).not.toContain("PrincipalTag");
  expect(useOf({}, context)).toHaveLength(1);
});

test("a profile's administrators recover its keys beside the stage's, each named once", () => {
  const [stages] = CONTEXT.administratorRoleArns;
  const own = "arn:aws:iam::111122223333:role/people/Bank";
  const profile = exampleProfile({ administratorRoleArns: [own, String(stages)] });
  const [recovery] = recoveryStatements(CONTEXT, profile);
  expect(recovery?.Condition).toEqual({ ArnEquals: { "aws:PrincipalArn": [stages, own] } });
});

test("the creation and the departing form name no tenant, so the key encrypts and decrypts for nobody", () => {
  const text = JSON.stringify([creationKeyPolicy(CONTEXT, PROFILE), departingKeyPolicy(CONTEXT, PROFILE)]);
  expect(text).not.toContain('acme"');
  expect(text).not.toContain("/tk-dev-");
  expect(text).not.toMatch(/kms:(Encrypt|Decrypt|GenerateDataKey|ReEncrypt|CreateGrant)/);
});

test("the admitted form can't be used to delete a tenant's key, and only people may put tags back", () => {
  expect(allowedBy(creationKeyPolicy(CONTEXT, PROFILE))).toContain("kms:ScheduleKeyDeletion");
  expect(
    allowedBy(admittedKeyPolicy(CONTEXT, ACME, PROFILE, ROLE)).filter((action) => /Schedule|Delete[^A]/.test(action)),
  ).toEqual([]);
  for (const [, policy] of forms) {
    const tagging = policy.Statement.filter(({ Action }) =>
      [Action].flat().some((name) => /^kms:(T|Unt)ag/.test(name)),
    );
    expect(tagging.map(({ Sid }) => Sid)).toEqual(["RecoverByAdministrators", "BreakGlassByRootUser"]);
    expect(allowedBy(policy)).not.toContain("kms:UntagResource");
  }
});

test.each(forms)("the %s form has no wildcard action and no wildcard principal", (_, policy) => {
  for (const action of allowedBy(policy)) expect(action).toMatch(/^kms:[A-Za-z]+$/);
  for (const { Principal } of policy.Statement) {
    expect(Object.keys(Principal ?? {})).toEqual(["AWS"]);
    expect(JSON.stringify(Principal)).not.toContain("*");
  }
});

test.each(forms)("the %s form lets its caller, the provisioner, change it again, as KMS demands", (_, policy) => {
  const [administer] = policy.Statement;
  expect(administer?.Principal).toEqual({ AWS: PROVISIONER });
  expect(administer?.Action).toContain("kms:PutKeyPolicy");
});

test.each(forms)("the %s form names the account only under a condition", (_, policy) => {
  const forAccount = policy.Statement.filter((statement) => JSON.stringify(statement.Principal).includes(":root"));
  expect(forAccount.map((statement) => statement.Sid).slice(0, 2)).toEqual([
    "RecoverByAdministrators",
    "BreakGlassByRootUser",
  ]);
  for (const statement of forAccount) expect(Object.keys(statement.Condition ?? {})).toHaveLength(1);
});

test("without administrators only the root user may recover a key", () => {
  const statements = recoveryStatements(exampleContext({ administratorRoleArns: [] }), PROFILE);
  expect(statements.map((statement) => statement.Sid)).toEqual(["BreakGlassByRootUser"]);
});

test("with everything at its longest the policy stays within 32,768 bytes of printable ASCII", () => {
  const context = exampleContext({ stage: "s".repeat(20), administratorRoleArns: longRoleArns(5, 613) });
  const others = exampleProfile({
    viaServices: Array.from({ length: 10 }, (_, index) => `service-${index}${"x".repeat(22)}`),
    serviceGrants: true,
    outsideAccounts: Array.from({ length: 10 }, (_, index) => String(444455556660 + index)),
    replicaRegions: ["ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-northeast-1"],
  });
  const profile = {
    ...others,
    administratorRoleArns: longRoleArns(5, 612).map(parseRoleArn),
    jobRoleArns: longRoleArns(5, 611).map(parseRoleArn),
  };
  const policy = admittedKeyPolicy(context, parseTenantId("t".repeat(36)), profile, ROLE);
  expect(characters(policy)).toBeLessThan(32_768);
  expect(JSON.stringify(policy)).toMatch(/^[\x20-\x7e]*$/);
});
