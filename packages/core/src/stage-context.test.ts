import { expect, test } from "vitest";
import { exampleContext } from "./test-support.ts";

test("a stage's context names its own roles and boundary, and the settings' application and administrator roles", () => {
  expect(exampleContext()).toEqual({
    stage: "dev",
    accountId: "111122223333",
    region: "eu-west-1",
    provisionerRoleArn: "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-provisioner",
    auditorRoleArn: "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-auditor",
    tenantBoundaryArn: "arn:aws:iam::111122223333:policy/tenantkeys/tenantkeys-dev-tenant-boundary",
    applicationRoleArns: ["arn:aws:iam::111122223333:role/app/acme-web"],
    administratorRoleArns: ["arn:aws:iam::111122223333:role/people/SecurityAdmin"],
  });
});
