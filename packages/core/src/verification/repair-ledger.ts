/** How much was repaired without anybody asking, so that it stays within its limit whichever function asks next. */
import type { KeyName, TenantId } from "../ids.ts";
import type { StoredFinding } from "./finding.ts";
import { severityRank } from "./finding.ts";
import { findingRule, type RuleId, type Severity } from "./finding-rules.ts";
import { type AutomaticRepairSettings, isRepairedByItself } from "./repair.ts";

/** The limit is for so long. */
export const REPAIR_WINDOW_MS = 24 * 60 * 60 * 1000;
/** What was asked for so often and is found again is undone by somebody, or can't be done: a person has to look. */
export const REQUESTS_PER_KEY_MAX = 3;
/** A request is carried out, and the key looked at again, well within this. */
export const REQUEST_AGAIN_AFTER_MS = 30 * 60 * 1000;

export interface RepairedKey {
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  readonly requests: number;
}

export interface RepairLedger {
  /** Raised by every write. */
  readonly version: number;
  /** How many keys the stage has, as they were counted last. */
  readonly stageKeys?: number | undefined;
  readonly keys: readonly RepairedKey[];
}

export const NO_REPAIRS: RepairLedger = { version: 0, keys: [] };

export interface WantedRepair {
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  readonly rules: readonly RuleId[];
}

/** What of the open findings the stage puts right by itself, key by key, the severest first. */
export function automaticRepairs(
  open: readonly StoredFinding[],
  settings: AutomaticRepairSettings,
): readonly WantedRepair[] {
  const byKey = Map.groupBy(
    open.filter(({ ruleId, closedAtMs }) => closedAtMs === undefined && isRepairedByItself(ruleId, settings)),
    ({ tenantId, keyName }) => `${tenantId ?? ""}/${keyName ?? ""}`,
  );
  const wanted = [...byKey.values()].flatMap((findings) => {
    const [{ tenantId, keyName } = {}] = findings;
    if (tenantId === undefined || keyName === undefined) return [];
    return [{ tenantId, keyName, rules: [...new Set(findings.map(({ ruleId }) => ruleId))] }];
  });
  return wanted.sort((one, other) => severityRank(worstOf(other)) - severityRank(worstOf(one)));
}

function worstOf({ rules }: WantedRepair): Severity {
  const severities = rules.map((ruleId) => findingRule(ruleId).severity);
  return severities.reduce((one, other) => (severityRank(one) >= severityRank(other) ? one : other));
}

export interface Spent {
  readonly ask: readonly WantedRepair[];
  /** Asked for a moment ago, or too often today. */
  readonly waiting: readonly WantedRepair[];
  /** More than the limit allows. */
  readonly beyond: readonly WantedRepair[];
  readonly ledger: RepairLedger;
}

/** @param limit how many keys may be repaired in a window (`repairBudget`) */
export function spendRepairs(
  ledger: RepairLedger,
  wanted: readonly WantedRepair[],
  limit: number,
  nowMs: number,
): Spent {
  const keys = new Map(
    ledger.keys.filter(({ firstAtMs }) => firstAtMs > nowMs - REPAIR_WINDOW_MS).map((key) => [nameOf(key), key]),
  );
  const spent: { ask: WantedRepair[]; waiting: WantedRepair[]; beyond: WantedRepair[] } = {
    ask: [],
    waiting: [],
    beyond: [],
  };
  for (const repair of wanted) {
    const known = keys.get(nameOf(repair));
    const { tenantId, keyName } = repair;
    if (known === undefined && keys.size >= limit) spent.beyond.push(repair);
    else if (known !== undefined && !mayAskAgain(known, nowMs)) spent.waiting.push(repair);
    else {
      spent.ask.push(repair);
      const { firstAtMs, requests } = known ?? { firstAtMs: nowMs, requests: 0 };
      keys.set(nameOf(repair), { tenantId, keyName, firstAtMs, lastAtMs: nowMs, requests: requests + 1 });
    }
  }
  return { ...spent, ledger: { ...ledger, keys: [...keys.values()] } };
}

function mayAskAgain({ requests, lastAtMs }: RepairedKey, nowMs: number): boolean {
  return requests < REQUESTS_PER_KEY_MAX && nowMs - lastAtMs >= REQUEST_AGAIN_AFTER_MS;
}

function nameOf({ tenantId, keyName }: Pick<RepairedKey, "tenantId" | "keyName">): string {
  return `${tenantId}/${keyName}`;
}
