/** Puts events on the bus. A batch can fail entry by entry, so each entry's own answer is looked at. */
import { type EventBridgeClient, PutEventsCommand, type PutEventsRequestEntry } from "@aws-sdk/client-eventbridge";
import { type Reply, TenantKeysError } from "@tenantkeys/core";
import { narrowAwsError } from "./narrow-error.ts";
import type { Run } from "./run.ts";

/** Entries that one PutEvents takes. */
export const PUT_EVENTS_ENTRIES_MAX = 10;
/** An entry that failed by throttling or a fault inside AWS is sent again at most this often in all. */
const SENDS_MAX = 3;
const RESEND_DELAY_MS = 200;

export type EntryOutcome =
  | { readonly kind: "accepted"; readonly eventId: string }
  | { readonly kind: "refused"; readonly code: string; readonly message: string };

export interface Publisher {
  /** @throws TenantKeysError `publish_failed` where the bus didn't take it */
  publishReply(run: Run, reply: Reply): Promise<void>;
}

export function createPublisher(eventBridge: EventBridgeClient, busName: string): Publisher {
  return {
    async publishReply(run, reply) {
      const entry = { Source: reply.source, DetailType: reply.detailType, Detail: JSON.stringify(reply.detail) };
      const [outcome] = await putEvents(eventBridge, run, [{ ...entry, EventBusName: busName }]);
      if (outcome?.kind === "accepted") return;
      const reason = outcome === undefined ? "no answer for the entry" : `${outcome.code}: ${outcome.message}`;
      throw new TenantKeysError("publish_failed", `events:PutEvents: ${reason}`, { step: "events:PutEvents" });
    },
  };
}

/**
 * @param entries at most 10
 * @returns one outcome per entry, in order; entries that failed on AWS's side were sent up to 3 times
 */
export async function putEvents(
  eventBridge: EventBridgeClient,
  run: Run,
  entries: readonly PutEventsRequestEntry[],
): Promise<readonly EntryOutcome[]> {
  const outcomes: EntryOutcome[] = new Array(entries.length);
  let pending = entries.map((_, index) => index);
  for (let send = 1; pending.length > 0; send++) {
    const answers = await send1(
      eventBridge,
      run,
      pending.map((index) => entries[index] as PutEventsRequestEntry),
    );
    pending.forEach((index, position) => {
      const answer = answers[position];
      outcomes[index] =
        answer?.EventId === undefined
          ? { kind: "refused", code: answer?.ErrorCode ?? "NoAnswer", message: answer?.ErrorMessage ?? "" }
          : { kind: "accepted", eventId: answer.EventId };
    });
    pending = pending.filter((index) => isWorthResending(outcomes[index]));
    if (send >= SENDS_MAX) break;
    if (pending.length > 0) await run.clock.sleep(RESEND_DELAY_MS * send);
  }
  return outcomes;
}

async function send1(eventBridge: EventBridgeClient, run: Run, entries: readonly PutEventsRequestEntry[]) {
  try {
    const command = new PutEventsCommand({ Entries: [...entries] });
    return (await eventBridge.send(command, { abortSignal: run.signal })).Entries ?? [];
  } catch (error) {
    throw narrowAwsError(error, "events:PutEvents");
  }
}

function isWorthResending(outcome: EntryOutcome | undefined): boolean {
  return (
    outcome?.kind === "refused" &&
    ["ThrottlingException", "InternalFailure", "InternalException"].includes(outcome.code)
  );
}
