import { ERROR_CODES, type ErrorCode, parseTenantId, type TenantId } from "@tenantkeys/core";
import { type Command, Option } from "commander";
import { identifier, isoTime, wholeNumber } from "../option-parsers.ts";
import type { Session } from "../ports.ts";
import { replayArchive } from "../replay/replay-archive.ts";
import { replayDeadLetters } from "../replay/replay-dead-letters.ts";
import { replayFiles } from "../replay/replay-files.ts";
import type { ReplayOptions } from "../replay/replay-options.ts";
import { replayRefused } from "../replay/replay-refused.ts";
import { UsageError } from "../usage-error.ts";
import { type Act, addExamples } from "./command.ts";

/** For --dlq and --refused; a file or directory is sent whole. */
const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 1_000_000;

interface Flags {
  readonly dlq?: boolean;
  readonly refused?: boolean;
  readonly archive?: boolean;
  readonly from?: number;
  readonly to?: number;
  readonly allowRecent?: boolean;
  readonly tenant?: TenantId;
  readonly code?: ErrorCode;
  readonly forceStage?: boolean;
  readonly dryRun?: boolean;
  readonly limit?: number;
}

export function addReplay(program: Command, act: Act): void {
  const command = program
    .command("replay")
    .description("send events again: from files, dead-letter queues, the refused store or the archive")
    .argument("[source]", "a file or directory of events, or - for standard input")
    .option("--dlq", "from the dead-letter queues to the worker's queue")
    .option("--refused", "from the refused store; each is settled once it was taken")
    .option("--archive", "from the bus's archive to the worker's rule, all of a time")
    .option("--from <time>", "with --archive: the first event's time, such as 2026-11-24T09:30:00Z", isoTime)
    .option("--to <time>", "with --archive: the last event's time, at least 10 minutes ago", isoTime)
    .option("--allow-recent", "with --archive: --to may be less than 10 minutes ago")
    .option("--tenant <id>", "only events of this tenant", identifier(parseTenantId))
    .addOption(new Option("--code <code>", "with --dlq, --refused: only of this error").choices(ERROR_CODES))
    .option("--force-stage", "send what was meant for another stage to this one")
    .option("--dry-run", "only list what would be sent")
    .option("--limit <n>", `events looked at (--dlq, --refused: ${LIMIT_DEFAULT})`, wholeNumber(1, LIMIT_MAX))
    .action(async (source: string | undefined, flags: Flags) => act(chooseSource(source, flags)));
  addExamples(command, [
    "tenantkeys replay events/TenantSignedUp",
    "cat sign-ups.jsonl | tenantkeys replay - --dry-run",
    "tenantkeys replay --dlq --code access_denied",
    "tenantkeys replay --refused --tenant acme",
    "tenantkeys replay --archive --from 2026-11-24T08:00:00Z --to 2026-11-24T09:30:00Z",
  ]);
}

function chooseSource(source: string | undefined, flags: Flags) {
  const { dlq = false, refused = false, archive = false, tenant: tenantId, code, limit } = flags;
  const given = [source !== undefined, dlq, refused, archive].filter(Boolean).length;
  if (given !== 1) {
    throw new UsageError(`expected one of: a file, a directory, -, --dlq, --refused or --archive; got ${given}`);
  }
  const { dryRun = false, forceStage = false } = flags;
  if (archive) return chooseArchive(flags, dryRun);
  refuseOptions("expected with --archive only", flags, ["from", "to", "allowRecent"]);
  const options: ReplayOptions = { tenantId, code, dryRun, forceStage, limit };
  if (source !== undefined) {
    refuseOptions("expected with --dlq or --refused only", flags, ["code"]);
    return (session: Session) => replayFiles(session, source, options);
  }
  const limited = { ...options, limit: limit ?? LIMIT_DEFAULT };
  return (session: Session) => (dlq ? replayDeadLetters(session, limited) : replayRefused(session, limited));
}

function chooseArchive(flags: Flags, dryRun: boolean) {
  // EventBridge replays all of a time. What is of another stage, the worker refuses.
  refuseOptions("not with --archive: EventBridge sends all of a time", flags, [
    "tenant",
    "code",
    "limit",
    "forceStage",
  ]);
  const { from: fromMs, to: toMs, allowRecent = false } = flags;
  if (fromMs === undefined || toMs === undefined) throw new UsageError("--archive: expected --from and --to with it");
  if (fromMs >= toMs) throw new UsageError("--from: expected a time before --to");
  return (session: Session) => replayArchive(session, { fromMs, toMs, allowRecent, dryRun });
}

function refuseOptions(reason: string, flags: Flags, names: readonly (keyof Flags)[]): void {
  const given = names.find((name) => flags[name] !== undefined);
  if (given === undefined) return;
  const option = given.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new UsageError(`--${option}: ${reason}`);
}
