/** A finding: a fact about one resource that isn't as declared, since when, and whose. */
import type { KeyName, TenantId } from "../ids.ts";
import { findingRule, type RuleId, SEVERITIES, type Severity } from "./finding-rules.ts";

export interface Finding {
  readonly ruleId: RuleId;
  readonly severity: Severity;
  /** Absent of what belongs to the whole stage. An orphan's is the one that its tags or name say. */
  readonly tenantId?: TenantId | undefined;
  readonly keyName?: KeyName | undefined;
  /** What it is about: an ARN, or a name. With the rule and the key it is the finding's identity. */
  readonly resource: string;
  /** What should be, and what is, as texts for people; no policy documents. */
  readonly expected: string;
  readonly seen: string;
}

/** A finding as it is kept. Times are epoch milliseconds. */
export interface StoredFinding extends Finding {
  readonly findingId: string;
  readonly firstSeenAtMs: number;
  readonly lastSeenAtMs: number;
  /** Absent while it is open. */
  readonly closedAtMs?: number | undefined;
}

/** What a finding is about; the rest follows from its rule. */
export type FindingAbout = Pick<Finding, "tenantId" | "keyName" | "resource" | "expected" | "seen">;

/** @param severity where it hangs on more than the rule */
export function finding(
  ruleId: RuleId,
  about: FindingAbout,
  severity: Severity = findingRule(ruleId).severity,
): Finding {
  return { ruleId, severity, ...about };
}

/** The same for the same fact in every sweep, so that a finding opens once and closes once. At most 400 characters. */
export function findingId({ ruleId, tenantId, keyName, resource }: Omit<Finding, "severity">): string {
  return [ruleId, tenantId ?? "-", keyName ?? "-", resource].join("/").slice(0, 400);
}

/** A number that grows with the severity. */
export function severityRank(severity: Severity): number {
  return SEVERITIES.indexOf(severity);
}
