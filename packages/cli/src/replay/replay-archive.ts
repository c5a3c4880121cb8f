/** Has EventBridge send what its archive holds of a time to the worker's rule again, and waits until it has. */
import { archiveReplayName, stageNames, TenantKeysError } from "@tenantkeys/core";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { timeText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import { UsageError } from "../usage-error.ts";

/** How long an event may take into the archive: AWS's own advice is to wait as long before a replay. */
const ARCHIVING_MS = 10 * 60 * 1000;
const POLL_FIRST_MS = 1_000;
const POLL_MAX_MS = 15_000;

export interface ArchiveOptions {
  readonly fromMs: number;
  readonly toMs: number;
  /** The window may end less than ten minutes ago. */
  readonly allowRecent: boolean;
  readonly dryRun: boolean;
}

export async function replayArchive(session: Session, options: ArchiveOptions): Promise<ExitCode> {
  const { operator, run } = session;
  const { fromMs, toMs, allowRecent, dryRun } = options;
  const nowMs = run.clock.nowMs();
  if (toMs > nowMs - ARCHIVING_MS && !allowRecent) {
    throw new UsageError(
      `--to: ${timeText(toMs)} is less than 10 minutes ago, and the newest events may not be in the archive yet; wait, or add --allow-recent`,
    );
  }
  if (dryRun) return describe(session, options);
  const replayName = archiveReplayName(operator.settings.stage, nowMs);
  await operator.startArchiveReplay(run, replayName, { fromMs, toMs });
  return follow(session, replayName, options);
}

/** EventBridge doesn't say what an archive holds of a time, so that a dry run can only say how much it holds at all. */
async function describe({ operator, run, output }: Session, { fromMs, toMs }: ArchiveOptions): Promise<ExitCode> {
  const { events, bytes } = await operator.archiveSize(run);
  const { archive, rule } = stageNames(operator.settings.stage);
  const [from, to] = [timeText(fromMs), timeText(toMs)];
  output.answer(
    { dryRun: true, archive, rule, from, to, archived: { events, bytes } },
    () =>
      `would be sent to rule ${rule}: what archive ${archive} holds from ${from} to ${to}\n` +
      `in all it holds ${events} events, ${bytes} bytes; EventBridge doesn't say how many are of this time\n`,
  );
  return EXIT.done;
}

async function follow(session: Session, replayName: string, { fromMs, toMs }: ArchiveOptions): Promise<ExitCode> {
  const { operator, run, output, progress } = session;
  const about = { dryRun: false, replayName, from: timeText(fromMs), to: timeText(toMs) };
  for (let delayMs = POLL_FIRST_MS; ; delayMs = Math.min(delayMs * 2, POLL_MAX_MS)) {
    const { state, reason, lastReplayedMs } = await operator.replayProgress(run, replayName);
    if (state === "COMPLETED") {
      output.answer({ ...about, state }, () => `replay ${replayName} is complete: the worker has its events\n`);
      return EXIT.done;
    }
    if (state === "FAILED" || state === "CANCELLED") {
      const message = `events:StartReplay: replay ${replayName} ended as ${state}${reason === undefined ? "" : `: ${reason}`}`;
      throw new TenantKeysError("aws_unexpected", message, { step: "events:StartReplay" });
    }
    if (run.clock.nowMs() + delayMs >= run.deadlineMs) {
      output.answer({ ...about, state }, () => `replay ${replayName} is ${state}\n`);
      output.note("still under way; it goes on by itself in AWS");
      return EXIT.failed;
    }
    progress.update(`replay ${replayName}: ${state}${howFar(lastReplayedMs, fromMs, toMs)}`);
    await run.clock.sleep(delayMs);
  }
}

function howFar(lastMs: number | undefined, fromMs: number, toMs: number): string {
  if (lastMs === undefined) return "";
  const percent = Math.floor((100 * (lastMs - fromMs)) / (toMs - fromMs));
  return `, at ${timeText(lastMs)} (${Math.min(100, Math.max(0, percent))} %)`;
}
