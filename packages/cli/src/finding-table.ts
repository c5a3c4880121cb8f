import type { VerifiedTenantKey } from "@tenantkeys/aws";
import {
  type Finding,
  findingId,
  findingRule,
  type Repairer,
  type StoredFinding,
  severityRank,
} from "@tenantkeys/core";
import { timeText } from "./plain-text.ts";
import { textTable } from "./text-table.ts";

/** A finding as it was seen, or as it is kept. */
export type ShownFinding = Finding & Partial<Pick<StoredFinding, "firstSeenAtMs" | "closedAtMs">>;

const REPAIRED_BY: Readonly<Record<Repairer, string>> = {
  automatic: "tenantkeys",
  person: "a person",
  administrator: "an administrator",
  none: "by hand",
};
const SEEN_CHARACTERS_MAX = 80;

/** What a look at a key found, each as it is kept where it was recorded. */
export function shownFindings({ verdict, changes }: VerifiedTenantKey): readonly ShownFinding[] {
  const kept = new Map([...changes.opened, ...changes.stillOpen].map((stored) => [findingId(stored), stored]));
  return verdict.findings.map((finding) => kept.get(findingId(finding)) ?? finding);
}

/** Findings as a table for people; a long text is cut, --json has it whole. Under it, where to read about each rule. */
export function findingTable(findings: readonly ShownFinding[]): string {
  const withEnd = findings.some(({ closedAtMs }) => closedAtMs !== undefined);
  const table = textTable(
    ["SEVERITY", "SINCE", ...(withEnd ? ["CLOSED"] : []), "TENANT", "KEY", "RULE", "REPAIRED BY", "RESOURCE", "SEEN"],
    findings.map((finding) => [
      finding.severity,
      timeText(finding.firstSeenAtMs),
      ...(withEnd ? [timeText(finding.closedAtMs)] : []),
      finding.tenantId,
      finding.keyName,
      finding.ruleId,
      REPAIRED_BY[findingRule(finding.ruleId).repairer],
      finding.resource,
      cut(finding.seen),
    ]),
  );
  const headings = [...new Set(findings.map(({ ruleId }) => helpOf(ruleId)))].map((help) => `  ${help}\n`);
  return `${table}what each means and what to do:\n${headings.join("")}`;
}

/** A finding as programs get it: with its identity, who may have it put right, and where to read on. */
export function findingData(finding: ShownFinding) {
  const { repairer, says } = findingRule(finding.ruleId);
  return { findingId: findingId(finding), ...finding, says, repairer, help: helpOf(finding.ruleId) };
}

/** The severest first, of these the newest. */
export function bySeverity(one: ShownFinding, other: ShownFinding): number {
  const bySeverityFirst = severityRank(other.severity) - severityRank(one.severity);
  return bySeverityFirst || (other.firstSeenAtMs ?? 0) - (one.firstSeenAtMs ?? 0) || compare(one, other);
}

/** By code unit: the same order on every machine. */
function compare(one: ShownFinding, other: ShownFinding): number {
  const [first, second] = [findingId(one), findingId(other)];
  if (first === second) return 0;
  return first < second ? -1 : 1;
}

function helpOf(ruleId: Finding["ruleId"]): string {
  return `docs/findings.md#${ruleId}`;
}

function cut(text: string): string {
  return text.length <= SEEN_CHARACTERS_MAX ? text : `${text.slice(0, SEEN_CHARACTERS_MAX - 1)}…`;
}
