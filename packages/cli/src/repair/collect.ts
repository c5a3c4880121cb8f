/** What is open and is to be repaired: by the worker, key by key; by the caller; and what nobody can repair by a command. */
import { AS_CALLER_RULES } from "@tenantkeys/aws";
import {
  findingRule,
  type KeyName,
  keysToCount,
  REPAIR_ACTIONS,
  type RuleId,
  repairBudget,
  type StoredFinding,
  type TenantId,
} from "@tenantkeys/core";
import { bySeverity } from "../finding-table.ts";
import type { Session } from "../ports.ts";

export interface RepairOptions {
  readonly tenantId: TenantId | undefined;
  readonly keyName: KeyName | undefined;
  /** Empty: every rule. */
  readonly rules: readonly RuleId[];
  readonly asCaller: boolean;
}

export interface KeyToRepair {
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  readonly rules: readonly RuleId[];
  readonly findings: readonly StoredFinding[];
  /** A key of the tenant's own account. */
  readonly isOwnKey: boolean;
}

export interface Collected {
  readonly keys: readonly KeyToRepair[];
  /** With the caller's own credentials. */
  readonly byCaller: readonly StoredFinding[];
  /** By an administrator, who would have to say --as-caller. */
  readonly byAdministrator: readonly StoredFinding[];
  readonly byHand: readonly StoredFinding[];
}

export async function collect(session: Session, options: RepairOptions): Promise<Collected> {
  const open = (await openFindings(session, options)).filter((finding) => isWanted(finding, options));
  open.sort(bySeverity);
  const canCall = ({ ruleId, resource }: StoredFinding) =>
    AS_CALLER_RULES.some((one) => one === ruleId) && (isAdministrators(ruleId) || resource.includes(":key/"));
  const byCaller = options.asCaller ? open.filter(canCall) : [];
  const rest = open.filter((finding) => !byCaller.includes(finding));
  const byWorker = options.asCaller ? [] : rest.filter(isForWorker);
  const left = rest.filter((finding) => !byWorker.includes(finding));
  return {
    keys: await keysOf(session, byWorker),
    byCaller,
    byAdministrator: left.filter(({ ruleId }) => isAdministrators(ruleId)),
    byHand: left.filter((finding) => !isAdministrators(finding.ruleId) && !isForWorker(finding)),
  };
}

async function openFindings({ operator, run }: Session, { tenantId }: RepairOptions): Promise<StoredFinding[]> {
  if (tenantId !== undefined) return [...(await operator.openFindingsOfTenant(run, tenantId))];
  const open: StoredFinding[] = [];
  for await (const finding of operator.openFindings(run)) open.push(finding);
  return open;
}

/** What is only to be known is nothing to repair. A finding of the tenant without a key belongs to each of its keys. */
function isWanted({ ruleId, severity, keyName }: StoredFinding, options: RepairOptions): boolean {
  if (severity === "information") return false;
  if (options.keyName !== undefined && keyName !== options.keyName) return false;
  return options.rules.length === 0 || options.rules.includes(ruleId);
}

function isAdministrators(ruleId: RuleId): boolean {
  return findingRule(ruleId).repairer === "administrator";
}

function isForWorker({ ruleId, tenantId, keyName }: StoredFinding): boolean {
  return REPAIR_ACTIONS[ruleId].length > 0 && tenantId !== undefined && keyName !== undefined;
}

async function keysOf({ operator, run }: Session, findings: readonly StoredFinding[]): Promise<readonly KeyToRepair[]> {
  const keys: KeyToRepair[] = [];
  for (const group of Map.groupBy(findings, ({ tenantId, keyName }) => `${tenantId}/${keyName}`).values()) {
    const { tenantId, keyName } = group[0] as StoredFinding;
    if (tenantId === undefined || keyName === undefined) continue;
    const record = (await operator.keysOfTenant(run, tenantId)).find((one) => one.keyName === keyName);
    const rules = [...new Set(group.map(({ ruleId }) => ruleId))];
    keys.push({ tenantId, keyName, rules, findings: group, isOwnKey: record?.ownKeyArn !== undefined });
  }
  return keys;
}

/** How many keys this run may change. One always: then nothing is counted. Of those that are gone none counts. */
export async function limitOf({ operator, run }: Session, wanted: number): Promise<number> {
  if (wanted <= 1) return 1;
  const enough = keysToCount(operator.settings);
  let stageKeys = 0;
  for await (const { state } of operator.listKeys(run)) {
    if (state === "destroyed") continue;
    stageKeys += 1;
    if (stageKeys >= enough) break;
  }
  return repairBudget(stageKeys, operator.settings);
}
