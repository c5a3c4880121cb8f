import fc from "fast-check";
import { expect, test } from "vitest";
import { parseAccountId, parseAttemptId, parseKeyName, parseStage, parseTenantId } from "./ids.ts";
import {
  aliasName,
  hasTags,
  jobGrantName,
  jobOfGrant,
  keyTags,
  ownershipTags,
  rolePolicyName,
  stageArns,
  stageNames,
  tenantKeyOfAlias,
  tenantOfRole,
  tenantRoleArn,
  tenantRoleName,
  tenantRolePath,
} from "./names.ts";
import { ACCOUNT_ID, REGION } from "./test-support.ts";

const DEV = parseStage("dev");
const ACME = parseTenantId("acme");
const PAYROLL = parseKeyName("payroll");
const LONGEST_STAGE = parseStage("s".repeat(20));
const LONGEST_TENANT = parseTenantId("t".repeat(36));
const LONGEST_KEY = parseKeyName("k".repeat(32));

const stages = fc.stringMatching(/^[a-z0-9]{1,20}$/).map(parseStage);
const tenantIds = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,35}$/).map(parseTenantId);
const keyNames = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/).map(parseKeyName);

test("a tenant key's names are what users look for", () => {
  expect(aliasName(DEV, ACME, PAYROLL)).toBe("alias/tenantkeys/dev/acme/payroll");
  expect(tenantRoleName(DEV, ACME)).toBe("tk-dev-acme");
  expect(tenantRoleArn(ACCOUNT_ID, DEV, ACME)).toBe("arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-acme");
  expect(rolePolicyName(PAYROLL)).toBe("key-payroll");
});

test("the longest ids stay within the limits of KMS and IAM", () => {
  expect(aliasName(LONGEST_STAGE, LONGEST_TENANT, LONGEST_KEY)).toHaveLength(107);
  expect(tenantRoleName(LONGEST_STAGE, LONGEST_TENANT)).toHaveLength(60);
  expect(rolePolicyName(LONGEST_KEY).length).toBeLessThanOrEqual(128);
  expect(tenantRolePath(LONGEST_STAGE).length).toBeLessThanOrEqual(512);
  expect(tenantRolePath(LONGEST_STAGE)).toMatch(/^\/.*\/$/);
  for (const name of Object.values(stageNames(LONGEST_STAGE))) expect(name.length).toBeLessThanOrEqual(64);
});

/** Neighbours in the space of names: the same letters with the border between stage, tenant and key moved. */
const borderPairs = fc
  .tuple(fc.stringMatching(/^[a-z0-9-]{3,20}$/), fc.nat(20), fc.nat(20))
  .map(([text, first, second]) => [first, second].map((at) => [text.slice(0, at), text.slice(at)] as const))
  .filter((pairs) => pairs.every(([a, b]) => /^[a-z0-9]{1,20}$/.test(a) && /^[a-z0-9][a-z0-9-]{0,35}$/.test(b)))
  .map((pairs) => pairs.map(([stage, tenantId]) => ({ stage: parseStage(stage), tenantId: parseTenantId(tenantId) })));

test("two different stage and tenant never share a role name", () => {
  const owners = fc.record({ stage: stages, tenantId: tenantIds });
  const pairs = fc.oneof(fc.tuple(owners, owners), borderPairs);
  fc.assert(
    fc.property(pairs, ([a, b]) => {
      if (a === undefined || b === undefined) return;
      const sameOwner = a.stage === b.stage && a.tenantId === b.tenantId;
      expect(tenantRoleName(a.stage, a.tenantId) === tenantRoleName(b.stage, b.tenantId)).toBe(sameOwner);
    }),
    { numRuns: 500 },
  );
});

test("a role name tells its stage and tenant back, hyphens or not", () => {
  fc.assert(
    fc.property(stages, tenantIds, (stage, tenantId) => {
      const [, readStage, readTenant] = /^tk-([a-z0-9]+)-(.+)$/.exec(tenantRoleName(stage, tenantId)) ?? [];
      expect([readStage, readTenant]).toEqual([stage, tenantId]);
    }),
  );
});

test("two different stage, tenant and key never share an alias", () => {
  fc.assert(
    fc.property(stages, tenantIds, keyNames, (stage, tenantId, keyName) => {
      const parts = aliasName(stage, tenantId, keyName).split("/");
      expect(parts).toEqual(["alias", "tenantkeys", stage, tenantId, keyName]);
    }),
  );
});

test("no tenant's role carries a name of the stage's own roles", () => {
  fc.assert(
    fc.property(stages, tenantIds, (stage, tenantId) => {
      const arns = stageArns(ACCOUNT_ID, REGION, stage);
      const own: readonly string[] = [arns.provisionerRole, arns.auditorRole];
      expect(own).not.toContain(tenantRoleArn(ACCOUNT_ID, stage, tenantId));
    }),
  );
});

