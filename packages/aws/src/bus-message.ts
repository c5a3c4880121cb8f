/** Events as EventBridge delivers them to a queue, for what goes there without it: the worker knows one form only. */
import {
  type AccountId,
  type KeyName,
  REPLY_SOURCE,
  type Region,
  type RuleId,
  type Stage,
  type TenantId,
} from "@tenantkeys/core";

/** An event as it is given to a bus. */
export interface OutgoingEvent {
  readonly source: string;
  readonly "detail-type": string;
  readonly detail?: unknown;
}

/**
 * @param eventId of its own, as EventBridge would give it
 * @param timeMs epoch milliseconds
 */
export function busMessage(
  { accountId, region }: { readonly accountId: AccountId; readonly region: Region },
  { source, "detail-type": type, detail }: OutgoingEvent,
  eventId: string,
  timeMs: number,
): string {
  return JSON.stringify({
    version: "0",
    id: eventId,
    "detail-type": type,
    source,
    account: accountId,
    time: new Date(timeMs).toISOString(),
    region,
    resources: [],
    detail,
  });
}

/** Has the worker compare a key with what is declared, and put it right. */
export function reviewEvent(
  stage: Stage,
  { tenantId, keyName }: { readonly tenantId: TenantId; readonly keyName: KeyName },
): OutgoingEvent {
  return {
    source: REPLY_SOURCE,
    "detail-type": "TenantKeyReviewDue",
    detail: { version: "1", stage, tenantId, keyName },
  };
}

/**
 * Has the worker put right what these rules found about a key, and nothing else. Who asks is who SQS says sent it.
 * @param asked.automatic the stage itself asks: it is permitted less
 */
export function repairEvent(
  stage: Stage,
  { tenantId, keyName }: { readonly tenantId: TenantId; readonly keyName: KeyName },
  rules: readonly RuleId[],
  { automatic }: { readonly automatic: boolean },
): OutgoingEvent {
  return {
    source: REPLY_SOURCE,
    "detail-type": "TenantKeyRepairRequested",
    detail: { version: "1", stage, tenantId, keyName, rules, ...(automatic ? { automatic } : {}) },
  };
}
