/** Shows what a repair would do, who may have it done, and what it won't do. Nothing is changed. */
import type { TenantKeyPlan } from "@tenantkeys/aws";
import {
  asTenantKeysError,
  isConfirmed,
  REPAIR_ACTIONS,
  type StoredFinding,
  type TenantKeysError,
} from "@tenantkeys/core";
import { ACTION_TEXT } from "../commands/plan.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { findingData } from "../finding-table.ts";
import { errorData } from "../output.ts";
import { countText, plainText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import { type Collected, type KeyToRepair, limitOf } from "./collect.ts";

/** Keys of which the plan is made: each costs a dozen reads. Of the others the rules are shown. */
const PLANS_MAX = 100;

interface PlannedRepair extends KeyToRepair {
  readonly plan: TenantKeyPlan["plan"] | undefined;
  readonly error: TenantKeysError | undefined;
}

export async function dryRun(session: Session, collected: Collected): Promise<ExitCode> {
  const { output, progress } = session;
  const { keys, byCaller, byAdministrator, byHand } = collected;
  const limit = await limitOf(session, Math.max(keys.length, byCaller.length));
  const planned: PlannedRepair[] = [];
  for (const [index, key] of keys.entries()) {
    planned.push(await planOne(session, key, index < PLANS_MAX));
    progress.update(`${planned.length} of ${countText(keys.length, "key")} looked at`);
  }
  const data = {
    applied: false,
    limit,
    keys: planned.map(planData),
    byCaller: byCaller.map(findingData),
    byAdministrator: byAdministrator.map(findingData),
    byHand: byHand.map(findingData),
  };
  output.answer(data, () => {
    const lines = [
      ...planned.flatMap(planLines),
      ...section("by you, as an administrator, with --apply:", byCaller),
      ...section("by an administrator, with --as-caller:", byAdministrator),
      ...section("by hand; the heading of each rule says how:", byHand),
    ];
    return `${[...lines, summary(keys.length, limit, collected)].map(plainText).join("\n")}\n`;
  });
  const count = keys.length + byCaller.length + byAdministrator.length + byHand.length;
  return count === 0 ? EXIT.done : EXIT.differs;
}

async function planOne({ operator, run }: Session, key: KeyToRepair, isPlanned: boolean): Promise<PlannedRepair> {
  if (!isPlanned) return { ...key, plan: undefined, error: undefined };
  try {
    const { plan } = await operator.planRepair(run, key.tenantId, key.keyName, key.rules);
    const error = plan.kind === "refused" ? plan.error : plan.refusal;
    return { ...key, plan, error };
  } catch (error) {
    return { ...key, plan: undefined, error: asTenantKeysError(error) };
  }
}

function actionsOf({ plan }: PlannedRepair) {
  return plan?.kind === "ready" ? plan.steps.flat().map(({ kind }) => kind) : undefined;
}

function withheldBy({ plan }: PlannedRepair) {
  return plan?.kind === "ready" ? (plan.withheld ?? []) : [];
}

function planData(planned: PlannedRepair) {
  const { tenantId, keyName, rules, findings, isOwnKey, error } = planned;
  return {
    tenantId,
    keyName,
    rules,
    asksFirst: asksFirst(planned),
    isOwnKey,
    actions: actionsOf(planned),
    withheld: withheldBy(planned),
    error: error && errorData(error),
    findings: findings.map(findingData),
  };
}

function planLines(planned: PlannedRepair): readonly string[] {
  const { tenantId, keyName, findings, isOwnKey, error } = planned;
  const actions = actionsOf(planned);
  const withheld = withheldBy(planned);
  return [
    `${tenantId}/${keyName}${isOwnKey ? ", a key of the tenant's own account" : ""}`,
    ...findings.map(
      ({ ruleId, severity, resource }) =>
        `  ${ruleId} (${severity}${isConfirmed(ruleId) || isOwnKey ? ", asks first" : ""}): ${resource}`,
    ),
    ...(actions === undefined
      ? []
      : [`  would: ${actions.length === 0 ? "do nothing" : actions.map(actionText).join("; ")}`]),
    ...(withheld.length === 0 ? [] : [`  won't, as no rule named permits it: ${withheld.map(actionText).join("; ")}`]),
    ...(error === undefined ? [] : [`  refused: ${error.code}: ${error.message}`]),
  ];
}

function section(title: string, findings: readonly StoredFinding[]): readonly string[] {
  if (findings.length === 0) return [];
  return [title, ...findings.map(({ ruleId, severity, resource }) => `  ${ruleId} (${severity}): ${resource}`)];
}

function summary(count: number, limit: number, { byCaller }: Collected): string {
  if (count === 0 && byCaller.length === 0) return "nothing that a repair would do";
  // With --as-caller there are no keys for the worker.
  const wanted = count + byCaller.length;
  const what =
    count === 0 ? `${countText(wanted, "finding")} to put right yourself` : `${countText(wanted, "key")} to repair`;
  const choose = wanted > limit ? ": choose with a tenantId, --key-name or --rule" : "";
  return `${what}, at most ${limit} in one run${choose}; nothing was changed: see --apply`;
}

/** Whether a person is asked once more. */
export function asksFirst({ rules, isOwnKey }: KeyToRepair): boolean {
  return isOwnKey || rules.some(isConfirmed);
}

function actionText(kind: keyof typeof ACTION_TEXT): string {
  return ACTION_TEXT[kind];
}

/** What these rules permit, in words. */
export function permittedText({ rules }: KeyToRepair): string {
  const kinds = new Set(rules.flatMap((ruleId) => REPAIR_ACTIONS[ruleId]));
  return [...kinds].map((kind) => (kind === "replicate" ? "replicate the key" : ACTION_TEXT[kind])).join("; ");
}
