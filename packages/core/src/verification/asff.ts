/**
 * Findings in the AWS Security Finding Format, as Security Hub's BatchImportFindings takes them:
 * https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format.html
 */
import type { AccountId, Region, Stage } from "../ids.ts";
import { type StoredFinding, severityRank } from "./finding.ts";
import { findingRule, type RuleId, type Severity } from "./finding-rules.ts";
import { findingText } from "./finding-text.ts";

/** The limits of the format. */
const TITLE_CHARACTERS_MAX = 256;
const DESCRIPTION_CHARACTERS_MAX = 1024;
const REMEDIATION_CHARACTERS_MAX = 512;

const LABELS = {
  information: "INFORMATIONAL",
  low: "LOW",
  medium: "MEDIUM",
  high: "HIGH",
  critical: "CRITICAL",
} as const satisfies Record<Severity, string>;

/** Rules that say that a check couldn't be made, and not that something is wrong. */
const UNCHECKED: readonly RuleId[] = ["could-not-verify", "sweep-overdue", "sweep-incomplete", "region-not-covered"];

export interface AsffPlace {
  readonly stage: Stage;
  readonly accountId: AccountId;
  readonly region: Region;
}

/** @param finding one that is closed becomes an archived record: Security Hub then says that it was resolved */
export function asffFinding({ stage, accountId, region }: AsffPlace, finding: StoredFinding) {
  const { ruleId, tenantId, keyName, resource, expected, seen } = finding;
  const isOpen = finding.closedAtMs === undefined;
  const Severity = { Label: LABELS[finding.severity], Original: finding.severity };
  const Types = [typeOf(ruleId)];
  return {
    SchemaVersion: "2018-10-08",
    Id: `tenantkeys/${stage}/${finding.findingId}`,
    // The product that every account has for findings of its own tools.
    ProductArn: `arn:aws:securityhub:${region}:${accountId}:product/${accountId}/default`,
    ProductName: "tenantkeys",
    CompanyName: "tenantkeys",
    GeneratorId: `tenantkeys/${ruleId}`,
    AwsAccountId: accountId,
    Types,
    FirstObservedAt: isoText(finding.firstSeenAtMs),
    LastObservedAt: isoText(finding.lastSeenAtMs),
    CreatedAt: isoText(finding.firstSeenAtMs),
    // An update counts only where this is later than before.
    UpdatedAt: isoText(finding.closedAtMs ?? finding.lastSeenAtMs),
    Severity,
    // Updates of severity and types are taken from here alone: the ones above become the customer's to change.
    FindingProviderFields: { Severity, Types },
    Title: cut(findingText(finding), TITLE_CHARACTERS_MAX),
    Description: cut(`Expected: ${expected}. Seen: ${seen}.`, DESCRIPTION_CHARACTERS_MAX),
    Remediation: { Recommendation: { Text: remediationText(finding) } },
    ProductFields: {
      "tenantkeys/Stage": stage,
      "tenantkeys/Rule": ruleId,
      ...(tenantId === undefined ? {} : { "tenantkeys/Tenant": tenantId }),
      ...(keyName === undefined ? {} : { "tenantkeys/KeyName": keyName }),
    },
    Resources: [
      { Type: resourceType(resource), Id: resource, Partition: "aws" as const, Region: regionOf(resource, region) },
    ],
    Compliance: compliance(finding),
    // A provider says it once, when the finding is new; from then on the customer does.
    Workflow: { Status: "NEW" as const },
    RecordState: isOpen ? ("ACTIVE" as const) : ("ARCHIVED" as const),
  };
}

export type AsffFinding = ReturnType<typeof asffFinding>;

/** PASSED makes Security Hub resolve the finding by itself, and FAILED after it opens it again. */
function compliance(finding: StoredFinding) {
  const { securityHubControl } = ruleOf(finding.ruleId);
  return {
    Status: complianceStatus(finding),
    ...(securityHubControl === undefined ? {} : { RelatedRequirements: [securityHubControl] }),
  };
}

function complianceStatus({ ruleId, severity, closedAtMs }: StoredFinding): "PASSED" | "WARNING" | "FAILED" {
  if (closedAtMs !== undefined || severityRank(severity) === severityRank("information")) return "PASSED";
  return UNCHECKED.includes(ruleId) ? "WARNING" : "FAILED";
}

function ruleOf(ruleId: RuleId): { readonly securityHubControl?: string } {
  return findingRule(ruleId);
}

function typeOf(ruleId: RuleId): string {
  return ruleId === "unusual-use"
    ? "Unusual Behaviors/Data"
    : "Software and Configuration Checks/AWS Security Best Practices";
}

function remediationText({ ruleId, tenantId }: StoredFinding): string {
  const { repairer } = findingRule(ruleId);
  const read = `See docs/findings.md of tenantkeys, heading ${ruleId}.`;
  if (repairer === "none" || tenantId === undefined) return read;
  return cut(`${read} Or run: tenantkeys repair ${tenantId}`, REMEDIATION_CHARACTERS_MAX);
}

function resourceType(resource: string): "AwsKmsKey" | "AwsIamRole" | "Other" {
  if (/^arn:aws:kms:[^:]+:\d{12}:key\//.test(resource)) return "AwsKmsKey";
  return /^arn:aws:iam::\d{12}:role\//.test(resource) ? "AwsIamRole" : "Other";
}

/** A replica's Region is another one than the stage's; IAM's ARNs name none. */
function regionOf(resource: string, stageRegion: Region): string {
  const named = resource.startsWith("arn:") ? resource.split(":")[3] : undefined;
  return named === undefined || named === "" ? stageRegion : named;
}

function isoText(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

function cut(text: string, charactersMax: number): string {
  return text.length <= charactersMax ? text : `${text.slice(0, charactersMax - 1)}…`;
}
