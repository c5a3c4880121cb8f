/** Puts events on the bus for an operator. What the bus would lose in silence is kept in the refused store instead. */
import type { EventBridgeClient, PutEventsRequestEntry } from "@aws-sdk/client-eventbridge";
import {
  asTenantKeysError,
  type EventIntake,
  eventForm,
  failedReply,
  failedReplyTypeOf,
  type Stage,
  TenantKeysError,
  untakenPart,
} from "@tenantkeys/core";
import { type EntryOutcome, PUT_EVENTS_ENTRIES_MAX, type Publisher, putEvents } from "../publisher.ts";
import type { RefusedStore } from "../refused-store.ts";
import type { Run } from "../run.ts";
import {
  type BusEvent,
  checkedDetail,
  EVENT_BYTES_MAX,
  jsonText,
  refusal,
  tenantIdOfEvent,
  tooManyBytes,
} from "./bus-event.ts";

const CALL_BYTES_MAX = 1_000_000;
/** What `Time` counts in an entry's size. */
const TIME_BYTES = 14;

export type PublishOutcome =
  | { readonly kind: "accepted"; readonly eventId: string }
  /** The bus can't ever take it, or no rule would: in the refused store under `refusalId`, where one was given. */
  | { readonly kind: "refused"; readonly error: TenantKeysError; readonly refusalId: string | undefined }
  /** Not published and not kept: it is only where it came from. */
  | { readonly kind: "failed"; readonly error: TenantKeysError };

export interface PublishPorts {
  readonly eventBridge: EventBridgeClient;
  readonly busName: string;
  readonly stage: Stage;
  /** What the bus's rule takes. */
  readonly intake: EventIntake;
  readonly publisher: Publisher;
  /** Absent: the events are kept already, so one that is refused again stays where it is. */
  readonly refusedStore?: RefusedStore | undefined;
  newRefusalId(): string;
}

/** @returns one outcome per event, in order; after a call that failed as a whole, the rest isn't tried. Never throws. */
export async function publishEvents(
  ports: PublishPorts,
  run: Run,
  events: readonly BusEvent[],
): Promise<readonly PublishOutcome[]> {
  const outcomes: PublishOutcome[] = new Array(events.length);
  const sendable: Sendable[] = [];
  let failure: TenantKeysError | undefined;
  for (const [index, event] of events.entries()) {
    const entry = toEntry(ports, event);
    if (!(entry instanceof TenantKeysError)) sendable.push({ index, entry, bytes: entryBytes(entry) });
    else outcomes[index] = await refuse(ports, run, event, entry);
  }
  for (const batch of batches(sendable)) {
    const answers = failure === undefined ? await sendBatch(ports, run, batch) : failure;
    if (answers instanceof TenantKeysError) failure = answers;
    for (const [position, { index }] of batch.entries()) {
      const answer = answers instanceof TenantKeysError ? answers : answers[position];
      outcomes[index] = await outcomeOf(ports, run, events[index] as BusEvent, answer);
    }
  }
  return outcomes;
}

interface Sendable {
  readonly index: number;
  readonly entry: PutEventsRequestEntry;
  readonly bytes: number;
}

async function sendBatch(ports: PublishPorts, run: Run, batch: readonly Sendable[]) {
  try {
    return await putEvents(
      ports.eventBridge,
      run,
      batch.map(({ entry }) => entry),
    );
  } catch (error) {
    return asTenantKeysError(error);
  }
}

/** The event as an entry, or the reason why it can never become one that reaches the worker. */
function toEntry(ports: PublishPorts, event: BusEvent): PutEventsRequestEntry | TenantKeysError {
  const { source, time, "detail-type": type } = event;
  const text = checkedDetail(event);
  if (text instanceof TenantKeysError) return text;
  // The bus accepts what no rule takes, and drops it.
  const untaken = untakenPart(ports.intake, source, type);
  if (untaken !== undefined) {
    const message =
      untaken === "source"
        ? `source: "${source.slice(0, 80)}" may not send ${type}; this stage takes: ${ports.intake.eventSources.join(", ")}`
        : `detail-type: "${type.slice(0, 80)}" is not an event that this stage reads from the bus`;
    return refusal("event_type_unknown", message, untaken, event);
  }
  const entry: PutEventsRequestEntry = {
    EventBusName: ports.busName,
    Source: source,
    DetailType: type,
    Detail: text,
    // The generation of an event that names none is its time: sent again, it must stay as old as it is.
    ...(time === undefined ? {} : { Time: new Date(time) }),
  };
  const bytes = entryBytes(entry);
  return bytes <= EVENT_BYTES_MAX ? entry : tooManyBytes(event, bytes);
}

function entryBytes({ Source, DetailType, Detail }: PutEventsRequestEntry): number {
  return Buffer.byteLength(`${Source}${DetailType}${Detail}`) + TIME_BYTES;
}

function batches(entries: readonly Sendable[]): readonly (readonly Sendable[])[] {
  const made: Sendable[][] = [];
  let bytes = 0;
  for (const entry of entries) {
    const current = made.at(-1);
    const fits = current !== undefined && current.length < PUT_EVENTS_ENTRIES_MAX;
    if (fits && bytes + entry.bytes < CALL_BYTES_MAX) {
      current.push(entry);
      bytes += entry.bytes;
    } else {
      made.push([entry]);
      bytes = entry.bytes;
    }
  }
  return made;
}

/** What AWS names an entry that will never be taken, however often it is sent. */
const CODE_OF_REFUSAL = {
  MalformedDetail: "event_not_json",
  InvalidArgument: "event_invalid",
} as const;

async function outcomeOf(
  ports: PublishPorts,
  run: Run,
  event: BusEvent,
  answer: EntryOutcome | TenantKeysError | undefined,
): Promise<PublishOutcome> {
  if (answer instanceof TenantKeysError) return { kind: "failed", error: answer };
  if (answer?.kind === "accepted") return { kind: "accepted", eventId: answer.eventId };
  const reason = answer === undefined ? "no answer for the entry" : `${answer.code}: ${answer.message}`;
  const code = CODE_OF_REFUSAL[answer?.code as keyof typeof CODE_OF_REFUSAL];
  if (code !== undefined)
    return refuse(ports, run, event, refusal(code, `events:PutEvents: ${reason}`, "detail", event));
  const details = { step: "events:PutEvents", tenantId: tenantIdOfEvent(event) };
  return { kind: "failed", error: new TenantKeysError("publish_failed", `events:PutEvents: ${reason}`, details) };
}

/** Kept first, said second, as the worker does it. */
async function refuse(ports: PublishPorts, run: Run, event: BusEvent, error: TenantKeysError): Promise<PublishOutcome> {
  if (ports.refusedStore === undefined) return { kind: "refused", error, refusalId: undefined };
  const { source, "detail-type": type, time, account, region, detail } = event;
  const body = jsonText({ source, "detail-type": type, time, account, region, detail });
  if (body === undefined) return { kind: "failed", error };
  const refusalId = ports.newRefusalId();
  const replyType = failedReplyTypeOf(eventForm(ports.intake.eventMappings, source, type)?.type);
  try {
    await ports.refusedStore.keep(run, { refusalId, receivedAtMs: run.clock.nowMs(), body }, error);
    await ports.publisher.publishReply(run, failedReply(replyType, ports.stage, refusalId, error));
    return { kind: "refused", error, refusalId };
  } catch (unkept) {
    return { kind: "failed", error: asTenantKeysError(unkept) };
  }
}
