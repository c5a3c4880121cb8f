import { type KeyArn, type KeyName, parseKeyArn, parseKeyName, type TenantId } from "@tenantkeys/core";
import type { Command } from "commander";
import { declare, type EventFlags, knownTenant } from "../declare.ts";
import { withEventOptions, withTenant } from "../event-options.ts";
import type { ExitCode } from "../exit-codes.ts";
import { checked } from "../global-options.ts";
import { identifier } from "../option-parsers.ts";
import { keysMadeOutcome } from "../outcomes.ts";
import type { Session } from "../ports.ts";
import { checkProfile } from "../profile-option.ts";
import { type Act, addExamples } from "./command.ts";

interface Flags extends EventFlags {
  readonly profile?: string;
  readonly keyArn?: KeyArn;
  readonly xksKeyId?: string;
}

async function addKey(session: Session, tenantId: TenantId, keyName: KeyName, flags: Flags): Promise<ExitCode> {
  const { profile, keyArn, xksKeyId } = flags;
  checkProfile(session, profile);
  await knownTenant(session, tenantId);
  const startMs = session.run.clock.nowMs();
  return declare(session, {
    tenantId,
    type: "TenantKeyAdded",
    detail: {
      keyName,
      ...(profile === undefined ? {} : { profile }),
      ...(keyArn === undefined ? {} : { keyArn }),
      ...(xksKeyId === undefined ? {} : { xksKeyId }),
    },
    via: "bus",
    flags,
    name: `key ${keyName}`,
    outcome: (sent) => keysMadeOutcome(sent, [keyName], startMs),
  });
}

export function addAddKey(program: Command, act: Act): void {
  const command = withTenant(program.command("add-key"))
    .description("give a tenant that has signed up one more key")
    .argument("<keyName>", "the key's name, which is also its data class", identifier(parseKeyName))
    .option("--profile <name>", "a key profile of the stage", (text) => checked("--profile", () => parseKeyName(text)))
    .option("--key-arn <arn>", "a key of the tenant's own account, which is only used", identifier(parseKeyArn))
    .option("--xks-key-id <id>", "for an external key store: which key of its manager");
  withEventOptions(command, "the key is made");
  command.action((tenantId: TenantId, keyName: KeyName, flags: Flags) =>
    act((session) => addKey(session, tenantId, keyName, flags)),
  );
  addExamples(command, [
    "tenantkeys add-key acme payroll --wait",
    "tenantkeys add-key acme vault --profile byok",
    "tenantkeys add-key acme own --key-arn arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab",
  ]);
}
