import { attemptOutcome, attemptText, type CanaryRun, canaryLateness, countOutcomes } from "@tenantkeys/core";
import type { Command } from "commander";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { wholeNumber } from "../option-parsers.ts";
import { timeText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import { textTable } from "../text-table.ts";
import { type Act, addExamples } from "./command.ts";

const LIMIT_DEFAULT = 10;
/** More than are due before one counts as overdue, however few are listed. */
const JUDGED = 10;

interface Flags {
  readonly limit: number;
  readonly breaches?: boolean;
}

async function listRuns({ operator, run, output }: Session, { limit, breaches = false }: Flags): Promise<ExitCode> {
  const { canary, canaryIntervalMinutes } = operator.settings;
  const read = await operator.canaryRuns(
    run,
    breaches ? "breaches" : "runs",
    breaches ? limit : Math.max(limit, JUDGED),
  );
  const judged = canary && !breaches;
  const late = judged ? canaryLateness(read, run.clock.nowMs(), canaryIntervalMinutes) : undefined;
  const runs = read.slice(0, limit);
  output.answer({ runs, late }, () => (runs.length === 0 ? "no runs\n" : runTable(runs)));
  if (!canary) output.note("the stage's setting canary is off");
  if (late !== undefined) output.note(`overdue: ${late}`);
  return judged ? exitCodeOf(read[0], late) : EXIT.done;
}

/** By the newest run: those before it are history. */
function exitCodeOf(newest: CanaryRun | undefined, late: string | undefined): ExitCode {
  if (newest?.state === "breached") return EXIT.differs;
  return late === undefined && newest?.state === "passed" ? EXIT.done : EXIT.unknown;
}

/** Under the table whatever of the newest run wasn't as it must be. */
function runTable(runs: readonly CanaryRun[]): string {
  const table = textTable(
    ["STARTED", "STATE", "ATTEMPTS", "BREACHES", "FAILURES", "SECONDS", "WAITS FOR"],
    runs.map(({ startedAtMs, endedAtMs, state, attempts, waitsFor }) => {
      const { breaches, failures } = countOutcomes(attempts);
      const seconds = ((endedAtMs - startedAtMs) / 1_000).toFixed(1);
      return [timeText(startedAtMs), state, attempts.length, breaches, failures, seconds, waitsFor];
    }),
  );
  const [newest] = runs;
  const unexpected = (newest?.attempts ?? []).filter((one) => attemptOutcome(one) !== "as-expected");
  if (newest === undefined || unexpected.length === 0) return table;
  const lines = textTable(
    ["OUTCOME", "TRIED", "MUST", "DID", "REASON"],
    unexpected.map((one) => [attemptOutcome(one), attemptText(one), one.must, one.result, one.reason]),
  );
  return `${table}\n${timeText(newest.startedAtMs)}:\n${lines}`;
}

export function addCanary(program: Command, act: Act): void {
  const command = program
    .command("canary")
    .description("list the canary's runs, the newest first: what it tried on its own tenants, and what worked")
    .option("--limit <n>", "runs listed at most", wholeNumber(1, 1_000), LIMIT_DEFAULT)
    .option("--breaches", "only runs in which something worked that must be refused, however long ago")
    .action((flags: Flags) => act((session) => listRuns(session, flags)));
  addExamples(command, ["tenantkeys canary", "tenantkeys canary --breaches --json"]);
}
