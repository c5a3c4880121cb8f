import {
  parseTenantId,
  RULE_IDS,
  type RuleId,
  SEVERITIES,
  type Severity,
  type StoredFinding,
  severityRank,
  type TenantId,
} from "@tenantkeys/core";
import { type Command, Option } from "commander";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { bySeverity, findingData, findingTable } from "../finding-table.ts";
import { identifier, wholeNumber } from "../option-parsers.ts";
import { countText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import { UsageError } from "../usage-error.ts";
import { type Act, addExamples } from "./command.ts";

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 100_000;
/** Of a tenant's closed findings so many are read, newest first, before they are filtered. */
const HISTORY_MAX = 10_000;

interface Flags {
  readonly tenant?: TenantId;
  readonly severity?: Severity;
  readonly rule?: RuleId;
  readonly closed?: boolean;
  readonly limit: number;
}

async function listFindings(session: Session, flags: Flags): Promise<ExitCode> {
  const { output } = session;
  const { tenant, closed } = flags;
  // --closed never comes without --tenant.
  const found =
    closed === true && tenant !== undefined
      ? await closedFindings(session, tenant, flags)
      : await openFindings(session, flags);
  const findings = found.slice(0, flags.limit);
  const limitReached = found.length > flags.limit;
  output.answer({ findings: findings.map(findingData), limitReached }, () => {
    if (findings.length === 0) return `no ${closed === true ? "closed" : "open"} findings\n`;
    return findingTable(findings);
  });
  if (limitReached) output.note(`there are more than the ${flags.limit} shown: see --limit`);
  return EXIT.done;
}

/** All of them are read, as the severest should come first. */
async function openFindings({ operator, run, progress }: Session, flags: Flags): Promise<readonly StoredFinding[]> {
  if (flags.tenant !== undefined) {
    const ofTenant = await operator.openFindingsOfTenant(run, flags.tenant);
    return ofTenant.filter((finding) => isWanted(finding, flags)).sort(bySeverity);
  }
  const found: StoredFinding[] = [];
  let read = 0;
  for await (const finding of operator.openFindings(run)) {
    read += 1;
    if (isWanted(finding, flags)) found.push(finding);
    progress.update(`${countText(read, "open finding")} read`);
  }
  return found.sort(bySeverity);
}

/** As they were closed, newest first. */
async function closedFindings(
  { operator, run }: Session,
  tenantId: TenantId,
  flags: Flags,
): Promise<readonly StoredFinding[]> {
  const isFiltered = flags.severity !== undefined || flags.rule !== undefined;
  const history = await operator.findingHistory(run, tenantId, isFiltered ? HISTORY_MAX : flags.limit + 1);
  return history.filter((finding) => isWanted(finding, flags));
}

function isWanted(finding: StoredFinding, { severity, rule }: Flags): boolean {
  if (rule !== undefined && finding.ruleId !== rule) return false;
  return severity === undefined || severityRank(finding.severity) >= severityRank(severity);
}

export function addFindings(program: Command, act: Act): void {
  const command = program
    .command("findings")
    .description("list what verification found, the severest first; it looks at nothing anew")
    .option("--tenant <id>", "only findings of this tenant", identifier(parseTenantId))
    .addOption(new Option("--severity <at least>", "only findings of this severity or above").choices(SEVERITIES))
    .addOption(new Option("--rule <rule>", "only findings of this rule").choices(RULE_IDS))
    .option("--closed", "with --tenant: what was found and is no longer so, the newest first")
    .option("--limit <n>", "findings listed at most", wholeNumber(1, LIMIT_MAX), LIMIT_DEFAULT)
    .action(async (flags: Flags) => {
      if (flags.closed === true && flags.tenant === undefined) {
        throw new UsageError("--closed: expected --tenant <id> with it");
      }
      await act((session) => listFindings(session, flags));
    });
  addExamples(command, [
    "tenantkeys findings",
    "tenantkeys findings --severity high --json",
    "tenantkeys findings --tenant acme --closed",
  ]);
}
