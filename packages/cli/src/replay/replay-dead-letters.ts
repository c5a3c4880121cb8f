import type { ExitCode } from "../exit-codes.ts";
import type { Session } from "../ports.ts";
import type { ReplayOptions } from "./replay-options.ts";
import { answerReplay, type ReplayedEvent } from "./replay-report.ts";

export async function replayDeadLetters(
  session: Session,
  { limit, ...wanted }: ReplayOptions & { readonly limit: number },
): Promise<ExitCode> {
  const { operator, run, progress } = session;
  const events: ReplayedEvent[] = [];
  for await (const outcome of operator.replayDeadLetters(run, { ...wanted, limit })) {
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
  return answerReplay(session, { dryRun: wanted.dryRun, limitReached: events.length >= limit, events });
}