test("a stage's resources carry the stage in their name", () => {
  expect(stageNames(DEV)).toMatchObject({
    registryTable: "tenantkeys-dev-registry",
    bus: "tenantkeys-dev",
    archive: "tenantkeys-dev-archive",
    rule: "tenantkeys-dev-sign-ups",
    queue: "tenantkeys-dev-provisioning",
    queueDeadLetter: "tenantkeys-dev-provisioning-dlq",
    ruleDeadLetter: "tenantkeys-dev-sign-ups-dlq",
    provisionFunction: "tenantkeys-dev-provision",
    provisionerRole: "tenantkeys-dev-provisioner",
    auditorRole: "tenantkeys-dev-auditor",
    sharedTenantRole: "tenantkeys-dev-tenant",
    tenantBoundary: "tenantkeys-dev-tenant-boundary",
  });
  for (const name of Object.values(stageNames(DEV))) expect(name).toMatch(/^tenantkeys-dev(-|$)/);
});

test("the ARNs that the provisioner's policy names cover this stage and no other", () => {
  const arns = stageArns(ACCOUNT_ID, REGION, DEV);
  expect(arns.tenantRoles).toBe("arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-*");
  expect(arns.tenantAliases).toBe("arn:aws:kms:eu-west-1:111122223333:alias/tenantkeys/dev/*");
  expect(arns.keys).toBe("arn:aws:kms:eu-west-1:111122223333:key/*");
  expect(arns.provisionerRole).toBe("arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-provisioner");
  expect(arns.auditorRole).toBe("arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-auditor");
  expect(arns.sharedTenantRole).toBe("arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-tenant");
  expect(arns.tenantBoundary).toBe("arn:aws:iam::111122223333:policy/tenantkeys/tenantkeys-dev-tenant-boundary");
});

test("a key's tags name stage, tenant, key and attempt; a role's name stage and tenant", () => {
  const attemptId = parseAttemptId("attempt-1");
  expect(ownershipTags(DEV, ACME)).toEqual({ "tenantkeys:stage": "dev", "tenantkeys:tenant": "acme" });
  expect(keyTags(DEV, ACME, PAYROLL, attemptId)).toEqual({
    "tenantkeys:stage": "dev",
    "tenantkeys:tenant": "acme",
    "tenantkeys:key": "payroll",
    "tenantkeys:attempt": "attempt-1",
  });
});

test("hasTags overlooks further tags and no missing or different one", () => {
  const wanted = ownershipTags(DEV, ACME);
  expect(hasTags({ ...wanted, team: "blue" }, wanted)).toBe(true);
  expect(hasTags({ "tenantkeys:stage": "dev" }, wanted)).toBe(false);
  expect(hasTags({ ...wanted, "tenantkeys:tenant": "globex" }, wanted)).toBe(false);
  expect(hasTags({}, wanted)).toBe(false);
});

test("an alias's name says whose key it is, for every tenant key, and in its own stage only", () => {
  fc.assert(
    fc.property(stages, stages, tenantIds, keyNames, (stage, other, tenantId, keyName) => {
      const name = aliasName(stage, tenantId, keyName);
      expect(tenantKeyOfAlias(stage, name)).toEqual({ tenantId, keyName });
      if (other !== stage) expect(tenantKeyOfAlias(other, name)).toBeUndefined();
    }),
  );
});

test.each([
  "alias/tenantkeys/dev/acme",
  "alias/tenantkeys/dev/acme/default/more",
  "alias/tenantkeys/dev/Acme/default",
  "alias/tenantkeys/dev/acme/",
  "alias/aws/s3",
  "tenantkeys/dev/acme/default",
  "",
])("an alias %j is no tenant's", (name) => {
  expect(tenantKeyOfAlias(DEV, name)).toBeUndefined();
});

test("a role's ARN says whose it is, in its own stage and account only", () => {
  fc.assert(
    fc.property(stages, stages, tenantIds, (stage, other, tenantId) => {
      const arn = tenantRoleArn(ACCOUNT_ID, stage, tenantId);
      expect(tenantOfRole(ACCOUNT_ID, stage, arn)).toBe(tenantId);
      expect(tenantOfRole(parseAccountId("444455556666"), stage, arn)).toBeUndefined();
      if (other !== stage) expect(tenantOfRole(ACCOUNT_ID, other, arn)).toBeUndefined();
    }),
  );
  expect(tenantOfRole(ACCOUNT_ID, DEV, "")).toBeUndefined();
});

test("a job's grant tells the job and its end back by its name, which is one that KMS takes", () => {
  const jobIds = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/);
  fc.assert(
    fc.property(jobIds, fc.integer({ min: 1e12, max: 9e12 }), (jobId, endsAtMs) => {
      const name = jobGrantName(endsAtMs, jobId);
      expect(name).toMatch(/^[a-zA-Z0-9:/_-]{1,256}$/);
      expect(jobOfGrant(name)).toEqual({ jobId, endsAtMs });
    }),
  );
});

test.each([
  undefined,
  "",
  "nightly",
  "tenantkeys-job-soon-nightly",
  "tenantkeys-job-1795478400000",
  "tenantkeys-job-1795478400000-",
  "tenantkeys-job-1795478400000--nightly",
  "tenantkeys-job-01795478400000-nightly",
  "tenantkeys-job-17954784000000-nightly",
  "tenantkeys-job--795478400000-nightly",
  "tenantkeys-job-1795478400000-night/ly",
  "my-tenantkeys-job-1795478400000-nightly",
  `tenantkeys-job-1795478400000-${"x".repeat(65)}`,
])("no other name is a job's grant: %s", (name) => {
  expect(jobOfGrant(name)).toBeUndefined();
});
