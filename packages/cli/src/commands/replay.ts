import { type BusEvent, type KeptEvent, type PublishOutcome, tenantIdOfEvent } from "@tenantkeys/aws";
import { asTenantKeysError, parseTenantId, type TenantId, TenantKeysError } from "@tenantkeys/core";
import type { Command } from "commander";
import type { ExitCode } from "../exit-codes.ts";
import { identifier, wholeNumber } from "../option-parsers.ts";
import type { Session } from "../ports.ts";
import { readEvents, toBusEvent } from "../read-events.ts";
import { type ReplayedEvent, type ReplayReport, replayData, replayExitCode, replayText } from "../replay-report.ts";
import { UsageError } from "../usage-error.ts";
import { type Act, addExamples } from "./command.ts";

/** For --dlq and --refused; a file or directory is sent whole. */
const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 1_000_000;
/** Events of a file that are in memory and on their way at once. */
const FILE_CHUNK = 100;
/** Each may hold 1 MiB. */
const REFUSED_CHUNK = 10;

interface ReplayOptions {
  readonly tenantId: TenantId | undefined;
  readonly dryRun: boolean;
  readonly limit: number | undefined;
}

async function replayFiles(session: Session, source: string, options: ReplayOptions): Promise<ExitCode> {
  const events: ReplayedEvent[] = [];
  let limitReached = false;
  let chunk: { readonly origin: string; readonly event: BusEvent }[] = [];
  const send = async () => {
    events.push(...(await sendChunk(session, chunk, options)));
    chunk = [];
    session.progress.update(`${events.length} events looked at`);
  };
  for await (const read of readEvents(source, session.readStdin)) {
    if (options.limit !== undefined && events.length + chunk.length >= options.limit) {
      limitReached = true;
      break;
    }
    const { origin } = read;
    if (read.kind === "unreadable") {
      events.push({ origin, tenantId: undefined, outcome: "failed", error: read.error });
    } else if (isWanted(read.event, options)) {
      chunk.push({ origin, event: read.event });
    } else {
      events.push({ origin, tenantId: tenantIdOfEvent(read.event), outcome: "skipped" });
    }
    if (chunk.length === FILE_CHUNK) await send();
  }
  await send();
  return answer(session, { dryRun: options.dryRun, limitReached, events });
}

async function sendChunk(
  { operator, run }: Session,
  chunk: readonly { readonly origin: string; readonly event: BusEvent }[],
  options: ReplayOptions,
): Promise<readonly ReplayedEvent[]> {
  if (options.dryRun) return chunk.map(({ origin, event }) => listed(origin, event));
  const events = chunk.map(({ event }) => event);
  const outcomes = events.length === 0 ? [] : await operator.publish(run, events, { keepRefused: true });
  return chunk.map(({ origin, event }, index) => published(origin, event, outcomes[index]));
}

async function replayDeadLetters(session: Session, options: ReplayOptions): Promise<ExitCode> {
  const { operator, run, progress } = session;
  const { tenantId, dryRun } = options;
  const limit = options.limit ?? LIMIT_DEFAULT;
  const events: ReplayedEvent[] = [];
  for await (const outcome of operator.replayDeadLetters(run, { tenantId, dryRun, limit })) {
    const { letter } = outcome;
    events.push({
      origin: `${letter.queueName}/${letter.messageId}`,
      tenantId: letter.tenantId,
      outcome: outcome.kind === "replayed" ? "sent" : outcome.kind,
      eventId: letter.eventId,
      error: outcome.kind === "failed" ? outcome.error : undefined,
    });
    progress.update(`${events.length} dead letters looked at`);
  }
  return answer(session, { dryRun, limitReached: events.length >= limit, events });
}

/** Publishes again what the refused store keeps, oldest of them first, and settles each once the bus has it. */
async function replayRefused(session: Session, options: ReplayOptions): Promise<ExitCode> {
  const { operator, run, progress } = session;
  const { tenantId, dryRun } = options;
  const limit = options.limit ?? LIMIT_DEFAULT;
  const found = await operator.listRefused(run, { limit: limit + 1, tenantId });
  const kept = found.slice(0, limit).reverse();
  const events: ReplayedEvent[] = [];
  for (let start = 0; start < kept.length; start += REFUSED_CHUNK) {
    const chunk = kept.slice(start, start + REFUSED_CHUNK);
    const read = await Promise.all(chunk.map((one) => readKept(session, one)));
    events.push(...read.filter((one) => "outcome" in one));
    const readable = read.filter((one) => "event" in one);
    events.push(...(await sendKept(session, readable, dryRun)));
    progress.update(`${events.length} of ${kept.length} refused events looked at`);
  }
  return answer(session, { dryRun, limitReached: found.length > limit, events });
}

