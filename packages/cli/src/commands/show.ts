import { type KeyRecord, parseTenantId, type TenantId, TenantKeysError } from "@tenantkeys/core";
import type { Command } from "commander";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { keptEventTable } from "../kept-event-table.ts";
import { identifier } from "../option-parsers.ts";
import { plainText, timeText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import { type Act, addExamples } from "./command.ts";

const REFUSED_EVENTS_MAX = 20;

async function show(session: Session, options: { readonly tenantId: TenantId }): Promise<ExitCode> {
  const { operator, run, output } = session;
  const { tenantId } = options;
  const [keys, refused] = await Promise.all([
    operator.keysOfTenant(run, tenantId),
    operator.listRefused(run, { limit: REFUSED_EVENTS_MAX, tenantId }),
  ]);
  if (keys.length === 0 && refused.length === 0) {
    const message = `stage "${operator.settings.stage}" knows no key and no refused event of tenant ${tenantId}`;
    throw new TenantKeysError("tenant_unknown", message, { tenantId });
  }
  output.answer({ tenantId, keys, refused }, () => {
    const sections = keys.map(describeKey);
    if (refused.length > 0) sections.push(`refused events, newest first:\n${keptEventTable(refused)}`);
    return sections.join("\n");
  });
  return EXIT.done;
}

function describeKey(record: KeyRecord): string {
  const { failure } = record;
  const fields: readonly (readonly [string, string | number | undefined])[] = [
    ["tenant", record.tenantId],
    ["key name", record.keyName],
    ["state", record.state],
    ["key", record.keyArn],
    ["alias", record.aliasName],
    ["role", record.roleArn],
    ["profile", record.profile],
    ["generation", record.generation],
    ["event", record.eventId],
    ["declared", timeText(record.declaredAtMs)],
    ["active since", timeText(record.activeAtMs)],
    ["updated", timeText(record.updatedAtMs)],
    ["in hand until", record.leaseUntilMs === 0 ? undefined : timeText(record.leaseUntilMs)],
    ["failed", failure === undefined ? undefined : `${timeText(failure.failedAtMs)} at ${failure.step}`],
    ["reason", failure === undefined ? undefined : `${failure.code}: ${failure.message}`],
    ["next", failure?.nextAction],
  ];
  const width = Math.max(...fields.map(([name]) => name.length));
  const lines = fields
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name.padEnd(width)}  ${plainText(String(value))}`);
  return `${lines.join("\n")}\n`;
}

export function addShow(program: Command, act: Act): void {
  const command = program
    .command("show")
    .description("show everything that the registry knows of a tenant, with its refused events")
    .argument("<tenantId>", "the tenant", identifier(parseTenantId))
    .action((tenantId: TenantId) => act((session) => show(session, { tenantId })));
  addExamples(command, ["tenantkeys show acme", "tenantkeys show acme --json | jq '.keys[].keyArn'"]);
}
