/** The policy for the roles of tenants' applications: what it allows, and how narrowly. */
import { beforeAll, expect, test } from "vitest";
import { ACCOUNT_ID, REGION, type RecordedStage, recordStage } from "./recorded-stage.ts";

const POLICY = "tenantkeys-dev-application policy";

let stage: RecordedStage;

beforeAll(async () => {
  stage = await recordStage();
});

test("the policy for applications has a fixed name and path", () => {
  expect(stage.one("iam/policy:Policy", "-application").inputs).toMatchObject({
    name: "tenantkeys-dev-application",
    path: "/tenantkeys/",
  });
});

test("an application reads items of tenants only, and of those what the client needs", () => {
  expect(stage.statements(POLICY).filter(({ Sid }) => Sid === "ReadWhetherTenantsMayWork")).toEqual([
    {
      Sid: "ReadWhetherTenantsMayWork",
      Effect: "Allow",
      Action: "dynamodb:GetItem",
      Resource: `arn:aws:dynamodb:${REGION}:${ACCOUNT_ID}:table/tenantkeys-dev-registry`,
      Condition: {
        "ForAllValues:StringLike": { "dynamodb:LeadingKeys": ["TENANT#*"] },
        "ForAllValues:StringEquals": {
          "dynamodb:Attributes": [
            ...["pk", "sk"],
            ...["state", "keyArn", "roleArn", "ownKeyArn", "replicas", "previousKeyArns", "deletionDateMs"],
            ...["lifeGeneration", "endedGeneration", "suspension", "leaving"],
          ],
        },
        StringEqualsIfExists: { "dynamodb:Select": "SPECIFIC_ATTRIBUTES" },
        Null: { "dynamodb:Attributes": "false" },
      },
    },
  ]);
});

test("an application may become tenants of this stage, and has no further right, none in KMS", () => {
  const statements = stage.statements(POLICY);
  expect(statements.map(({ Sid }) => Sid)).toEqual(["ReadWhetherTenantsMayWork", "BecomeTenants"]);
  expect(statements.at(1)).toEqual({
    Sid: "BecomeTenants",
    Effect: "Allow",
    Action: ["sts:AssumeRole", "sts:TagSession"],
    Resource: [
      `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/dev/tk-dev-*`,
      `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/tenantkeys-dev-tenant`,
    ],
  });
});
