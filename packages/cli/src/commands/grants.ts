import type { GrantsOfKey, ListedGrant } from "@tenantkeys/aws";
import { type KeyName, parseKeyName, parseTenantId, type TenantId } from "@tenantkeys/core";
import type { Command } from "commander";
import { knownTenant } from "../declare.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { keyOf } from "../key-of.ts";
import { identifier } from "../option-parsers.ts";
import { countText, timeText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import { textTable } from "../text-table.ts";
import { type Act, addExamples } from "./command.ts";

interface GrantsOptions {
  readonly tenantId: TenantId;
  /** Absent: every key of the tenant. */
  readonly keyName: KeyName | undefined;
  readonly asCaller: boolean;
}

async function showGrants(session: Session, { tenantId, keyName, asCaller }: GrantsOptions): Promise<ExitCode> {
  const { operator, run, output, progress } = session;
  const view = await knownTenant(session, tenantId);
  const keys: GrantsOfKey[] = [];
  for (const key of keyName === undefined ? view.keys : [keyOf(view, tenantId, keyName)]) {
    progress.update(`reading the grants of key ${key.keyName}`);
    keys.push(await operator.listGrants(run, tenantId, key.keyName, { asCaller }));
  }
  const wrong = keys.flatMap(({ grants }) => grants).filter(({ kind }) => kind !== "allowed").length;
  output.answer({ tenantId, keys: keys.map(keyData) }, () => grantTable(keys));
  for (const { keyName: name, isOwnKey } of keys) {
    if (isOwnKey) output.note(`key ${name} is of the tenant's own account: its grants are its owner's to list`);
  }
  if (wrong > 0) {
    const next = `tenantkeys verify ${tenantId}, then tenantkeys repair ${tenantId}`;
    output.note(`${countText(wrong, "grant")} that shouldn't be there: ${next}`);
  }
  return wrong > 0 ? EXIT.differs : EXIT.done;
}

/** A job's end comes with its job; the rest is as KMS has it. */
function keyData({ keyName, isOwnKey, grants }: GrantsOfKey) {
  return {
    keyName,
    isOwnKey,
    grants: grants.map(({ kind, job, ...grant }) => ({
      state: kind,
      jobId: job?.jobId,
      endsAtMs: job?.endsAtMs,
      ...grant,
    })),
  };
}

function grantTable(keys: readonly GrantsOfKey[]): string {
  const rows = keys.flatMap(({ keyName, grants }) => grants.map((grant) => rowOf(keyName, grant)));
  if (rows.length === 0) return "no grants\n";
  return textTable(["KEY", "STATE", "JOB", "ENDS", "GRANTEE", "OPERATIONS", "MADE", "REGION", "GRANT"], rows);
}

function rowOf(
  keyName: KeyName,
  { kind, job, granteePrincipal, operations, createdAtMs, keyArn, grantId }: ListedGrant,
) {
  const region = keyArn.split(":")[3];
  const [ends, made] = [job?.endsAtMs, createdAtMs].map(timeText);
  return [keyName, kind, job?.jobId, ends, granteePrincipal, operations.join(","), made, region, grantId];
}

export function addGrants(program: Command, act: Act): void {
  const command = program
    .command("grants")
    .description("list the grants of a tenant's keys as KMS has them now, and which shouldn't be; changes nothing")
    .argument("<tenantId>", "the tenant", identifier(parseTenantId))
    .option("--key-name <name>", "only this key", identifier(parseKeyName))
    .option("--as-caller", "read with your own credentials instead of as the stage's auditor role")
    .action((tenantId: TenantId, flags: { readonly keyName?: KeyName; readonly asCaller?: boolean }) =>
      act((session) => showGrants(session, { tenantId, keyName: flags.keyName, asCaller: flags.asCaller === true })),
    );
  addExamples(command, [
    "tenantkeys grants acme",
    "tenantkeys grants acme --json | jq -r '.keys[].grants[] | [.jobId, .granteePrincipal] | @tsv'",
  ]);
}
