import {
  type KeyName,
  outsideAccountPolicy,
  ownKeyPolicyStatements,
  parseKeyName,
  type TenantId,
  TenantKeysError,
  tenantPrincipalArn,
} from "@tenantkeys/core";
import type { Command } from "commander";
import { knownTenant } from "../declare.ts";
import { withTenant } from "../event-options.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { keyOf } from "../key-of.ts";
import { identifier } from "../option-parsers.ts";
import type { Session } from "../ports.ts";
import { UsageError } from "../usage-error.ts";
import { type Act, addExamples } from "./command.ts";

/** The document alone goes to stdout, so that it can be written to a file; who needs it is said beside it. */
async function outsidePolicy(session: Session, tenantId: TenantId, keyName: KeyName): Promise<ExitCode> {
  const { operator, output } = session;
  const { keyArn, ownKeyArn, profile: profileName } = keyOf(await knownTenant(session, tenantId), tenantId, keyName);
  const about = { tenantId, keyName };
  const profile = operator.settings.profiles[profileName];
  if (profile === undefined) {
    const message = `key "${keyName}" of tenant ${tenantId} has profile "${profileName}", which this stage doesn't have`;
    throw new TenantKeysError("settings_invalid", message, about);
  }
  if (ownKeyArn !== undefined) {
    const { context } = operator;
    const statements = ownKeyPolicyStatements(context, profile, tenantPrincipalArn(context, tenantId));
    output.answer({ ...about, keyArn: ownKeyArn, statements }, () => `${JSON.stringify(statements, undefined, 2)}\n`);
    output.note(`to be added, by the owner of ${ownKeyArn}, to the statements of that key's policy`);
    return EXIT.done;
  }
  if (profile.outsideAccounts.length === 0) {
    throw new UsageError(`${tenantId}: profile "${profileName}" shares its keys with no outside account`);
  }
  if (keyArn === undefined) {
    throw new TenantKeysError("state_conflict", `key "${keyName}" of tenant ${tenantId} isn't made yet`, about);
  }
  const { outsideAccounts } = profile;
  const policy = outsideAccountPolicy(keyArn, profile);
  output.answer({ ...about, keyArn, outsideAccounts, policy }, () => `${JSON.stringify(policy, undefined, 2)}\n`);
  output.note(`to be attached, in account ${outsideAccounts.join(" and ")}, to each role that shall use the key`);
  return EXIT.done;
}

export function addOutsidePolicy(program: Command, act: Act): void {
  const command = withTenant(program.command("outside-policy"))
    .description(
      "print what the other account needs: an IAM policy for a key that we share, or the key policy of a key that it brings",
    )
    .option("--key-name <name>", "the key", identifier(parseKeyName), parseKeyName("default"))
    .action((tenantId: TenantId, { keyName }: { readonly keyName: KeyName }) =>
      act((session) => outsidePolicy(session, tenantId, keyName)),
    );
  addExamples(command, [
    "tenantkeys outside-policy acme > policy.json",
    "tenantkeys outside-policy acme --key-name payroll --json",
  ]);
}
