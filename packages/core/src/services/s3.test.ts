import { describe, expect, it, test } from "vitest";
import { parseTenantId, type TenantId } from "../ids.ts";
import { stageArns } from "../names.ts";
import { ACCOUNT_ID, ACME, characters, exampleContext, REGION } from "../test-support.ts";
import type { Changes } from "../verification/test-support.ts";
import { exampleDesired, KEY_ARN, OTHER_KEY_ARN, rulesFound } from "../verification/test-support.ts";
import {
  taggedObjectsPolicy,
  taggedPrefixStatements,
  tenantObjectsPolicy,
  tenantPrefix,
  tenantPrefixBucketPolicy,
  tenantPrefixStatements,
} from "./s3.ts";

const WHERE = { bucket: "notes-attachments", prefix: "attachments/" } as const;
const TENANT = { tenantId: ACME, keyArns: [KEY_ARN] } as const;
const LONG_KEY_ARN = `${KEY_ARN.slice(0, -"key-1".length)}0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11` as typeof KEY_ARN;

function tenants(count: number): { tenantId: TenantId; keyArns: (typeof KEY_ARN)[] }[] {
  return Array.from({ length: count }, (_, index) => ({
    // As long as a UUID.
    tenantId: parseTenantId(String(index).padStart(36, "0")),
    keyArns: [LONG_KEY_ARN],
  }));
}

describe("statements of the bucket's policy by tenant", () => {
  it("deny every put under the tenant's prefix that doesn't name its key", () => {
    expect(tenantPrefixStatements(WHERE, [TENANT])).toEqual([
      {
        Sid: "OnlyKeyOfacme",
        Effect: "Deny",
        Principal: { AWS: "*" },
        Action: "s3:PutObject",
        Resource: "arn:aws:s3:::notes-attachments/attachments/acme/*",
        Condition: { StringNotEquals: { "s3:x-amz-server-side-encryption-aws-kms-key-id": KEY_ARN } },
      },
    ]);
    expect(tenantPrefix(WHERE, ACME)).toBe("attachments/acme/");
    expect(tenantPrefix({}, ACME)).toBe("acme/");
  });

  it("take both keys while one replaces the other", () => {
    const [statement] = tenantPrefixStatements(WHERE, [{ tenantId: ACME, keyArns: [KEY_ARN, OTHER_KEY_ARN] }]);
    expect(Object.values(statement?.Condition?.StringNotEquals ?? {})).toEqual([[KEY_ARN, OTHER_KEY_ARN]]);
  });

  it("have a Sid of letters and digits that no two tenants share", () => {
    const ids = ["a-b", "ab", "a-b-", "axb", "0"].map(parseTenantId);
    const sids = tenantPrefixStatements(
      WHERE,
      ids.map((tenantId) => ({ tenantId, keyArns: [KEY_ARN] })),
    ).map(({ Sid }) => Sid);
    expect(new Set(sids).size).toBe(ids.length);
    for (const sid of sids) expect(sid).toMatch(/^[A-Za-z0-9]+$/);
  });

  it.each([
    ["a bucket with a wildcard", { bucket: "notes*" }],
    ["an empty bucket", { bucket: "" }],
    ["a prefix with a wildcard", { ...WHERE, prefix: "a*/" }],
    ["a prefix with a variable", { ...WHERE, prefix: "${aws:username}/" }],
    ["a prefix that doesn't end with a slash", { ...WHERE, prefix: "attachments" }],
    ["a prefix of 513 characters", { ...WHERE, prefix: `${"a".repeat(512)}/` }],
  ])("refuse %s", (_, where) => {
    expect(() => tenantPrefixStatements(where, [TENANT])).toThrow(
      expect.objectContaining({ code: "identifier_invalid" }),
    );
  });

  it("refuse a tenant without a key, whom an empty list would leave without protection", () => {
    const without = () => tenantPrefixStatements(WHERE, [{ tenantId: ACME, keyArns: [] }]);
    expect(without).toThrow(expect.objectContaining({ code: "identifier_invalid" }));
  });
});

