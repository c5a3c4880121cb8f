import type { TenantId } from "@tenantkeys/core";
import type { Command } from "commander";
import { declare, type EventFlags, knownTenant } from "../declare.ts";
import { confirmUnless, withEventOptions, withTenant, withYes } from "../event-options.ts";
import type { ExitCode } from "../exit-codes.ts";
import { reason } from "../option-parsers.ts";
import { GOALS, registerOutcome } from "../outcomes.ts";
import { countText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import { type Act, addExamples } from "./command.ts";

interface Flags extends EventFlags {
  readonly reason?: string;
  readonly yes?: boolean;
}

async function offboard(session: Session, tenantId: TenantId, flags: Flags): Promise<ExitCode> {
  const { keys } = await knownTenant(session, tenantId);
  const consequence =
    `Offboarding ${tenantId} shuts it out of its ${countText(keys.length, "key")} now, and deletes them after the watch period and the deletion window of each. ` +
    "What is encrypted under a deleted key is lost for good.";
  await confirmUnless(flags.yes, session, tenantId, consequence);
  return declare(session, {
    tenantId,
    type: "TenantOffboarded",
    detail: flags.reason === undefined ? {} : { reason: flags.reason },
    via: "queue",
    flags,
    name: "offboarding",
    outcome: (sent) => registerOutcome(sent, GOALS.offboarded),
  });
}

export function addOffboard(program: Command, act: Act): void {
  const command = withTenant(program.command("offboard"))
    .description("shut a tenant out of its keys, and delete them after their watch period and window")
    .option("--reason <text>", "why, for the record", reason);
  withYes(withEventOptions(command, "the tenant is shut out of every key"));
  command.action((tenantId: TenantId, flags: Flags) => act((session) => offboard(session, tenantId, flags)));
  addExamples(command, [
    "tenantkeys offboard acme --reason 'contract ended on 2026-10-31'",
    "tenantkeys offboard acme --yes --wait",
    "tenantkeys reinstate acme   # undoes it, as long as the keys are there",
  ]);
}
