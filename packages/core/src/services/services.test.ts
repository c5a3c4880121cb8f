import { describe, expect, it } from "vitest";
import { ACME, exampleContext } from "../test-support.ts";
import { sharedTrustPolicy } from "../trust-policy.ts";
import { verifySharedRole } from "../verification/shared-role.ts";
import { taggedItemsPolicy } from "./dynamodb.ts";
import { taggedObjectsPolicy } from "./s3.ts";
import { taggedSecretsPolicy, tenantSecretName, tenantSecretPolicy } from "./secrets-manager.ts";

const TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table/notes";
const CONTEXT = exampleContext({ roleMode: "session-tag" });
const TENANT = "${aws:PrincipalTag/tenant}";

describe("a policy for items of a shared table", () => {
  it("allows what names the partition key of the session's tenant, and asks for one", () => {
    expect(taggedItemsPolicy({ tableArns: [TABLE], partitionKeyPrefix: "TENANT#" }).Statement).toEqual([
      {
        Sid: "ReachOwnItems",
        Effect: "Allow",
        Action: [
          "dynamodb:DeleteItem",
          "dynamodb:GetItem",
          "dynamodb:PutItem",
          "dynamodb:Query",
          "dynamodb:UpdateItem",
        ],
        Resource: [TABLE],
        Condition: {
          "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": `TENANT#${TENANT}` },
          Null: { "dynamodb:LeadingKeys": "false" },
        },
      },
    ]);
  });

  it("with a separator takes keys that go on after it, and none of a tenant whose id begins the same", () => {
    const [statement] = taggedItemsPolicy({ tableArns: [TABLE], partitionKeySeparator: "#" }).Statement;
    expect(statement?.Condition?.["ForAllValues:StringLike"]).toEqual({
      "dynamodb:LeadingKeys": [TENANT, `${TENANT}#*`],
    });
  });

  it.each([
    ["no table", { tableArns: [] }],
    ["a table's name in place of its ARN", { tableArns: ["notes"] }],
    ["a table with a wildcard", { tableArns: [`${TABLE}*`] }],
    ["a prefix with a wildcard", { tableArns: [TABLE], partitionKeyPrefix: "*" }],
    ["a separator that tenants' ids have", { tableArns: [TABLE], partitionKeySeparator: "-" }],
    ["Scan, which names no partition key", { tableArns: [TABLE], actions: ["dynamodb:Scan"] }],
    ["no action", { tableArns: [TABLE], actions: [] }],
  ])("refuses %s", (_, items) => {
    expect(() => taggedItemsPolicy(items)).toThrow(expect.objectContaining({ code: "identifier_invalid" }));
  });
});

describe("policies for secrets", () => {
  it("deny a secret's value to every session that isn't tagged with its tenant", () => {
    const tenantId = ACME;
    expect(tenantSecretPolicy(tenantId).Statement).toEqual([
      {
        Sid: "OnlySessionsOfTenant",
        Effect: "Deny",
        Principal: { AWS: "*" },
        Action: ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecret"],
        Resource: "*",
        Condition: { StringNotEquals: { "aws:PrincipalTag/tenant": "acme" } },
      },
    ]);
    expect(tenantSecretName({ prefix: "notes/" }, tenantId, "smtp")).toBe("notes/acme/smtp");
  });

  it("let a session read what is named after its tenant", () => {
    const [statement] = taggedSecretsPolicy({ ...CONTEXT, prefix: "notes/" }).Statement;
    expect(statement?.Resource).toBe(`arn:aws:secretsmanager:eu-west-1:111122223333:secret:notes/${TENANT}/*`);
    expect(() => taggedSecretsPolicy({ ...CONTEXT, prefix: "*/" })).toThrow("not valid");
  });

  it("refuse statements that have no room beside the tenant's", () => {
    const further = Array.from({ length: 100 }, (_, index) => ({
      Sid: `Further${index}`,
      Effect: "Allow" as const,
      Principal: { AWS: `arn:aws:iam::111122223333:role/${"r".repeat(150)}` },
      Action: "secretsmanager:DescribeSecret",
      Resource: "*",
    }));
    const policy = () => tenantSecretPolicy(ACME, further);
    expect(policy).toThrow(expect.objectContaining({ code: "policy_too_large" }));
  });
});

it("policies of the role that all tenants share are no finding of verification's", () => {
  const policies = {
    items: taggedItemsPolicy({ tableArns: [TABLE] }),
    objects: taggedObjectsPolicy({ bucket: "notes-attachments" }),
    secrets: taggedSecretsPolicy(CONTEXT),
  };
  const role = (inlinePolicies: Readonly<Record<string, unknown>>) => ({
    arn: CONTEXT.sharedTenantRoleArn,
    path: "/tenantkeys/",
    tags: {},
    trustPolicy: sharedTrustPolicy(CONTEXT),
    boundaryArn: CONTEXT.tenantBoundaryArn,
    policyNames: Object.keys(inlinePolicies),
    inlinePolicies,
    attachedPolicyArns: [],
  });
  expect(verifySharedRole(role(policies), CONTEXT)).toEqual([]);
  const named = verifySharedRole(role({ "key-objects": policies.objects }), CONTEXT);
  expect(named.map(({ ruleId }) => ruleId)).toEqual(["role-policy-foreign"]);
});