interface ReadKept {
  readonly kept: KeptEvent;
  readonly event: BusEvent;
}

async function readKept({ operator, run }: Session, kept: KeptEvent): Promise<ReadKept | ReplayedEvent> {
  try {
    const body = await operator.readRefusedBody(run, kept);
    return { kept, event: toBusEvent(parseBody(body)) };
  } catch (error) {
    return { ...keptOrigin(kept), outcome: "failed", error: asTenantKeysError(error) };
  }
}

async function sendKept(
  { operator, run }: Session,
  read: readonly ReadKept[],
  dryRun: boolean,
): Promise<readonly ReplayedEvent[]> {
  if (dryRun) return read.map(({ kept }) => ({ ...keptOrigin(kept), outcome: "listed" }));
  const events = read.map(({ event }) => event);
  const outcomes = events.length === 0 ? [] : await operator.publish(run, events, { keepRefused: false });
  return Promise.all(
    read.map(async ({ kept, event }, index): Promise<ReplayedEvent> => {
      const { origin } = keptOrigin(kept);
      const sent = published(origin, event, outcomes[index]);
      // Refused again: it stays where it is, which to the operator is a failure of this replay.
      if (sent.outcome !== "sent") return { ...sent, outcome: "failed" };
      try {
        await operator.settleRefused(run, kept);
        return sent;
      } catch (error) {
        const { code, message } = asTenantKeysError(error);
        const reason = `it was sent, but is still in the refused store: ${message}`;
        return { ...sent, outcome: "failed", error: new TenantKeysError(code, reason, { cause: error }) };
      }
    }),
  );
}

function answer(session: Session, report: ReplayReport): ExitCode {
  session.output.answer(replayData(report), () => replayText(report));
  if (report.limitReached) session.output.note("stopped at the limit; there may be more: run it again, or see --limit");
  return replayExitCode(report);
}

function published(origin: string, event: BusEvent, outcome: PublishOutcome | undefined): ReplayedEvent {
  const about = { origin, tenantId: tenantIdOfEvent(event) };
  if (outcome?.kind === "accepted") return { ...about, outcome: "sent", eventId: outcome.eventId };
  const error = outcome?.error ?? new TenantKeysError("publish_failed", "no answer for the event");
  return { ...about, outcome: outcome?.kind === "refused" ? "kept" : "failed", error };
}

function listed(origin: string, event: BusEvent): ReplayedEvent {
  return { origin, tenantId: tenantIdOfEvent(event), outcome: "listed" };
}

function keptOrigin(kept: KeptEvent) {
  return { origin: `refused/${kept.refusalId}`, tenantId: kept.tenantId };
}

function isWanted(event: BusEvent, { tenantId }: ReplayOptions): boolean {
  return tenantId === undefined || tenantIdOfEvent(event) === tenantId;
}

function parseBody(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new TenantKeysError("event_not_json", "the kept event is not JSON, so the bus can't take it", { cause });
  }
}

interface Flags {
  readonly dlq?: boolean;
  readonly refused?: boolean;
  readonly tenant?: TenantId;
  readonly dryRun?: boolean;
  readonly limit?: number;
}

export function addReplay(program: Command, act: Act): void {
  const command = program
    .command("replay")
    .description("send events again: from files, from the dead-letter queues, or from the refused store")
    .argument("[source]", "a file or directory of events, or - for standard input")
    .option("--dlq", "from the dead-letter queues to the worker's queue")
    .option("--refused", "from the refused store to the bus; each is settled once the bus has it")
    .option("--tenant <id>", "only events of this tenant", identifier(parseTenantId))
    .option("--dry-run", "only list what would be sent")
    .option("--limit <n>", `events looked at (--dlq, --refused: ${LIMIT_DEFAULT})`, wholeNumber(1, LIMIT_MAX))
    .action(async (source: string | undefined, flags: Flags) => {
      const options = { tenantId: flags.tenant, dryRun: flags.dryRun === true, limit: flags.limit };
      const replay = chooseSource(source, flags, options);
      await act(replay);
    });
  addExamples(command, [
    "tenantkeys replay events/TenantSignedUp",
    "cat sign-ups.jsonl | tenantkeys replay - --dry-run",
    "tenantkeys replay --dlq",
    "tenantkeys replay --refused --tenant acme",
  ]);
}

function chooseSource(source: string | undefined, flags: Flags, options: ReplayOptions) {
  const given = [source !== undefined, flags.dlq === true, flags.refused === true].filter(Boolean).length;
  if (given !== 1) {
    throw new UsageError(`expected one of: a file, a directory, -, --dlq or --refused; got ${given}`);
  }
  if (source !== undefined) return (session: Session) => replayFiles(session, source, options);
  return (session: Session) =>
    flags.dlq === true ? replayDeadLetters(session, options) : replayRefused(session, options);
}
