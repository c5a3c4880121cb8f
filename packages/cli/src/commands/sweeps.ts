import { SEVERITIES, type Sweep } from "@tenantkeys/core";
import type { Command } from "commander";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { wholeNumber } from "../option-parsers.ts";
import { timeText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import { sweepLateness } from "../sweep-lateness.ts";
import { textTable } from "../text-table.ts";
import { type Act, addExamples } from "./command.ts";

const LIMIT_DEFAULT = 10;

async function listSweeps({ operator, run, output }: Session, limit: number): Promise<ExitCode> {
  const { current, ended } = await operator.sweeps(run, limit);
  const late = sweepLateness(current, run.clock.nowMs(), operator.settings.sweepIntervalMinutes);
  const underWay = current === undefined || current.phase === "closed" ? [] : [current];
  const sweeps = [...underWay, ...ended];
  output.answer({ sweeps, late }, () => (sweeps.length === 0 ? "no sweeps\n" : sweepTable(sweeps)));
  if (late !== undefined) output.note(`overdue: ${late}`);
  return EXIT.done;
}

function sweepTable(sweeps: readonly Sweep[]): string {
  return textTable(
    ["STARTED", "ENDED", "SHARDS", "LOST", "TENANTS", "KEYS", "VERIFIED", "READS DENIED", "LISTS CUT", "OPEN FINDINGS"],
    sweeps.map((sweep) => [
      timeText(sweep.startedAtMs),
      sweep.endedAtMs === undefined ? sweep.phase : timeText(sweep.endedAtMs),
      `${sweep.shardsDone} of ${sweep.shards}`,
      sweep.shardsLost,
      sweep.tenants,
      sweep.tenantKeys,
      sweep.tenantKeysVerified,
      sweep.readsDenied,
      sweep.pagesCut,
      findingsText(sweep.findings),
    ]),
  );
}

/** "1 critical, 2 high", the severest first; severities without any are left out. */
function findingsText(findings: Sweep["findings"]): string | undefined {
  if (findings === undefined) return undefined;
  const counted = [...SEVERITIES].reverse().filter((severity) => (findings[severity] ?? 0) > 0);
  return counted.length === 0 ? "none" : counted.map((severity) => `${findings[severity]} ${severity}`).join(", ");
}

export function addSweeps(program: Command, act: Act): void {
  const command = program
    .command("sweeps")
    .description("list the schedule's sweeps over everything, the newest first, and say whether one is overdue")
    .option("--limit <n>", "sweeps listed at most, of those that have ended", wholeNumber(1, 1_000), LIMIT_DEFAULT)
    .action((flags: { readonly limit: number }) => act((session) => listSweeps(session, flags.limit)));
  addExamples(command, ["tenantkeys sweeps", "tenantkeys sweeps --limit 1 --json | jq -r '.late // \"on time\"'"]);
}
