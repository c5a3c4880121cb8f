import { type KeyName, parseKeyName, type TenantId } from "@tenantkeys/core";
import type { Command } from "commander";
import { declare, type EventFlags, knownTenant } from "../declare.ts";
import { withEventOptions, withTenant } from "../event-options.ts";
import type { ExitCode } from "../exit-codes.ts";
import { keyOf } from "../key-of.ts";
import { identifier } from "../option-parsers.ts";
import { rotationOutcome } from "../outcomes.ts";
import type { Session } from "../ports.ts";
import { type Act, addExamples } from "./command.ts";

interface Flags extends EventFlags {
  readonly keyName: KeyName;
  readonly xksKeyId?: string;
}

async function rotate(session: Session, tenantId: TenantId, flags: Flags): Promise<ExitCode> {
  const { keyName } = keyOf(await knownTenant(session, tenantId), tenantId, flags.keyName);
  return declare(session, {
    tenantId,
    type: "TenantKeyRotationRequested",
    detail: { keyName, ...(flags.xksKeyId === undefined ? {} : { xksKeyId: flags.xksKeyId }) },
    via: "bus",
    flags,
    name: `rotation of key ${keyName}`,
    outcome: (sent) => rotationOutcome(sent, keyName),
  });
}

export function addRotate(program: Command, act: Act): void {
  const command = withTenant(program.command("rotate"))
    .description("rotate a key now, beside its automatic rotation; what it encrypted before can still be read")
    .option("--key-name <name>", "the key", identifier(parseKeyName), parseKeyName("default"))
    .option("--xks-key-id <id>", "for an external key store: which key of its manager is the next");
  withEventOptions(command, "the key is rotated");
  command.action((tenantId: TenantId, flags: Flags) => act((session) => rotate(session, tenantId, flags)));
  addExamples(command, ["tenantkeys rotate acme", "tenantkeys rotate acme --key-name payroll --wait"]);
}
