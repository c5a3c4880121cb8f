/** In which form an event is, from its source and its detail type: what it is read as and who waits for a reply. */
import type { EventMapping } from "./event-mapping.ts";
import { type SbtEventType, sbtEventType } from "./sbt-requests.ts";
import { TENANT_EVENT_TYPES, type TenantEventBase, type TenantEventType } from "./tenant-event.ts";

export type EventForm =
  | { readonly kind: "own"; readonly type: TenantEventType }
  | { readonly kind: "sbt"; readonly type: SbtEventType }
  | { readonly kind: "mapped"; readonly type: TenantEventType; readonly mapping: EventMapping };

/** @returns undefined where no such event is read */
export function eventForm(
  eventMappings: readonly EventMapping[],
  source: string,
  detailType: string,
): EventForm | undefined {
  const own = TENANT_EVENT_TYPES.find((type) => type === detailType);
  if (own !== undefined) return { kind: "own", type: own };
  const sbt = sbtEventType(detailType);
  if (sbt !== undefined) return { kind: "sbt", type: sbt };
  const mapping = eventMappings.find((one) => one.source === source && one.detailType === detailType);
  return mapping && { kind: "mapped", type: mapping.as, mapping };
}

/** What can be told of an event that was refused, for its reply. */
export interface Glance extends Pick<TenantEventBase, "replyTo" | "tenantRegistrationId"> {
  readonly type: TenantEventType | undefined;
}

/**
 * Never fails: the text may be anything.
 * @param body as for parseTenantEvent
 */
export function glanceAtEvent(body: string, eventMappings: readonly EventMapping[]): Glance {
  const event = jsonObject(body);
  const { source, detail, "detail-type": detailType } = event;
  if (typeof detailType !== "string") return { type: undefined, replyTo: "tenantkeys" };
  const form = eventForm(eventMappings, typeof source === "string" ? source : "", detailType);
  if (form?.kind !== "sbt") return { type: form?.type, replyTo: "tenantkeys" };
  return { type: form.type, replyTo: "sbt", tenantRegistrationId: registrationId(detail) };
}

function registrationId(detail: unknown): string | undefined {
  if (typeof detail !== "object" || detail === null || !("tenantRegistrationId" in detail)) return undefined;
  const id = detail.tenantRegistrationId;
  return typeof id === "string" && id.length >= 1 && id.length <= 128 ? id : undefined;
}

function jsonObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}
