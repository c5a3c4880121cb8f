import type { TenantId } from "@tenantkeys/core";
import type { Command } from "commander";
import { declare, type EventFlags, knownTenant } from "../declare.ts";
import { confirmUnless, withEventOptions, withTenant, withYes } from "../event-options.ts";
import type { ExitCode } from "../exit-codes.ts";
import { reason } from "../option-parsers.ts";
import { GOALS, registerOutcome } from "../outcomes.ts";
import type { Session } from "../ports.ts";
import { UsageError } from "../usage-error.ts";
import { type Act, addExamples } from "./command.ts";

interface Flags extends EventFlags {
  readonly reason?: string;
  readonly release?: boolean;
  readonly yes?: boolean;
}

async function hold(session: Session, tenantId: TenantId, why: string, flags: Flags): Promise<ExitCode> {
  await knownTenant(session, tenantId);
  return declare(session, {
    tenantId,
    type: "TenantLegalHoldPlaced",
    detail: { reason: why },
    via: "queue",
    flags,
    name: "legal hold",
    outcome: (sent) => registerOutcome(sent, GOALS.held),
  });
}

async function release(session: Session, tenantId: TenantId, flags: Flags): Promise<ExitCode> {
  const { tenant } = await knownTenant(session, tenantId);
  const why = tenant?.hold?.value === true && tenant.hold.reason !== undefined ? ` (${tenant.hold.reason})` : "";
  const consequence = `Releasing the legal hold${why} lets the keys of ${tenantId} be deleted, if it is or will be offboarded.`;
  await confirmUnless(flags.yes, session, tenantId, consequence);
  return declare(session, {
    tenantId,
    type: "TenantLegalHoldReleased",
    detail: flags.reason === undefined ? {} : { reason: flags.reason },
    via: "queue",
    flags,
    name: "release from legal hold",
    outcome: (sent) => registerOutcome(sent, GOALS.released),
  });
}

export function addHold(program: Command, act: Act): void {
  const command = withTenant(program.command("hold"))
    .description("keep a tenant's keys from being deleted, or release such a hold")
    .option("--reason <text>", "why; needed to place a hold", reason)
    .option("--release", "end the hold");
  withYes(withEventOptions(command, "the hold is recorded, and no key is scheduled for deletion any more"));
  command.action(async (tenantId: TenantId, flags: Flags) => {
    const { reason: why } = flags;
    if (flags.release === true) return act((session) => release(session, tenantId, flags));
    if (why === undefined) throw new UsageError("expected --reason <text>, or --release to end a hold");
    return act((session) => hold(session, tenantId, why, flags));
  });
  addExamples(command, [
    "tenantkeys hold acme --reason 'court order 4711'",
    "tenantkeys hold acme --release --reason 'case closed' --wait",
  ]);
}
