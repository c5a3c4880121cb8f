import type { TenantId } from "@tenantkeys/core";
import type { Command } from "commander";
import { declare, type EventFlags, knownTenant } from "../declare.ts";
import { withEventOptions, withTenant } from "../event-options.ts";
import type { ExitCode } from "../exit-codes.ts";
import { GOALS, registerOutcome } from "../outcomes.ts";
import type { Session } from "../ports.ts";
import { type Act, addExamples } from "./command.ts";

async function resume(session: Session, tenantId: TenantId, flags: EventFlags): Promise<ExitCode> {
  await knownTenant(session, tenantId);
  return declare(session, {
    tenantId,
    type: "TenantResumed",
    detail: {},
    via: "bus",
    flags,
    name: "resumption",
    outcome: (sent) => registerOutcome(sent, GOALS.resumed),
  });
}

export function addResume(program: Command, act: Act): void {
  const command = withTenant(program.command("resume")).description("enable a suspended tenant's keys again");
  withEventOptions(command, "every key is enabled");
  command.action((tenantId: TenantId, flags: EventFlags) => act((session) => resume(session, tenantId, flags)));
  addExamples(command, ["tenantkeys resume acme", "tenantkeys resume acme --wait --timeout 300"]);
}
