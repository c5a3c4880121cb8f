/** An event on its way to the bus or the queue, and what can be said of it before AWS sees it. */
import { type ErrorCode, TenantKeysError } from "@tenantkeys/core";
import type { OutgoingEvent } from "../bus-message.ts";

/**
 * PutEvents takes less than 1 MB a call, and CloudTrail and CloudWatch Logs still stop at 256 KB: an entry that they
 * can't show isn't sent. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
 */
export const EVENT_BYTES_MAX = 262_144;

/** An event as EventBridge writes it, as far as it was checked: it may be one that the bus can't take. */
export interface BusEvent extends OutgoingEvent {
  readonly time?: string | undefined;
  /** Where it came over a bus before. Never sent: the bus gives its own. */
  readonly account?: string | undefined;
  readonly region?: string | undefined;
}

/** @returns the detail as text, or the reason why the event can never be sent */
export function checkedDetail(event: BusEvent): string | TenantKeysError {
  const { detail, time } = event;
  if (typeof detail !== "object" || detail === null || Array.isArray(detail)) {
    const message = "detail: expected a JSON object, which is all that EventBridge takes";
    return refusal("event_not_json", message, "detail", event);
  }
  if (time !== undefined && Number.isNaN(Date.parse(time))) {
    return refusal("event_invalid", `time: "${time.slice(0, 80)}" is not a date`, "time", event);
  }
  const text = jsonText(detail);
  if (text === undefined) return refusal("event_too_large", "detail: nests too deep to be written", "detail", event);
  return text;
}

export function tooManyBytes(event: BusEvent, bytes: number): TenantKeysError {
  const message = `the event holds ${bytes} bytes, more than the ${EVENT_BYTES_MAX} that are sent`;
  return refusal("event_too_large", message, "detail", event);
}

/** Undefined where brackets nest so deep that JSON.stringify overflows the stack, which JSON.parse doesn't. */
export function jsonText(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

export function refusal(code: ErrorCode, message: string, field: string, event: BusEvent): TenantKeysError {
  return new TenantKeysError(code, message, { field, step: "publish", tenantId: tenantIdOfEvent(event) });
}

/** The tenant id as sent, at most 80 characters of it: it may not be a valid one. */
export function tenantIdOfEvent({ detail }: BusEvent): string | undefined {
  if (typeof detail !== "object" || detail === null || !("tenantId" in detail)) return undefined;
  return typeof detail.tenantId === "string" ? detail.tenantId.slice(0, 80) : undefined;
}
