/** Puts sign-ups on the bus for an operator. What the bus would lose in silence is kept in the refused store instead. */
import type { EventBridgeClient, PutEventsRequestEntry } from "@aws-sdk/client-eventbridge";
import {
  asTenantKeysError,
  EVENT_DETAIL_TYPES,
  eventForm,
  failedReply,
  failedReplyTypeOf,
  type Stage,
  TenantKeysError,
} from "@tenantkeys/core";
import { type EntryOutcome, PUT_EVENTS_ENTRIES_MAX, type Publisher, putEvents } from "../publisher.ts";
import type { RefusedStore } from "../refused-store.ts";
import type { Run } from "../run.ts";

/**
 * PutEvents takes less than 1 MB a call, and CloudTrail and CloudWatch Logs still stop at 256 KB: an entry that they
 * can't show isn't sent. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
 */
const ENTRY_BYTES_MAX = 262_144;
const CALL_BYTES_MAX = 1_000_000;
/** What `Time` counts in an entry's size. */
const TIME_BYTES = 14;

/** An event as EventBridge writes it, as far as it was checked: it may be one that the bus can't take. */
export interface BusEvent {
  readonly source: string;
  readonly "detail-type": string;
  readonly time?: string | undefined;
  readonly detail?: unknown;
}

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
  /** The sources that the bus's rule takes. */
  readonly eventSources: readonly string[];
  readonly publisher: Publisher;
  /** Absent: the events are kept already, so one that is refused again stays where it is. */
  readonly refusedStore?: RefusedStore | undefined;
  newRefusalId(): string;
}

/** @returns one outcome per event, in order; after a call that failed as a whole, the rest isn't tried. Never throws. */
export async function publishSignUps(
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
  const { source, detail, time } = event;
  const type = event["detail-type"];
  if (typeof detail !== "object" || detail === null || Array.isArray(detail)) {
    const message = "detail: expected a JSON object, which is all that EventBridge takes";
    return refusal("event_not_json", message, "detail", event);
  }
  // The bus accepts what no rule takes, and drops it.
  if (!ports.eventSources.includes(source)) {
    const message = `source: "${source.slice(0, 80)}" may not sign tenants up; this stage takes: ${ports.eventSources.join(", ")}`;
    return refusal("event_type_unknown", message, "source", event);
  }
  if (!EVENT_DETAIL_TYPES.some((known) => known === type)) {
    return refusal("event_type_unknown", `detail-type: "${type.slice(0, 80)}" is not a sign-up`, "detail-type", event);
  }
  if (time !== undefined && Number.isNaN(Date.parse(time))) {
    return refusal("event_invalid", `time: "${time.slice(0, 80)}" is not a date`, "time", event);
  }
  const text = jsonText(detail);
  if (text === undefined) return refusal("event_too_large", "detail: nests too deep to be written", "detail", event);
  const entry: PutEventsRequestEntry = {
    EventBusName: ports.busName,
    Source: source,
    DetailType: type,
    Detail: text,
    // The generation of an event that names none is its time: sent again, it must stay as old as it is.
    ...(time === undefined ? {} : { Time: new Date(time) }),
  };
  const bytes = entryBytes(entry);
  if (bytes <= ENTRY_BYTES_MAX) return entry;
  const message = `the event holds ${bytes} bytes, more than the ${ENTRY_BYTES_MAX} that are sent`;
  return refusal("event_too_large", message, "detail", event);
}

/** Undefined where brackets nest so deep that JSON.stringify overflows the stack, which JSON.parse doesn't. */
function jsonText(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
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
  const { source, "detail-type": type, time, detail } = event;
  const body = jsonText({ source, "detail-type": type, time, detail });
  if (body === undefined) return { kind: "failed", error };
  const refusalId = ports.newRefusalId();
  const replyType = failedReplyTypeOf(eventForm([], source, type)?.type);
  try {
    await ports.refusedStore.keep(run, { refusalId, receivedAtMs: run.clock.nowMs(), body }, error);
    await ports.publisher.publishReply(run, failedReply(replyType, ports.stage, refusalId, error));
    return { kind: "refused", error, refusalId };
  } catch (unkept) {
    return { kind: "failed", error: asTenantKeysError(unkept) };
  }
}

function refusal(code: TenantKeysError["code"], message: string, field: string, event: BusEvent): TenantKeysError {
  return new TenantKeysError(code, message, { field, step: "publish", tenantId: tenantIdOfEvent(event) });
}

/** The tenant id as sent, at most 80 characters of it: it may not be a valid one. */
export function tenantIdOfEvent({ detail }: BusEvent): string | undefined {
  if (typeof detail !== "object" || detail === null || !("tenantId" in detail)) return undefined;
  return typeof detail.tenantId === "string" ? detail.tenantId.slice(0, 80) : undefined;
}
