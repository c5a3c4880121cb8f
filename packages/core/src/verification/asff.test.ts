import { expect, test } from "vitest";
import { parseAccountId, parseKeyName, parseRegion, parseStage, parseTenantId } from "../ids.ts";
import { asffFinding } from "./asff.ts";
import { finding, findingId, type StoredFinding } from "./finding.ts";
import { FINDING_RULES, findingRule, RULE_IDS, type RuleId } from "./finding-rules.ts";

const PLACE = {
  stage: parseStage("dev"),
  accountId: parseAccountId("111122223333"),
  region: parseRegion("eu-west-1"),
};
const KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234";
const FIRST_MS = Date.parse("2026-11-24T08:00:00Z");
const LAST_MS = Date.parse("2026-11-24T09:00:00Z");

function stored(ruleId: RuleId, changes: Partial<StoredFinding> = {}): StoredFinding {
  const about = {
    tenantId: parseTenantId("acme"),
    keyName: parseKeyName("default"),
    resource: KEY,
    expected: "enabled",
    seen: "Disabled",
  };
  const found = { ...finding(ruleId, about), ...changes };
  return { findingId: findingId(found), firstSeenAtMs: FIRST_MS, lastSeenAtMs: LAST_MS, ...found };
}

test("an open finding is an active record of the account's own product", () => {
  expect(asffFinding(PLACE, stored("rotation-off"))).toEqual({
    SchemaVersion: "2018-10-08",
    Id: `tenantkeys/dev/rotation-off/acme/default/${KEY}`,
    ProductArn: "arn:aws:securityhub:eu-west-1:111122223333:product/111122223333/default",
    ProductName: "tenantkeys",
    CompanyName: "tenantkeys",
    GeneratorId: "tenantkeys/rotation-off",
    AwsAccountId: "111122223333",
    Types: ["Software and Configuration Checks/AWS Security Best Practices"],
    FirstObservedAt: "2026-11-24T08:00:00.000Z",
    LastObservedAt: "2026-11-24T09:00:00.000Z",
    CreatedAt: "2026-11-24T08:00:00.000Z",
    UpdatedAt: "2026-11-24T09:00:00.000Z",
    Severity: { Label: "HIGH", Original: "high" },
    FindingProviderFields: {
      Severity: { Label: "HIGH", Original: "high" },
      Types: ["Software and Configuration Checks/AWS Security Best Practices"],
    },
    Title: `acme/default: ${KEY} isn't rotated, though its profile says so`,
    Description: "Expected: enabled. Seen: Disabled.",
    Remediation: {
      Recommendation: {
        Text: "See docs/findings.md of tenantkeys, heading rotation-off. Or run: tenantkeys repair acme",
      },
    },
    ProductFields: {
      "tenantkeys/Stage": "dev",
      "tenantkeys/Rule": "rotation-off",
      "tenantkeys/Tenant": "acme",
      "tenantkeys/KeyName": "default",
    },
    Resources: [{ Type: "AwsKmsKey", Id: KEY, Partition: "aws", Region: "eu-west-1" }],
    Compliance: { Status: "FAILED", RelatedRequirements: ["KMS.4"] },
    Workflow: { Status: "NEW" },
    RecordState: "ACTIVE",
  });
});

test("a closed finding is archived as passed, at the time of its end", () => {
  const closed = stored("key-disabled", { closedAtMs: Date.parse("2026-11-24T10:00:00Z") });
  expect(asffFinding(PLACE, closed)).toMatchObject({
    RecordState: "ARCHIVED",
    Compliance: { Status: "PASSED" },
    UpdatedAt: "2026-11-24T10:00:00.000Z",
  });
});

test("an intended deletion passes, and what couldn't be checked is a warning", () => {
  expect(asffFinding(PLACE, stored("key-pending-deletion-intended")).Compliance).toEqual({ Status: "PASSED" });
  expect(asffFinding(PLACE, stored("could-not-verify")).Compliance).toEqual({ Status: "WARNING" });
});

test.each([
  ["arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-acme", "AwsIamRole", "eu-west-1"],
  ["arn:aws:kms:us-east-1:111122223333:key/mrk-1", "AwsKmsKey", "us-east-1"],
  ["alias/tenantkeys/dev/acme/default", "Other", "eu-west-1"],
  ["arn:aws:kms:eu-west-1:111122223333:alias/x", "Other", "eu-west-1"],
])("the resource %s is of type %s in %s", (resource, Type, Region) => {
  expect(asffFinding(PLACE, stored("orphan-key", { resource })).Resources).toEqual([
    { Type, Id: resource, Partition: "aws", Region },
  ]);
});

test("a finding of no tenant says so, and names no tenant to repair", () => {
  const { Title, ProductFields, Remediation } = asffFinding(
    PLACE,
    stored("orphan-key", { tenantId: undefined, keyName: undefined }),
  );
  expect(Title).toMatch(/^the stage: /);
  expect(ProductFields).toEqual({ "tenantkeys/Stage": "dev", "tenantkeys/Rule": "orphan-key" });
  expect(Remediation.Recommendation.Text).not.toContain("repair");
});

test("every rule keeps to the format's lengths, whatever was seen", () => {
  for (const ruleId of RULE_IDS) {
    const long = asffFinding(
      PLACE,
      stored(ruleId, { resource: `arn:aws:${"x".repeat(3000)}`, seen: "y".repeat(5000) }),
    );
    expect(long.Title.length).toBeLessThanOrEqual(256);
    expect(long.Description.length).toBeLessThanOrEqual(1024);
    expect(long.Id.length).toBeLessThanOrEqual(512);
    expect(long.Remediation.Recommendation.Text.length).toBeLessThanOrEqual(512);
  }
});

test("Security Hub's own KMS controls are named where a rule asks about the same", () => {
  const controls = RULE_IDS.flatMap((ruleId) => {
    const rule: { readonly securityHubControl?: string } = findingRule(ruleId);
    const named = asffFinding(PLACE, stored(ruleId)).Compliance.RelatedRequirements ?? [];
    expect(named).toEqual(rule.securityHubControl === undefined ? [] : [rule.securityHubControl]);
    return named;
  });
  expect(new Set(controls)).toEqual(new Set(["KMS.1", "KMS.2", "KMS.3", "KMS.4", "KMS.5"]));
  expect(FINDING_RULES["key-pending-deletion-unintended"].securityHubControl).toBe("KMS.3");
});
