import type { VerificationStatus } from "@tenantkeys/aws";
import {
  type DestructionRecord,
  type KeyRecord,
  parseTenantId,
  type TenantId,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Command } from "commander";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { fieldLines } from "../field-lines.ts";
import { bySeverity, findingData, findingTable } from "../finding-table.ts";
import { keptEventTable } from "../kept-event-table.ts";
import { identifier } from "../option-parsers.ts";
import { timeText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import { tenantText } from "../tenant-text.ts";
import { readTenant } from "../wait-for-outcome.ts";
import { waitText } from "../wait-text.ts";
import { type Act, addExamples } from "./command.ts";

const REFUSED_EVENTS_MAX = 20;

async function show(session: Session, options: { readonly tenantId: TenantId }): Promise<ExitCode> {
  const { operator, run, output } = session;
  const { tenantId } = options;
  const [{ tenant, keys }, destructions, refused, open, verifications] = await Promise.all([
    readTenant(session, tenantId),
    operator.destructionsOfTenant(run, tenantId),
    operator.listRefused(run, { limit: REFUSED_EVENTS_MAX, tenantId }),
    operator.openFindingsOfTenant(run, tenantId),
    operator.verifications(run, tenantId),
  ]);
  const findings = [...open].sort(bySeverity);
  if (tenant === undefined && keys.length === 0 && refused.length === 0) {
    const message = `stage "${operator.settings.stage}" knows no key and no refused event of tenant ${tenantId}`;
    throw new TenantKeysError("tenant_unknown", message, { tenantId });
  }
  const data = { tenantId, tenant, keys, destructions, refused, verifications, findings: findings.map(findingData) };
  output.answer(data, () => {
    const sections = tenant === undefined ? [] : [tenantText(tenant)];
    const verified = new Map(verifications.map((status) => [status.keyName, status]));
    sections.push(...keys.map((key) => describeKey(key, verified.get(key.keyName))));
    sections.push(...destructions.map(describeDestruction));
    if (findings.length > 0) sections.push(`open findings, the severest first:\n${findingTable(findings)}`);
    if (refused.length > 0) sections.push(`refused events, newest first:\n${keptEventTable(refused)}`);
    return sections.join("\n");
  });
  return EXIT.done;
}

function describeKey(record: KeyRecord, verified: VerificationStatus | undefined): string {
  const { failure, importParameters, rotation } = record;
  const { attributes } = verified ?? {};
  return fieldLines([
    ["tenant", record.tenantId],
    ["key name", record.keyName],
    ["state", record.state],
    ["waits for", waitText(record)],
    ["key", record.keyArn],
    ["owner", record.ownKeyArn === undefined ? undefined : "the tenant's own account"],
    ["alias", record.aliasName],
    ["role", record.roleArn],
    ["profile", record.profile],
    ["generation", record.generation],
    ["event", record.eventId],
    ["declared", timeText(record.declaredAtMs)],
    ["active since", record.activeAtMs && timeText(record.activeAtMs)],
    ["updated", timeText(record.updatedAtMs)],
    ["in hand until", record.leaseUntilMs === 0 ? undefined : timeText(record.leaseUntilMs)],
    ["rotated", rotation && (rotation.doneAtMs === undefined ? "under way" : timeText(rotation.doneAtMs))],
    ["material expires", record.materialExpiresAtMs && timeText(record.materialExpiresAtMs)],
    ["import until", importParameters && timeText(importParameters.expiresAtMs)],
    ["last used", record.lastUsedAtMs && timeText(record.lastUsedAtMs)],
    ["shut off", record.offboardedAtMs && timeText(record.offboardedAtMs)],
    ["deletion asked", record.scheduledAtMs && timeText(record.scheduledAtMs)],
    ["deletion date", record.deletionDateMs && timeText(record.deletionDateMs)],
    ["destroyed", record.destroyedAtMs && timeText(record.destroyedAtMs)],
    ["failed", failure && `${timeText(failure.failedAtMs)} at ${failure.step}`],
    ["reason", failure && `${failure.code}: ${failure.message}`],
    ["next", failure?.nextAction],
    ["verified", verified === undefined ? "never" : timeText(verified.verifiedAtMs)],
    ["NIST state", attributes?.nistState],
    ["FIPS 140", attributes?.fipsLevel],
    ["last rotation", attributes?.lastRotatedAtMs && timeText(attributes.lastRotatedAtMs)],
    ["next rotation", attributes?.nextRotationAtMs && timeText(attributes.nextRotationAtMs)],
  ]);
}

function describeDestruction(record: DestructionRecord): string {
  const by = (who: string | undefined) => who ?? "nobody that AWS named";
  return fieldLines([
    ["destroyed", `key ${record.keyName}, confirmed by KMS at ${timeText(record.confirmedGoneAtMs)}`],
    ["key", record.keyArn],
    ["asked by", `${by(record.requestedBy)}, event ${record.offboardingEventId}`],
    ["reason", record.reason],
    ["approved by", record.approvedBy.length === 0 ? undefined : record.approvedBy.join(", ")],
    ["shut off", timeText(record.offboardedAtMs)],
    ["deletion asked", `${timeText(record.scheduledAtMs)}, with ${record.deletionWindowDays} days' window`],
    ["last used", record.lastUsedAtMs && timeText(record.lastUsedAtMs)],
  ]);
}

export function addShow(program: Command, act: Act): void {
  const command = program
    .command("show")
    .description("show everything that the registry knows of a tenant, with its open findings and refused events")
    .argument("<tenantId>", "the tenant", identifier(parseTenantId))
    .action((tenantId: TenantId) => act((session) => show(session, { tenantId })));
  addExamples(command, ["tenantkeys show acme", "tenantkeys show acme --json | jq '.keys[].keyArn'"]);
}
