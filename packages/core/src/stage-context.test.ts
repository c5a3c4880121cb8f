import { expect, test } from "vitest";
import { tenantPrincipalArn } from "./stage-context.ts";
import { ACME, exampleContext } from "./test-support.ts";

test("a stage's context names its own roles and boundary, and the settings' application and administrator roles", () => {
  expect(exampleContext()).toEqual({
    stage: "dev",
    accountId: "111122223333",
    region: "eu-west-1",
    roleMode: "per-tenant",
    provisionerRoleArn: "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-provisioner",
    auditorRoleArn: "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-auditor",
    canary: true,
    canaryRoleArn: "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-canary-runner",
    sharedTenantRoleArn: "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-tenant",
    tenantBoundaryArn: "arn:aws:iam::111122223333:policy/tenantkeys/tenantkeys-dev-tenant-boundary",
    applicationRoleArns: ["arn:aws:iam::111122223333:role/app/acme-web"],
    administratorRoleArns: ["arn:aws:iam::111122223333:role/people/SecurityAdmin"],
  });
});

test("a tenant's sessions are of its own role, or of the one that all tenants share", () => {
  const own = exampleContext({ roleMode: "per-tenant" });
  const shared = exampleContext({ roleMode: "session-tag" });
  expect(tenantPrincipalArn(own, ACME)).toBe("arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-acme");
  expect(tenantPrincipalArn(shared, ACME)).toBe(shared.sharedTenantRoleArn);
});

test.each([
  ["outsideAccounts", ["444455556666", "111122223333"], "other accounts than the stage's own, 111122223333"],
  ["replicaRegions", ["eu-central-1", "eu-west-1"], "other Regions than the stage's own, eu-west-1"],
])("a profile whose %s hold the stage's own is refused by name", (field, values, words) => {
  expect(() => exampleContext({ profiles: { default: {}, bank: { [field]: values } } })).toThrow(
    expect.objectContaining({
      code: "settings_invalid",
      message: `stage settings: profiles.bank.${field}: expected ${words}`,
    }),
  );
});

test.each([
  "arn:aws:iam::444455556666:role/jobs/nightly",
  "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-provisioner",
  "arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-globex",
])("a profile whose jobs are another account's, or tenantkeys' own, is refused: %s", (roleArn) => {
  const nightly = "arn:aws:iam::111122223333:role/jobs/nightly";
  expect(() => exampleContext({ profiles: { default: {}, bank: { jobRoleArns: [nightly, roleArn] } } })).toThrow(
    expect.objectContaining({
      code: "settings_invalid",
      message:
        "stage settings: profiles.bank.jobRoleArns: expected roles of the stage's own account, 111122223333, and none under /tenantkeys/",
    }),
  );
  expect(exampleContext({ profiles: { default: { jobRoleArns: [nightly] } } }).accountId).toBe("111122223333");
});
