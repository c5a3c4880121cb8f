import { expect, test } from "vitest";
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

test("a session of the shared role carries one tenant's tag and no other tag", () => {
  expect(sharedTrustPolicy(exampleContext({ roleMode: "session-tag" }))).toEqual({
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
  const context = exampleContext({ applicationRoleArns: longRoleArns(5, 353) });
  const size = characters(tenantTrustPolicy(context, parseTenantId("t".repeat(36))));
  expect(size).toBeLessThanOrEqual(2_048);
  expect(size).toBeGreaterThan(2_000);
  expect(characters(sharedTrustPolicy(context))).toBe(2_048);
});
