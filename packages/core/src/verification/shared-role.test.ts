import { expect, it } from "vitest";
import { parseRoleArn } from "../ids.ts";
import { exampleContext } from "../test-support.ts";
import { sharedTrustPolicy } from "../trust-policy.ts";
import type { InspectedRole } from "./inspection.ts";
import { verifySharedRole } from "./shared-role.ts";
import { DEAD_ID, STRANGER } from "./test-support.ts";

const CONTEXT = exampleContext({ roleMode: "session-tag" });
const ROLE: InspectedRole = {
  arn: CONTEXT.sharedTenantRoleArn,
  path: "/tenantkeys/",
  tags: {},
  trustPolicy: sharedTrustPolicy(CONTEXT),
  boundaryArn: CONTEXT.tenantBoundaryArn,
  policyNames: [],
  inlinePolicies: {},
  attachedPolicyArns: [],
};
const trusting = (principal: string) =>
  JSON.parse(JSON.stringify(ROLE.trustPolicy).replace(CONTEXT.applicationRoleArns[0] ?? "", principal));

it.each([
  ["as it was deployed", [], ROLE],
  ["that isn't there", ["role-missing"], undefined],
  ["in whose place another stands", ["role-missing"], { ...ROLE, arn: parseRoleArn(STRANGER) }],
  ["that a stranger may assume", ["role-trust-policy-differs"], { ...ROLE, trustPolicy: trusting(STRANGER) }],
  ["whose application is gone", ["dead-principal"], { ...ROLE, trustPolicy: trusting(DEAD_ID) }],
  ["without its boundary", ["role-boundary-differs"], { ...ROLE, boundaryArn: undefined }],
  ["with a policy for keys", ["role-policy-foreign"], { ...ROLE, policyNames: ["key-default"] }],
] as const)("finds on a shared role %s: %j", (_, expected, role) => {
  const findings = verifySharedRole(role, CONTEXT);
  expect(findings.map(({ ruleId }) => ruleId)).toEqual(expected);
  for (const { tenantId, resource } of findings) expect({ tenantId, resource }).toEqual({ resource: ROLE.arn });
});

it("says nothing where each tenant has a role of its own", () => {
  expect(verifySharedRole(undefined, exampleContext())).toEqual([]);
});
