import { expect, test } from "vitest";
import { CANARY_TENANTS } from "./canary.ts";
import { parseTenantId } from "./ids.ts";
import { ACME, characters, exampleContext, longRoleArns } from "./test-support.ts";
import { sharedTrustPolicy, tenantTrustPolicy } from "./trust-policy.ts";

test("only the application's roles may become the tenant's role, in a session tagged with that tenant", () => {
  expect(tenantTrustPolicy(exampleContext(), ACME)).toEqual({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "AssumeForThisTenantOnly",
        Effect: "Allow",
        Principal: { AWS: ["arn:aws:iam::111122223333:role/app/acme-web"] },
        Action: ["sts:AssumeRole", "sts:TagSession"],
        Condition: { StringEquals: { "aws:RequestTag/tenant": "acme" } },
      },
    ],
  });
});

test("two tenants' trust differs in the tag's value and in nothing else", () => {
  const text = (id: string) => JSON.stringify(tenantTrustPolicy(exampleContext(), parseTenantId(id)));
  expect(text("globex")).not.toBe(text("initech"));
  expect(text("globex").replaceAll('"globex"', '"initech"')).toBe(text("initech"));
});

test("only the canary's role may become the role of a tenant of the canary's", () => {
  const ofApplication = tenantTrustPolicy(exampleContext(), ACME).Statement[0];
  expect(tenantTrustPolicy(exampleContext(), CANARY_TENANTS.a).Statement).toEqual([
    {
      ...ofApplication,
      Principal: { AWS: ["arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-canary-runner"] },
      Condition: { StringEquals: { "aws:RequestTag/tenant": "tenantkeys-canary-a" } },
    },
  ]);
});

test("the canary may become the shared role for its two tenants and no other, where it runs", () => {
  const [ofApplications, ...more] = sharedTrustPolicy(exampleContext({ roleMode: "session-tag" })).Statement;
  expect(more).toEqual([
    {
      Sid: "AssumeForItsTenantsOnly",
      Effect: "Allow",
      Principal: { AWS: ["arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-canary-runner"] },
      Action: ["sts:AssumeRole", "sts:TagSession"],
      Condition: {
        StringEquals: { "aws:RequestTag/tenant": ["tenantkeys-canary-a", "tenantkeys-canary-b"] },
        "ForAllValues:StringEquals": { "aws:TagKeys": ["tenant"] },
      },
    },
  ]);
  const without = exampleContext({ roleMode: "session-tag", canary: false });
  expect(sharedTrustPolicy(without).Statement).toEqual([ofApplications]);
});

test("a session of the shared role carries one tenant's tag and no other tag", () => {
  expect(sharedTrustPolicy(exampleContext({ roleMode: "session-tag", canary: false }))).toEqual({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "AssumeForOneTenantOnly",
        Effect: "Allow",
        Principal: { AWS: ["arn:aws:iam::111122223333:role/app/acme-web"] },
        Action: ["sts:AssumeRole", "sts:TagSession"],
        Condition: {
          StringLike: { "aws:RequestTag/tenant": "?*" },
          "ForAllValues:StringEquals": { "aws:TagKeys": ["tenant"] },
        },
      },
    ],
  });
});

test("five application roles with the longest ARNs that the settings take fit 2,048 characters", () => {
  const context = exampleContext({ stage: "s".repeat(20), applicationRoleArns: longRoleArns(5, 280) });
  const size = characters(tenantTrustPolicy(context, parseTenantId("t".repeat(36))));
  expect(size).toBeLessThanOrEqual(2_048);
  expect(characters(sharedTrustPolicy(context))).toBeLessThanOrEqual(2_048);
  expect(characters(sharedTrustPolicy(context))).toBeGreaterThan(2_040);
});
