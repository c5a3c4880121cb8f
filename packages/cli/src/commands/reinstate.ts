import type { TenantId } from "@tenantkeys/core";
import type { Command } from "commander";
import { declare, type EventFlags, knownTenant } from "../declare.ts";
import { withEventOptions, withTenant } from "../event-options.ts";
import type { ExitCode } from "../exit-codes.ts";
import { GOALS, registerOutcome } from "../outcomes.ts";
import type { Session } from "../ports.ts";
import { type Act, addExamples } from "./command.ts";

async function reinstate(session: Session, tenantId: TenantId, flags: EventFlags): Promise<ExitCode> {
  const { keys } = await knownTenant(session, tenantId);
  const gone = keys.filter((key) => key.state === "destroyed").map((key) => key.keyName);
  if (gone.length > 0) session.output.note(`destroyed, and not to be brought back: ${gone.join(", ")}`);
  return declare(session, {
    tenantId,
    type: "TenantReinstated",
    detail: {},
    via: "bus",
    flags,
    name: "reinstatement",
    outcome: (sent) => registerOutcome(sent, GOALS.reinstated),
  });
}

export function addReinstate(program: Command, act: Act): void {
  const command = withTenant(program.command("reinstate")).description(
    "undo an offboarding: cancel the deletions, enable the keys and let the tenant in again",
  );
  withEventOptions(command, "every key that is left is back");
  command.action((tenantId: TenantId, flags: EventFlags) => act((session) => reinstate(session, tenantId, flags)));
  addExamples(command, ["tenantkeys reinstate acme --wait"]);
}