describe("the bucket's policy by tenant", () => {
  it("has room for 54 tenants with ids as long as UUIDs, and refuses the 55th with a number", () => {
    const policy = tenantPrefixBucketPolicy(WHERE, tenants(54));
    expect(characters(policy)).toBeLessThanOrEqual(20_480);
    const room =
      /the policy has \d+ bytes, and a bucket's policy may hold 20480: about 54 tenants have room, and there are 55/;
    expect(() => tenantPrefixBucketPolicy(WHERE, tenants(55))).toThrow(
      expect.objectContaining({ code: "policy_too_large", message: expect.stringMatching(room) }),
    );
  });

  it("has the statements that the bucket needs besides, which take their room", () => {
    const further = tenantPrefixStatements({ bucket: "notes-attachments", prefix: "other/" }, tenants(3));
    expect(tenantPrefixBucketPolicy(WHERE, tenants(51), further).Statement).toHaveLength(54);
    expect(() => tenantPrefixBucketPolicy(WHERE, tenants(52), further)).toThrow("about 51 tenants have room");
  });
});

describe("statements of the bucket's policy by tag", () => {
  const { tenantRoles, sharedTenantRole } = stageArns(ACCOUNT_ID, REGION, exampleContext().stage);
  const statements = taggedPrefixStatements(WHERE, { roleArns: [tenantRoles, sharedTenantRole] });
  const bySid = Object.fromEntries(statements.map((statement) => [statement.Sid, statement]));

  it("deny, all of them, and bind tenants' roles only", () => {
    expect(Object.keys(bySid)).toEqual([
      "NothingWithoutTag",
      "NothingOfTheBucketItself",
      "OnlyOwnObjects",
      "OnlyOwnListing",
      "OnlyWithNamedKey",
    ]);
    for (const { Effect, Principal, Condition } of statements) {
      expect({ Effect, Principal }).toEqual({ Effect: "Deny", Principal: { AWS: "*" } });
      expect(Condition?.ArnLike).toEqual({
        "aws:PrincipalArn": [
          "arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-*",
          "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-tenant",
        ],
      });
    }
  });

  it("compare the session's tag, and leave a session without one nothing", () => {
    expect(bySid.OnlyOwnObjects?.NotResource).toEqual([
      "arn:aws:s3:::notes-attachments",
      "arn:aws:s3:::notes-attachments/attachments/${aws:PrincipalTag/tenant}/*",
    ]);
    expect(bySid.OnlyOwnListing?.Condition?.StringNotLike).toEqual({
      "s3:prefix": "attachments/${aws:PrincipalTag/tenant}/*",
    });
    expect(bySid.NothingWithoutTag?.Condition?.Null).toEqual({ "aws:PrincipalTag/tenant": "true" });
  });
});

/** As verification sees a tenant's own role that carries the policy beside ours. */
function withPolicy(data: unknown): Changes {
  const desired = exampleDesired();
  const inlinePolicies = { [desired.ownRole.policyName]: desired.rolePolicy(KEY_ARN), objects: data };
  return { role: { inlinePolicies, policyNames: Object.keys(inlinePolicies) } };
}

describe("the policy of a tenant's role", () => {
  it("lets it put with its key only, and names its prefix in all that it allows", () => {
    const { Statement } = tenantObjectsPolicy(WHERE, TENANT);
    const own = "arn:aws:s3:::notes-attachments/attachments/acme/*";
    expect(Statement.map(({ Action, Resource, Condition }) => [Action, Resource, Condition])).toEqual([
      [["s3:DeleteObject", "s3:GetObject"], own, undefined],
      ["s3:PutObject", own, { StringEquals: { "s3:x-amz-server-side-encryption-aws-kms-key-id": KEY_ARN } }],
      ["s3:ListBucket", "arn:aws:s3:::notes-attachments", { StringLike: { "s3:prefix": "attachments/acme/*" } }],
    ]);
  });

  test.each([
    ["by its key", tenantObjectsPolicy(WHERE, TENANT)],
    ["by the session's tag", taggedObjectsPolicy(WHERE)],
  ])("%s is no finding of verification's", (_, policy) => {
    expect(rulesFound(withPolicy(policy))).toEqual([]);
    // And that this test would see one:
    expect(rulesFound(withPolicy({ ...policy, Statement: [{ ...policy.Statement[0], Action: "s3:*" }] }))).toEqual([
      "role-policy-foreign",
    ]);
  });
});
