import { expect, test } from "vitest";
import { desiredTenantKey } from "./desired-state.ts";
import { parseAttemptId, parseKeyArn, parseKeyName } from "./ids.ts";
import { admittedKeyPolicy, creationKeyPolicy, departingKeyPolicy } from "./key-policy.ts";
import { tenantRolePolicy } from "./role-policy.ts";
import { ACME, exampleContext, exampleProfile } from "./test-support.ts";
import { sharedTrustPolicy, tenantTrustPolicy } from "./trust-policy.ts";

const CONTEXT = exampleContext();
const PROFILE = exampleProfile({ rotationPeriodDays: 180, deletionWindowDays: 14 });
const PAYROLL = parseKeyName("payroll");
const DESIRED = desiredTenantKey(CONTEXT, ACME, PAYROLL, PROFILE);
const OWN_ROLE = "arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-acme";

test("a desired key says every name, tag, document and fact of one tenant key", () => {
  const { keyTags: _, rolePolicy: __, ownRole, ...values } = DESIRED;
  expect(ownRole).toBe(DESIRED.role);
  expect(values).toEqual({
    context: CONTEXT,
    tenantId: "acme",
    profile: PROFILE,
    principalArn: OWN_ROLE,
    keyName: "payroll",
    aliasName: "alias/tenantkeys/dev/acme/payroll",
    keySpec: "SYMMETRIC_DEFAULT",
    keyUsage: "ENCRYPT_DECRYPT",
    origin: "AWS_KMS",
    customKeyStoreId: undefined,
    multiRegion: false,
    replicaRegions: [],
    deletionWindowDays: 14,
    canRotateAutomatically: true,
    rotationPeriodDays: 180,
    keyOwnership: { "tenantkeys:stage": "dev", "tenantkeys:tenant": "acme", "tenantkeys:key": "payroll" },
    role: {
      kind: "own",
      arn: OWN_ROLE,
      name: "tk-dev-acme",
      path: "/tenantkeys/dev/",
      boundaryArn: "arn:aws:iam::111122223333:policy/tenantkeys/tenantkeys-dev-tenant-boundary",
      tags: { "tenantkeys:stage": "dev", "tenantkeys:tenant": "acme" },
      trustPolicy: tenantTrustPolicy(CONTEXT, ACME),
      policyName: "key-payroll",
    },
    creationPolicy: creationKeyPolicy(CONTEXT, PROFILE),
    admittedPolicy: admittedKeyPolicy(CONTEXT, ACME, PROFILE, DESIRED.role.arn),
    departingPolicy: departingKeyPolicy(CONTEXT, PROFILE),
  });
});

test("a key's tags are its ownership and its attempt, and the role's policy names that key and those it replaced", () => {
  const keyArn = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/1");
  const previous = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/0");
  expect(DESIRED.keyTags(parseAttemptId("attempt-1"))).toEqual({
    ...DESIRED.keyOwnership,
    "tenantkeys:attempt": "attempt-1",
  });
  expect(DESIRED.rolePolicy(keyArn)).toEqual(tenantRolePolicy([keyArn], PROFILE));
  expect(DESIRED.rolePolicy(keyArn, previous)).toEqual(tenantRolePolicy([keyArn, previous], PROFILE));
});

test("in role mode session-tag the role is the one that all tenants share", () => {
  const context = exampleContext({ roleMode: "session-tag" });
  const desired = desiredTenantKey(context, ACME, PAYROLL, PROFILE);
  expect(desired.principalArn).toBe(context.sharedTenantRoleArn);
  expect(desired.role).toEqual({
    kind: "shared",
    arn: context.sharedTenantRoleArn,
    name: "tenantkeys-dev-tenant",
    path: "/tenantkeys/",
    boundaryArn: context.tenantBoundaryArn,
    tags: {},
    trustPolicy: sharedTrustPolicy(context),
    policyName: "key-payroll",
  });
});

test("what KMS makes of a key follows from its profile", () => {
  const facts = (changes: Parameters<typeof exampleProfile>[0]) => {
    const desired = desiredTenantKey(CONTEXT, ACME, PAYROLL, exampleProfile(changes));
    return [desired.keyUsage, desired.canRotateAutomatically, desired.rotationPeriodDays, desired.multiRegion];
  };
  expect(facts({})).toEqual(["ENCRYPT_DECRYPT", true, 365, false]);
  expect(facts({ replicaRegions: ["eu-central-1"] })).toEqual(["ENCRYPT_DECRYPT", true, 365, true]);
  expect(facts({ origin: "EXTERNAL" })).toEqual(["ENCRYPT_DECRYPT", false, undefined, false]);
  expect(facts({ keySpec: "HMAC_384" })).toEqual(["GENERATE_VERIFY_MAC", false, undefined, false]);
  expect(facts({ keySpec: "ECC_NIST_P256" })).toEqual(["SIGN_VERIFY", false, undefined, false]);
});
