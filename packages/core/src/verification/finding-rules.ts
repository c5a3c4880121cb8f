/**
 * The rules that verification checks, in one closed table: how much each matters and who may put it right. What each
 * means and what to do is in docs/findings.md, under a heading of the rule's name (a test compares the two).
 */

export const SEVERITIES = ["information", "low", "medium", "high", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

/**
 * Who may have a finding put right:
 * - `automatic`: the worker, by itself where the stage says so: it narrows access or restores what protects
 * - `person`: the worker, when a person asks for it: it widens access again, or undoes what somebody did on purpose
 * - `administrator`: a person with their own rights, since the worker has none on what it is about
 * - `none`: nothing that could be applied; the rule's heading in docs/findings.md says what to do
 */
export type Repairer = "automatic" | "person" | "administrator" | "none";

interface FindingRule {
  readonly severity: Severity;
  /** What is wrong, as a sentence without its subject: "is disabled, though its tenant is active". */
  readonly says: string;
  readonly repairer: Repairer;
  /** The control of AWS Security Hub that asks about the same, where one does. */
  readonly securityHubControl?: "KMS.1" | "KMS.2" | "KMS.3" | "KMS.4" | "KMS.5";
}

export const FINDING_RULES = {
  "key-missing": { severity: "critical", says: "is recorded, and KMS says that it isn't there", repairer: "none" },
  "key-disabled": { severity: "high", says: "is disabled, though it should be usable", repairer: "person" },
  "key-open": {
    severity: "critical",
    says: "can be used, though its tenant is suspended or leaves",
    repairer: "automatic",
  },
  "key-pending-deletion-unintended": {
    severity: "critical",
    says: "is scheduled for deletion, and nobody offboarded its tenant",
    repairer: "person",
    securityHubControl: "KMS.3",
  },
  "key-pending-deletion-intended": {
    severity: "information",
    says: "is scheduled for deletion, as its tenant's offboarding says",
    repairer: "none",
  },
  "key-deletion-overdue": {
    severity: "medium",
    says: "should be gone or scheduled for deletion by now, and isn't",
    // The review does it by itself, as often as it can; whoever asks beside it is a person, since it deletes.
    repairer: "person",
  },
  "key-pending-import": { severity: "high", says: "has no key material", repairer: "none" },
  "key-store-unavailable": {
    severity: "high",
    says: "can't be reached: its key store isn't connected",
    repairer: "none",
  },
  "key-tags-differ": { severity: "medium", says: "lacks tags that say whose it is", repairer: "administrator" },
  "material-expiring": { severity: "low", says: "loses its imported material soon", repairer: "none" },
  "rotation-off": {
    severity: "high",
    says: "isn't rotated, though its profile says so",
    repairer: "automatic",
    securityHubControl: "KMS.4",
  },
  "rotation-period-differs": {
    severity: "medium",
    says: "is rotated with another period than its profile's",
    repairer: "automatic",
  },
  "rotation-overdue": {
    severity: "high",
    says: "should have been rotated by now, and KMS shows no such rotation",
    repairer: "none",
    securityHubControl: "KMS.4",
  },
  "rotation-budget-low": {
    severity: "medium",
    says: "has nearly spent its rotations on request",
    repairer: "none",
  },
  "alias-missing": { severity: "high", says: "has lost its alias", repairer: "automatic" },
  "alias-on-another-key": {
    severity: "critical",
    says: "leads to another key than the tenant's",
    repairer: "person",
  },
  "alias-on-dying-key": {
    severity: "high",
    says: "leads to a key that is scheduled for deletion, and not to the tenant's",
    repairer: "person",
  },
  "key-policy-not-contained": {
    severity: "critical",
    says: "lets somebody but its tenant use it or change who may",
    repairer: "automatic",
    securityHubControl: "KMS.5",
  },
  "key-policy-differs": {
    severity: "high",
    says: "has another policy than intended; it lets in no stranger",
    repairer: "person",
  },
  "dead-principal": {
    severity: "high",
    says: "names a role or user in its policy that isn't there any more",
    repairer: "person",
  },
  "role-missing": { severity: "high", says: "isn't there", repairer: "person" },
  "role-trust-policy-differs": {
    severity: "critical",
    says: "can be assumed otherwise than intended",
    repairer: "person",
  },
  "role-policy-differs": {
    severity: "high",
    says: "has another policy for the key than intended",
    repairer: "person",
    securityHubControl: "KMS.2",
  },
  "role-policy-foreign": {
    severity: "high",
    says: "has policies that are neither tenantkeys' nor for its tenant's data alone",
    repairer: "none",
    securityHubControl: "KMS.1",
  },
  "role-boundary-differs": {
    severity: "high",
    says: "isn't held by the stage's permissions boundary",
    repairer: "automatic",
  },
  "role-tags-differ": { severity: "medium", says: "lacks tags that say whose it is", repairer: "person" },
  "grant-foreign": {
    severity: "critical",
    says: "has a grant that its profile doesn't allow",
    repairer: "automatic",
  },
  "grant-stale": { severity: "medium", says: "has a grant that outlived its use", repairer: "automatic" },
  "replica-missing": { severity: "high", says: "lacks a replica that its profile says", repairer: "automatic" },
  "replica-differs": { severity: "high", says: "has a replica that isn't as intended", repairer: "person" },
  "orphan-key": {
    severity: "medium",
    says: "carries this stage's tags, and no record in the registry says whose it is",
    repairer: "administrator",
  },
  "orphan-alias": {
    severity: "low",
    says: "has a name of this stage, and no record in the registry says whose it is",
    repairer: "administrator",
  },
  "orphan-role": {
    severity: "medium",
    says: "has a name of this stage, and no record in the registry says whose it is",
    repairer: "administrator",
  },
  "record-stuck": {
    severity: "medium",
    says: "is recorded as being made or failed, and nobody goes on with it",
    repairer: "none",
  },
  "stage-mismatch": {
    severity: "high",
    says: "belongs to one stage by its name and to another by its tags",
    repairer: "none",
  },
  "public-access": {
    severity: "critical",
    says: "is open to the public or to more than intended, as IAM Access Analyzer says",
    repairer: "automatic",
    securityHubControl: "KMS.5",
  },
  "unusual-use": { severity: "high", says: "was used as its profile doesn't expect", repairer: "none" },
  "canary-breach": {
    severity: "critical",
    says: "could be used or taken on by somebody who must be refused, as the canary tried",
    repairer: "none",
  },
  "could-not-verify": { severity: "high", says: "could not be verified", repairer: "none" },
  "sweep-overdue": { severity: "high", says: "hasn't ended for longer than it should take", repairer: "none" },
  "sweep-incomplete": { severity: "high", says: "ended without looking at everything", repairer: "none" },
  "region-not-covered": {
    severity: "high",
    says: "lies in a Region that the stage doesn't look at",
    repairer: "none",
  },
} as const satisfies Readonly<Record<string, FindingRule>>;

export type RuleId = keyof typeof FINDING_RULES;

/** Every rule, in the order of docs/findings.md. */
export const RULE_IDS = Object.keys(FINDING_RULES) as readonly RuleId[];

export function findingRule(ruleId: RuleId): FindingRule {
  return FINDING_RULES[ruleId];
}
