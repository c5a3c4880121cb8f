import { expect, test } from "vitest";
import { desiredTenantKey } from "./desired-state.ts";
import { parseAttemptId, parseKeyArn, parseKeyName } from "./ids.ts";
import { admittedKeyPolicy, creationKeyPolicy } from "./key-policy.ts";
import { tenantRolePolicy } from "./role-policy.ts";
import { ACME, exampleContext } from "./test-support.ts";
import { tenantTrustPolicy } from "./trust-policy.ts";

const CONTEXT = exampleContext();
const DESIRED = desiredTenantKey(CONTEXT, ACME, parseKeyName("payroll"), { rotationPeriodDays: 180 });

test("a desired key says every name, tag and document of one tenant key", () => {
  const { keyTags: _, rolePolicy: __, ...values } = DESIRED;
  expect(values).toEqual({
    context: CONTEXT,
    tenantId: "acme",
    keyName: "payroll",
    aliasName: "alias/tenantkeys/dev/acme/payroll",
    rotationPeriodDays: 180,
    keyOwnership: { "tenantkeys:stage": "dev", "tenantkeys:tenant": "acme", "tenantkeys:key": "payroll" },
    role: {
      arn: "arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-acme",
      name: "tk-dev-acme",
      path: "/tenantkeys/dev/",
      boundaryArn: "arn:aws:iam::111122223333:policy/tenantkeys/tenantkeys-dev-tenant-boundary",
      tags: { "tenantkeys:stage": "dev", "tenantkeys:tenant": "acme" },
      trustPolicy: tenantTrustPolicy(CONTEXT, ACME),
      policyName: "key-payroll",
    },
    creationPolicy: creationKeyPolicy(CONTEXT),
    admittedPolicy: admittedKeyPolicy(CONTEXT, DESIRED.role.arn),
  });
});

test("a key's tags are its ownership and its attempt, and the role's policy names that key", () => {
  const keyArn = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/1");
  expect(DESIRED.keyTags(parseAttemptId("attempt-1"))).toEqual({
    ...DESIRED.keyOwnership,
    "tenantkeys:attempt": "attempt-1",
  });
  expect(DESIRED.rolePolicy(keyArn)).toEqual(tenantRolePolicy(keyArn));
});
