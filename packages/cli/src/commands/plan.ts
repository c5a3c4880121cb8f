import type { TenantKeyPlan } from "@tenantkeys/aws";
import {
  type Action,
  type KeyName,
  type KeyRecord,
  type Plan,
  parseKeyName,
  parseTenantId,
  type TenantId,
  type TenantKeysError,
} from "@tenantkeys/core";
import type { Command } from "commander";
import { EXIT, type ExitCode, worse } from "../exit-codes.ts";
import { identifier } from "../option-parsers.ts";
import { errorData } from "../output.ts";
import { plainText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import { waitText } from "../wait-text.ts";
import { type Act, addExamples } from "./command.ts";

interface PlanOptions {
  readonly tenantId: TenantId;
  /** Absent: every key of the tenant that the registry knows, or `default` where it knows none. */
  readonly keyName: KeyName | undefined;
  readonly asCaller: boolean;
}

async function planTenant(session: Session, options: PlanOptions): Promise<ExitCode> {
  const { operator, run, output, progress } = session;
  const { tenantId, asCaller } = options;
  const plans: TenantKeyPlan[] = [];
  for (const keyName of await keyNamesOf(session, options)) {
    progress.update(`reading key ${keyName} of ${tenantId}`);
    plans.push(await operator.planKey(run, tenantId, keyName, { asCaller }));
  }
  output.answer({ tenantId, keys: plans.map(planData) }, () => plans.map(describePlan).join("\n"));
  return plans.map((plan) => (differs(plan) ? EXIT.differs : EXIT.done)).reduce(worse, EXIT.done);
}

async function keyNamesOf({ operator, run }: Session, options: PlanOptions): Promise<readonly KeyName[]> {
  if (options.keyName !== undefined) return [options.keyName];
  const records = await operator.keysOfTenant(run, options.tenantId);
  return records.length === 0 ? [parseKeyName("default")] : records.map((record) => record.keyName);
}

function differs({ plan, record }: TenantKeyPlan): boolean {
  return (
    plan.kind === "refused" ||
    plan.refusal !== undefined ||
    plan.steps.length > 0 ||
    record === undefined ||
    !isSettled(record)
  );
}

/** Nothing is under way, whatever the key waits for. */
function isSettled({ state }: KeyRecord): boolean {
  return state !== "provisioning" && state !== "failed";
}

function planData(planned: TenantKeyPlan) {
  const { keyName, record, observed, plan } = planned;
  const outcome =
    plan.kind === "refused"
      ? { kind: "refused", error: errorData(plan.error) }
      : { kind: "ready", keyArn: plan.keyArn, steps: plan.steps, ...refusalData(plan) };
  return { keyName, differs: differs(planned), plan: outcome, observed, record };
}

function refusalData({ refusal }: Extract<Plan, { readonly kind: "ready" }>) {
  return refusal === undefined ? {} : { error: errorData(refusal) };
}

function refusedLines({ code, message, nextAction }: TenantKeysError): readonly string[] {
  return [`  refused: ${code}: ${message}`, `  next: ${nextAction}`];
}

function describePlan(planned: TenantKeyPlan): string {
  const { tenantId, keyName, record, observed, plan } = planned;
  const lines = [`${tenantId}/${keyName}: ${record?.state ?? "unknown to the registry, planned as a new sign-up"}`];
  const keys = observed.keys.map((key) => `${key.keyArn} (${key.state}${key.aliased ? ", aliased" : ""})`);
  lines.push(`  role: ${observed.role?.arn ?? "absent"}`, `  alias: ${observed.alias}`);
  lines.push(`  keys: ${keys.length === 0 ? "none found" : keys.join(", ")}`);
  if (plan.kind === "refused") {
    lines.push(...refusedLines(plan.error));
  } else if (plan.steps.length > 0 || plan.refusal !== undefined) {
    plan.steps.forEach((step, index) => {
      lines.push(`  step ${index + 1}: ${step.map(actionText).join("; ")}`);
    });
    if (plan.refusal !== undefined) lines.push(...refusedLines(plan.refusal));
  } else if (record !== undefined && isSettled(record)) {
    const waits = waitText(record);
    lines.push(waits === undefined ? "  nothing to do" : `  nothing to do now: waits for ${waits}`);
  } else {
    lines.push(`  nothing to do on AWS, but the registry says ${record?.state}: replay the tenant's sign-up`);
  }
  return `${lines.map(plainText).join("\n")}\n`;
}

export const ACTION_TEXT: Readonly<Record<Action["kind"], string>> = {
  "create-role": "create the role",
  "update-trust-policy": "correct the role's trust policy",
  "create-key": "create the key",
  "enable-rotation": "set the key's rotation",
  "put-role-policy": "put the role's policy for this key",
  "create-alias": "create the alias",
  "admit-tenant": "let the tenant's role in by the key policy",
  "move-alias": "move the alias to the tenant's key",
  "put-role-boundary": "put the stage's permissions boundary on the role",
  "tag-role": "put the role's tags back",
  "revoke-grant": "revoke a grant",
  "obtain-import-parameters": "obtain parameters with which key material can be imported",
  "enable-key": "enable the key",
  "disable-key": "disable the key",
  "shut-out-tenant": "take the tenant's role out of the key policy",
  "schedule-deletion": "schedule the key's deletion",
  "cancel-deletion": "cancel the key's deletion",
  "delete-role-policy": "delete the role's policy for this key",
  "delete-role": "delete the role",
  "discard-spare-key": "schedule the deletion of a spare key that never let the tenant in",
};

function actionText(action: Action): string {
  const text = ACTION_TEXT[action.kind];
  return action.kind === "discard-spare-key" ? `${text} (${action.keyArn})` : text;
}

export function addPlan(program: Command, act: Act): void {
  const command = program
    .command("plan")
    .description("say what is still needed for a tenant's keys, from what AWS has now; changes nothing")
    .argument("<tenantId>", "the tenant", identifier(parseTenantId))
    .option("--key-name <name>", "only this key (default: every key that the registry knows)", identifier(parseKeyName))
    .option("--as-caller", "read with your own credentials instead of as the stage's auditor role")
    .action((tenantId: TenantId, flags: { readonly keyName?: KeyName; readonly asCaller?: boolean }) =>
      act((session) => planTenant(session, { tenantId, keyName: flags.keyName, asCaller: flags.asCaller === true })),
    );
  addExamples(command, ["tenantkeys plan acme", "tenantkeys plan acme --key-name payroll --json"]);
}
