/**
 * Puts events straight on the provisioning queue. SQS then says who sent each (its `SenderId`, which no sender can
 * choose), where the bus would say EventBridge: that is how an approval is known to be somebody else's.
 */
import { SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { TenantKeysError } from "@tenantkeys/core";
import { busMessage } from "../bus-message.ts";
import { narrowAwsError } from "../narrow-error.ts";
import type { Run } from "../run.ts";
import { type BusEvent, checkedDetail, EVENT_BYTES_MAX, tenantIdOfEvent, tooManyBytes } from "./bus-event.ts";
import type { PublishOutcome } from "./publish-events.ts";
import { queueUrl } from "./queue-url.ts";
import type { StagePlace } from "./stage-guard.ts";

/** Calls under way at once. One message each: a batch saves little here, and its failures come in another form. */
const SENDS_AT_ONCE = 10;

export interface QueuePorts {
  readonly sqs: SQSClient;
  readonly queueName: string;
  readonly place: StagePlace;
  newEventId(): string;
}

/** @returns one outcome per event, in order; after one that AWS didn't take, no more is tried. Never throws. */
export async function sendToQueue(
  ports: QueuePorts,
  run: Run,
  events: readonly BusEvent[],
): Promise<readonly PublishOutcome[]> {
  const outcomes: PublishOutcome[] = [];
  let url: Promise<string> | undefined;
  const lookUp = () => {
    url ??= queueUrl(ports.sqs, run, ports.queueName);
    return url;
  };
  let failure: TenantKeysError | undefined;
  for (let start = 0; start < events.length; start += SENDS_AT_ONCE) {
    const some = events.slice(start, start + SENDS_AT_ONCE);
    const sent = await Promise.all(some.map((event) => failure ?? sendOne(ports, run, lookUp, event)));
    for (const [index, answer] of sent.entries()) {
      const tenantId = tenantIdOfEvent(some[index] as BusEvent);
      if (typeof answer === "string") outcomes.push({ kind: "accepted", eventId: answer });
      else outcomes.push({ kind: "failed", error: answer.within({ tenantId }) });
    }
    failure ??= sent.find((answer) => typeof answer !== "string" && answer.retryable) as TenantKeysError | undefined;
  }
  return outcomes;
}

/** @returns the event's id, or why it isn't on the queue */
async function sendOne(
  ports: QueuePorts,
  run: Run,
  lookUp: () => Promise<string>,
  event: BusEvent,
): Promise<string | TenantKeysError> {
  const message = toMessage(ports, run, event);
  if (message instanceof TenantKeysError) return message;
  try {
    const command = new SendMessageCommand({ QueueUrl: await lookUp(), MessageBody: message.body });
    await ports.sqs.send(command, { abortSignal: run.signal });
    return message.eventId;
  } catch (error) {
    return narrowAwsError(error, "sqs:SendMessage");
  }
}

/** The message as the bus would have put it there. */
function toMessage(
  ports: QueuePorts,
  run: Run,
  event: BusEvent,
): { readonly eventId: string; readonly body: string } | TenantKeysError {
  const checked = checkedDetail(event);
  if (checked instanceof TenantKeysError) return checked;
  const eventId = ports.newEventId();
  const timeMs = event.time === undefined ? run.clock.nowMs() : Date.parse(event.time);
  const body = busMessage(ports.place, event, eventId, timeMs);
  const bytes = Buffer.byteLength(body);
  return bytes <= EVENT_BYTES_MAX ? { eventId, body } : tooManyBytes(event, bytes);
}
