/** What became of each event of a replay, and how that is said. */
import type { TenantKeysError } from "@tenantkeys/core";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { errorData } from "../output.ts";
import type { Session } from "../ports.ts";
import { textTable } from "../text-table.ts";

export interface ReplayedEvent {
  /** Where it comes from: a file and place, a dead-letter queue and message, or the refused store and refusal. */
  readonly origin: string;
  readonly tenantId: string | undefined;
  /**
   * `sent`: on its way to the worker · `listed`: would be, were it no dry run · `skipped`: of another tenant, or refused with another code ·
   * `kept`: refused, now in the refused store · `failed`: not sent, still where it was
   */
  readonly outcome: "sent" | "listed" | "skipped" | "kept" | "failed";
  /** The id that the bus gave it. */
  readonly eventId?: string | undefined;
  readonly error?: TenantKeysError | undefined;
}

export interface ReplayReport {
  readonly dryRun: boolean;
  /** There may be more events than were looked at. */
  readonly limitReached: boolean;
  readonly events: readonly ReplayedEvent[];
}

function replayData(report: ReplayReport) {
  const events = report.events
    .filter((event) => event.outcome !== "skipped")
    .map((event) => ({ ...event, error: event.error === undefined ? undefined : errorData(event.error) }));
  return { dryRun: report.dryRun, limitReached: report.limitReached, counts: counts(report), events };
}

/** The events that need a look, then one line of counts. What was sent needs none. */
function replayText(report: ReplayReport): string {
  const notable = report.events.filter((event) => event.outcome !== "sent" && event.outcome !== "skipped");
  const rows = notable.map((event) => [
    event.outcome,
    event.origin,
    event.tenantId,
    event.error?.code,
    event.error?.message,
  ]);
  const table = rows.length === 0 ? "" : textTable(["OUTCOME", "FROM", "TENANT", "CODE", "REASON"], rows);
  const { sent, listed, skipped, kept, failed } = counts(report);
  const done = report.dryRun ? `${listed} would be sent` : `${sent} sent`;
  return `${table}${done}, ${kept} refused and kept, ${failed} failed and left where they were, ${skipped} skipped\n`;
}

function replayExitCode(report: ReplayReport): ExitCode {
  const { kept, failed } = counts(report);
  if (failed > 0) return EXIT.failed;
  return kept > 0 ? EXIT.differs : EXIT.done;
}

function counts({ events }: ReplayReport) {
  const counted = { sent: 0, listed: 0, skipped: 0, kept: 0, failed: 0 };
  for (const { outcome } of events) counted[outcome] += 1;
  return counted;
}

export function answerReplay({ output }: Session, report: ReplayReport): ExitCode {
  output.answer(replayData(report), () => replayText(report));
  if (report.limitReached) output.note("stopped at the limit; there may be more: run it again, or see --limit");
  return replayExitCode(report);
}
