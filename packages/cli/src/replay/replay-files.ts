import { type BusEvent, tenantIdOfEvent } from "@tenantkeys/aws";
import type { ExitCode } from "../exit-codes.ts";
import type { Session } from "../ports.ts";
import { readEvents } from "../read-events.ts";
import type { ReplayOptions } from "./replay-options.ts";
import { answerReplay, type ReplayedEvent } from "./replay-report.ts";
import { type EventWithOrigin, sendAgain } from "./send-again.ts";

/** Events of a file that are in memory and on their way at once. */
const FILE_CHUNK = 100;

export async function replayFiles(session: Session, source: string, options: ReplayOptions): Promise<ExitCode> {
  const events: ReplayedEvent[] = [];
  let limitReached = false;
  let chunk: EventWithOrigin[] = [];
  const send = async () => {
    events.push(...(await sendAgain(session, chunk, { ...options, keepRefused: true })));
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
  return answerReplay(session, { dryRun: options.dryRun, limitReached, events });
}

function isWanted(event: BusEvent, { tenantId }: ReplayOptions): boolean {
  return tenantId === undefined || tenantIdOfEvent(event) === tenantId;
}
