import {
  type KeyName,
  parseKeyName,
  parseRoleArn,
  type RoleArn,
  type TenantId,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Command } from "commander";
import { knownTenant } from "../declare.ts";
import { withTenant } from "../event-options.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { keyOf } from "../key-of.ts";
import { identifier } from "../option-parsers.ts";
import { errorData } from "../output.ts";
import { plainText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import { type Act, addExamples } from "./command.ts";

interface Flags {
  readonly keyName: KeyName;
  readonly applicationRole?: RoleArn;
}

async function probe(session: Session, tenantId: TenantId, flags: Flags): Promise<ExitCode> {
  const { operator, run, output, progress } = session;
  const { keyName, applicationRole = operator.settings.applicationRoleArns[0] } = flags;
  const {
    keyArn,
    ownKeyArn,
    roleArn,
    profile: profileName,
    state,
  } = keyOf(await knownTenant(session, tenantId), tenantId, keyName);
  const profile = operator.settings.profiles[profileName];
  const tried = keyArn ?? ownKeyArn;
  if (tried === undefined || roleArn === undefined || profile === undefined || applicationRole === undefined) {
    const message = `key "${keyName}" of tenant ${tenantId} is ${state}, and there is nothing to try yet`;
    throw new TenantKeysError("state_conflict", message, { tenantId, keyName });
  }
  progress.update(`trying key ${keyName} of ${tenantId}`);
  const found = await operator.probe(run, { tenantId, roleArn, keyArn: tried, profile }, applicationRole);
  const about = { tenantId, keyName, keyArn: tried, applicationRole };
  if (found.kind === "usable") {
    output.answer(
      { ...about, usable: true, step: found.step },
      () => `${tenantId}/${keyName}: usable (${found.step}, not done)\n`,
    );
    return EXIT.done;
  }
  const { error } = found;
  output.answer({ ...about, usable: false, error: errorData(error) }, () =>
    [`${tenantId}/${keyName}: not usable`, `  ${error.message}`, `  next: ${error.nextAction}`, ""]
      .map(plainText)
      .join("\n"),
  );
  return EXIT.differs;
}

export function addProbe(program: Command, act: Act): void {
  const command = withTenant(program.command("probe"))
    .description("try whether the application can use a tenant's key, by its roles and without doing anything (DryRun)")
    .option("--key-name <name>", "the key", identifier(parseKeyName), parseKeyName("default"))
    .option("--application-role <arn>", "the application's role (default: the stage's first)", identifier(parseRoleArn))
    .action((tenantId: TenantId, flags: Flags) => act((session) => probe(session, tenantId, flags)));
  addExamples(command, [
    "tenantkeys probe acme",
    "tenantkeys probe acme --key-name own --application-role arn:aws:iam::111122223333:role/notes-api",
  ]);
}
