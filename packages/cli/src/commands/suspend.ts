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

async function suspend(session: Session, tenantId: TenantId, flags: Flags): Promise<ExitCode> {
  const { keys } = await knownTenant(session, tenantId);
  const consequence = `Suspending ${tenantId} disables its ${countText(keys.length, "key")}: nothing encrypted under them can be read until it is resumed.`;
  await confirmUnless(flags.yes, session, tenantId, consequence);
  return declare(session, {
    tenantId,
    type: "TenantSuspended",
    detail: flags.reason === undefined ? {} : { reason: flags.reason },
    via: "bus",
    flags,
    name: "suspension",
    outcome: (sent) => registerOutcome(sent, GOALS.suspended),
  });
}

export function addSuspend(program: Command, act: Act): void {
  const command = withTenant(program.command("suspend"))
    .description("disable a tenant's keys until it is resumed; nothing is deleted")
    .option("--reason <text>", "why, for the record", reason);
  withYes(withEventOptions(command, "every key is disabled"));
  command.action((tenantId: TenantId, flags: Flags) => act((session) => suspend(session, tenantId, flags)));
  addExamples(command, [
    "tenantkeys suspend acme --reason 'invoice 17 is unpaid' --wait",
    "tenantkeys suspend acme --yes --json",
  ]);
}
