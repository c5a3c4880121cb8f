import type { KeptEvent } from "@tenantkeys/aws";
import { asTenantKeysError, type ErrorCode, TenantKeysError } from "@tenantkeys/core";
import type { ExitCode } from "../exit-codes.ts";
import type { Session } from "../ports.ts";
import { toBusEvent } from "../read-events.ts";
import type { ReplayOptions } from "./replay-options.ts";
import { answerReplay, type ReplayedEvent } from "./replay-report.ts";
import { type EventWithOrigin, sendAgain } from "./send-again.ts";

/** Each may hold 1 MiB. */
const REFUSED_CHUNK = 10;

/** Sends again what the refused store keeps, oldest of them first, and settles each once it is taken. */
export async function replayRefused(
  session: Session,
  options: ReplayOptions & { readonly limit: number },
): Promise<ExitCode> {
  const { operator, run, progress } = session;
  const { tenantId, code, dryRun, limit } = options;
  const found = await operator.listRefused(run, { limit: limit + 1, tenantId, code });
  const kept = found.slice(0, limit).reverse();
  const events: ReplayedEvent[] = [];
  for (let start = 0; start < kept.length; start += REFUSED_CHUNK) {
    const chunk = kept.slice(start, start + REFUSED_CHUNK);
    const read = await Promise.all(chunk.map((one) => readKept(session, one)));
    events.push(...read.filter((one) => "outcome" in one));
    const readable = read.filter((one) => "event" in one);
    events.push(...(await sendKept(session, readable, options)));
    progress.update(`${events.length} of ${kept.length} refused events looked at`);
  }
  return answerReplay(session, { dryRun, limitReached: found.length > limit, events });
}

/** Refused for who sent it: whoever sends it again would stand behind it, unawares where they send many. */
const NEVER_SENT_AGAIN: readonly string[] = ["sender_refused", "repair_refused"];

interface ReadKept extends EventWithOrigin {
  readonly kept: KeptEvent;
}

async function readKept({ operator, run }: Session, kept: KeptEvent): Promise<ReadKept | ReplayedEvent> {
  const origin = `refused/${kept.refusalId}`;
  if (NEVER_SENT_AGAIN.includes(kept.code)) {
    const message = `${kept.code}: it was refused for who sent it, so it isn't sent again in your name`;
    const error = new TenantKeysError(kept.code as ErrorCode, message);
    return { origin, tenantId: kept.tenantId, outcome: "failed", error };
  }
  try {
    const body = await operator.readRefusedBody(run, kept);
    return { kept, origin, event: toBusEvent(parseBody(body)) };
  } catch (error) {
    return { origin, tenantId: kept.tenantId, outcome: "failed", error: asTenantKeysError(error) };
  }
}

async function sendKept(
  session: Session,
  read: readonly ReadKept[],
  options: ReplayOptions,
): Promise<readonly ReplayedEvent[]> {
  const outcomes = await sendAgain(session, read, { ...options, keepRefused: false });
  return Promise.all(outcomes.map((sent, index) => settle(session, read[index]?.kept, sent)));
}

async function settle(
  { operator, run }: Session,
  kept: KeptEvent | undefined,
  sent: ReplayedEvent,
): Promise<ReplayedEvent> {
  // Refused again: it stays where it is, which to the operator is a failure of this replay.
  if (sent.outcome === "kept") return { ...sent, outcome: "failed" };
  if (sent.outcome !== "sent" || kept === undefined) return sent;
  try {
    await operator.settleRefused(run, kept);
    return sent;
  } catch (error) {
    const { code, message } = asTenantKeysError(error);
    const reason = `it was sent, but is still in the refused store: ${message}`;
    return { ...sent, outcome: "failed", error: new TenantKeysError(code, reason, { cause: error }) };
  }
}

function parseBody(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new TenantKeysError("event_not_json", "the kept event is not JSON, so the bus can't take it", { cause });
  }
}
