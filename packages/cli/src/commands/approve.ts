import { leavingRegister, type Register, type TenantId, TenantKeysError } from "@tenantkeys/core";
import type { Command } from "commander";
import { declare, type EventFlags, knownTenant } from "../declare.ts";
import { confirmUnless, withEventOptions, withTenant, withYes } from "../event-options.ts";
import type { ExitCode } from "../exit-codes.ts";
import { approvalOutcome } from "../outcomes.ts";
import { timeText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import type { TenantView } from "../wait-for-outcome.ts";
import { type Act, addExamples } from "./command.ts";

interface Flags extends EventFlags {
  readonly yes?: boolean;
}

async function approve(session: Session, tenantId: TenantId, flags: Flags): Promise<ExitCode> {
  const view = await knownTenant(session, tenantId);
  const { approvalPrincipal } = session.operator.settings;
  const leaving = offboardingOf(view, tenantId);
  const by = leaving.by ?? "nobody that AWS named, so that two people have to approve it,";
  const asked = `asked for by ${by} at ${timeText(leaving.atMs)}`;
  const why = leaving.reason === undefined ? "" : `, because: ${leaving.reason}`;
  const consequence = `Approving lets the keys of ${tenantId} be deleted, as was ${asked}${why}.`;
  await confirmUnless(flags.yes, session, tenantId, consequence);
  return declare(session, {
    tenantId,
    type: "TenantOffboardingApproved",
    detail: { offboardingGeneration: leaving.generation },
    via: "queue",
    flags,
    name: "approval of the offboarding",
    outcome: (sent) => approvalOutcome(sent, leaving.generation, approvalPrincipal),
  });
}

/** @throws TenantKeysError `state_conflict` where the tenant isn't leaving */
function offboardingOf({ tenant }: TenantView, tenantId: TenantId): Register {
  const leaving = tenant === undefined ? undefined : leavingRegister(tenant);
  if (leaving !== undefined) return leaving;
  const message = `no offboarding of tenant ${tenantId} is under way, so there is none to approve`;
  throw new TenantKeysError("state_conflict", message, { tenantId });
}

export function addApprove(program: Command, act: Act): void {
  const command = withTenant(program.command("approve")).description(
    "approve the offboarding that is under way, as somebody else than who asked for it",
  );
  withYes(withEventOptions(command, "the approval is recorded"));
  command.action((tenantId: TenantId, flags: Flags) => act((session) => approve(session, tenantId, flags)));
  addExamples(command, ["tenantkeys approve acme", "tenantkeys approve acme --yes --wait --json"]);
}
