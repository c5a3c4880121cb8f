/** What becomes of the findings that are open when everything, or a part, was checked again. */
import type { KeyName, TenantId } from "../ids.ts";
import { type Finding, findingId, type StoredFinding, severityRank } from "./finding.ts";
import { RULE_IDS, type RuleId } from "./finding-rules.ts";
import { TENANT_KEY_RULES } from "./verify-tenant-key.ts";

/** Of which findings a check has judged everything: what is open there and wasn't found again is closed. */
export interface FindingScope {
  /** Absent: findings that belong to no tenant of the registry (the stage, orphans). */
  readonly tenantId: TenantId | undefined;
  /** Absent: the tenant's findings without a key name. */
  readonly keyName: KeyName | undefined;
  /** Rules that weren't judged: what is open of them stays open. */
  readonly unjudged: readonly RuleId[];
  /** The rules that were judged at all; absent: those of a tenant key where the scope has a key name, else every rule. */
  readonly judged?: readonly RuleId[] | undefined;
}

export interface FindingChanges {
  readonly opened: readonly StoredFinding[];
  readonly stillOpen: readonly StoredFinding[];
  readonly closed: readonly StoredFinding[];
}

/**
 * @param open what is open already; of a tenant's scope only what is of that tenant and key can be closed
 * @param found what was found, in any order; the same fact twice counts once
 */
export function reconcileFindings(
  open: readonly StoredFinding[],
  found: readonly Finding[],
  scope: FindingScope,
  nowMs: number,
): FindingChanges {
  const known = new Map(open.map((one) => [one.findingId, one]));
  const facts = worstOfEach(found);
  const stored = [...facts].map(([id, fact]): StoredFinding => {
    // Seen by a check that began earlier, it isn't younger than that.
    const firstSeenAtMs = known.get(id)?.firstSeenAtMs ?? nowMs;
    const lastSeenAtMs = Math.max(nowMs, known.get(id)?.lastSeenAtMs ?? 0);
    return { ...fact, findingId: id, firstSeenAtMs, lastSeenAtMs };
  });
  const unseen = open.filter((one) => !facts.has(one.findingId));
  const isGone = (one: StoredFinding) => isOfScope(one, scope) && isJudged(one.ruleId, scope);
  return {
    opened: stored.filter((one) => !known.has(one.findingId)),
    stillOpen: [...stored.filter((one) => known.has(one.findingId)), ...unseen.filter((one) => !isGone(one))],
    closed: unseen.filter(isGone).map((one) => ({ ...one, closedAtMs: nowMs })),
  };
}

function worstOfEach(found: readonly Finding[]): ReadonlyMap<string, Finding> {
  const facts = new Map<string, Finding>();
  for (const one of found) {
    const id = findingId(one);
    const known = facts.get(id);
    if (known === undefined || severityRank(one.severity) > severityRank(known.severity)) facts.set(id, one);
  }
  return facts;
}

function isOfScope(one: StoredFinding, { tenantId, keyName }: FindingScope): boolean {
  return tenantId === undefined || (one.tenantId === tenantId && one.keyName === keyName);
}

function isJudged(ruleId: RuleId, { keyName, judged, unjudged }: FindingScope): boolean {
  const rules = judged ?? (keyName === undefined ? RULE_IDS : TENANT_KEY_RULES);
  return rules.includes(ruleId) && !unjudged.includes(ruleId);
}
