import type { BusEvent } from "@tenantkeys/aws";
import { type KeyRecord, REPLY_SOURCE } from "@tenantkeys/core";
import type { Session } from "./ports.ts";

/** What the schedule sends where a key has come to its time: it has the worker compare the key with what is declared. */
export function reviewEvent({ operator }: Session, { tenantId, keyName }: KeyRecord): BusEvent {
  const detail = { version: "1", tenantId, keyName, stage: operator.settings.stage };
  return { source: REPLY_SOURCE, "detail-type": "TenantKeyReviewDue", detail };
}
