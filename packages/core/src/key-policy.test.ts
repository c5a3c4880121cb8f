import { expect, test } from "vitest";
import { admittedKeyPolicy, creationKeyPolicy, recoveryStatements } from "./key-policy.ts";
import { tenantRoleArn } from "./names.ts";
import type { PolicyDocument } from "./policy-document.ts";
import { ACCOUNT_ID, ACME, characters, exampleContext, longRoleArns } from "./test-support.ts";

const CONTEXT = exampleContext();
const ROLE = tenantRoleArn(ACCOUNT_ID, CONTEXT.stage, ACME);
const PROVISIONER = "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-provisioner";
const AUDITOR = "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-auditor";
const ROOT = "arn:aws:iam::111122223333:root";

const RECOVER = ["kms:CancelKeyDeletion", "kms:DescribeKey", "kms:EnableKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy"];

const ADMITTED: PolicyDocument = {
  Version: "2012-10-17",
  Statement: [
    {
      Sid: "AdministerByProvisioner",
      Effect: "Allow",
      Principal: { AWS: PROVISIONER },
      Action: [
        "kms:CreateAlias",
        "kms:DescribeKey",
        "kms:EnableKeyRotation",
        "kms:GetKeyPolicy",
        "kms:GetKeyRotationStatus",
        "kms:ListResourceTags",
        "kms:PutKeyPolicy",
      ],
      Resource: "*",
    },
    {
      Sid: "AuditByAuditor",
      Effect: "Allow",
      Principal: { AWS: AUDITOR },
      Action: ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"],
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
  ],
};

const actionsOf = (policy: PolicyDocument) => policy.Statement.flatMap((statement) => statement.Action);
const bothForms = [
  ["creation", creationKeyPolicy(CONTEXT)],
  ["admitted", admittedKeyPolicy(CONTEXT, ROLE)],
] as const;

test("the admitted form reads as documented", () => {
  expect(admittedKeyPolicy(CONTEXT, ROLE)).toEqual(ADMITTED);
});

test("the creation form is the admitted form without the tenant, and with deletion", () => {
  const [administer, ...others] = ADMITTED.Statement.filter((statement) => statement.Sid !== "UseByTenant");
  expect(creationKeyPolicy(CONTEXT)).toEqual({
    Version: "2012-10-17",
    Statement: [
      { ...administer, Action: [...(administer?.Action ?? []), "kms:ScheduleKeyDeletion"].sort() },
      ...others,
    ],
  });
});

test("the creation form never names a tenant, so the key can't encrypt for anybody", () => {
  const text = JSON.stringify(creationKeyPolicy(CONTEXT));
  expect(text).not.toContain('acme"');
  expect(text).not.toContain("/tk-dev-");
  expect(text).not.toMatch(/kms:(Encrypt|Decrypt|GenerateDataKey|ReEncrypt|CreateGrant)/);
});

test("the admitted form can't be used to delete a tenant's key", () => {
  expect(actionsOf(creationKeyPolicy(CONTEXT))).toContain("kms:ScheduleKeyDeletion");
  expect(
    actionsOf(admittedKeyPolicy(CONTEXT, ROLE)).filter((action) => /Schedule|Disable|Delete/.test(action)),
  ).toEqual([]);
});

test.each(bothForms)("the %s form has no wildcard action and no wildcard principal", (_, policy) => {
  for (const action of actionsOf(policy)) expect(action).toMatch(/^kms:[A-Za-z]+$/);
  for (const { Principal } of policy.Statement) {
    expect(Object.keys(Principal ?? {})).toEqual(["AWS"]);
    expect(JSON.stringify(Principal)).not.toContain("*");
  }
});

test.each(bothForms)("the %s form lets its caller, the provisioner, change it again, as KMS demands", (_, policy) => {
  const [administer] = policy.Statement;
  expect(administer?.Principal).toEqual({ AWS: PROVISIONER });
  expect(administer?.Action).toContain("kms:PutKeyPolicy");
});

test.each(bothForms)("the %s form names the account only under a condition", (_, policy) => {
  const forAccount = policy.Statement.filter((statement) => JSON.stringify(statement.Principal).includes(":root"));
  expect(forAccount.map((statement) => statement.Sid)).toEqual(["RecoverByAdministrators", "BreakGlassByRootUser"]);
  for (const statement of forAccount) expect(Object.keys(statement.Condition ?? {})).toHaveLength(1);
});

test("without administrators only the root user may recover a key", () => {
  const statements = recoveryStatements(exampleContext({ administratorRoleArns: [] }));
  expect(statements.map((statement) => statement.Sid)).toEqual(["BreakGlassByRootUser"]);
});

test("with five administrators at the longest ARNs the policy stays within 32,768 bytes", () => {
  const context = exampleContext({ stage: "s".repeat(20), administratorRoleArns: longRoleArns(5, 613) });
  expect(characters(admittedKeyPolicy(context, ROLE))).toBeLessThan(32_768);
  expect(JSON.stringify(admittedKeyPolicy(context, ROLE))).toMatch(/^[\x20-\x7e]*$/);
});
