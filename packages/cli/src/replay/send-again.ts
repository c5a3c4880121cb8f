/** Sends events again: each as old as it is, none into another stage, and each the way on which AWS says who asked. */
import { type BusEvent, forceStage, type PublishOutcome, stageMismatch, tenantIdOfEvent } from "@tenantkeys/aws";
import { TenantKeysError } from "@tenantkeys/core";
import type { Session } from "../ports.ts";
import type { ReplayOptions } from "./replay-options.ts";
import type { ReplayedEvent } from "./replay-report.ts";

/** What the commands send straight to the queue, because it counts who asked. Who replays it has asked for it. */
const QUEUE_TYPES = [
  "TenantOffboarded",
  "TenantOffboardingApproved",
  "TenantLegalHoldPlaced",
  "TenantLegalHoldReleased",
  "TenantKeyMaterialSupplied",
  "TenantKeyReviewDue",
  "TenantKeyRepairRequested",
];

export interface EventWithOrigin {
  readonly origin: string;
  readonly event: BusEvent;
}

type SendOptions = Pick<ReplayOptions, "dryRun" | "forceStage"> & {
  /** False for events that the refused store holds already. */
  readonly keepRefused: boolean;
};

/** @returns one outcome per event, in order */
export async function sendAgain(
  session: Session,
  read: readonly EventWithOrigin[],
  options: SendOptions,
): Promise<readonly ReplayedEvent[]> {
  const { context } = session.operator;
  const results: ReplayedEvent[] = new Array(read.length);
  const sendable: { readonly index: number; readonly event: BusEvent }[] = [];
  for (const [index, { origin, event }] of read.entries()) {
    const tenantId = tenantIdOfEvent(event);
    const mismatch = stageMismatch(event, context);
    if (mismatch !== undefined && !options.forceStage) {
      results[index] = { origin, tenantId, outcome: "failed", error: mismatch.within({ tenantId }) };
    } else if (options.dryRun) {
      results[index] = { origin, tenantId, outcome: "listed" };
    } else {
      sendable.push({ index, event: mismatch === undefined ? event : forceStage(event, context) });
    }
  }
  const outcomes = await send(session, sendable, options);
  for (const [index, outcome] of outcomes) {
    const { origin, event } = read[index] as EventWithOrigin;
    results[index] = { origin, tenantId: tenantIdOfEvent(event), ...said(outcome) };
  }
  return results;
}

async function send(
  { operator, run }: Session,
  sendable: readonly { readonly index: number; readonly event: BusEvent }[],
  { keepRefused }: SendOptions,
): Promise<ReadonlyMap<number, PublishOutcome | undefined>> {
  const byQueue = sendable.filter(({ event }) => goesToQueue(event));
  const byBus = sendable.filter(({ event }) => !goesToQueue(event));
  const events = (some: typeof sendable) => some.map(({ event }) => event);
  const sent = byQueue.length === 0 ? [] : await operator.sendToQueue(run, events(byQueue));
  const published = byBus.length === 0 ? [] : await operator.publish(run, events(byBus), { keepRefused });
  return new Map([
    ...byQueue.map(({ index }, position) => [index, sent[position]] as const),
    ...byBus.map(({ index }, position) => [index, published[position]] as const),
  ]);
}

/** What is no event at all goes the way on which it is kept with the reason. */
function goesToQueue({ "detail-type": type, detail }: BusEvent): boolean {
  return QUEUE_TYPES.includes(type) && typeof detail === "object" && detail !== null && !Array.isArray(detail);
}

function said(outcome: PublishOutcome | undefined): Pick<ReplayedEvent, "outcome" | "eventId" | "error"> {
  if (outcome?.kind === "accepted") return { outcome: "sent", eventId: outcome.eventId };
  const error = outcome?.error ?? new TenantKeysError("publish_failed", "no answer for the event");
  return { outcome: outcome?.kind === "refused" ? "kept" : "failed", error };
}
