import {
  type EventMapping,
  eventForm,
  type KeyRecord,
  parseTenantId,
  type TenantId,
  TenantKeysError,
} from "@tenantkeys/core";
import type { DeadLetter } from "./dead-letters.ts";

/**
 * With which errors the worker gave an event up, as the records of the tenant's keys say. A record names the event that
 * declared its key last, so of a sign-up only the keys that it declared count; other events leave their failure there
 * without their name, so of those all of the tenant's keys count. Each tenant is read once: its letters often come together.
 */
export function createFailureCodes(
  eventMappings: readonly EventMapping[],
  keysOfTenant: (tenantId: TenantId) => Promise<readonly KeyRecord[]>,
) {
  const read = new Map<string, Promise<readonly KeyRecord[]>>();
  return async function failureCodes(letter: DeadLetter): Promise<readonly string[]> {
    const tenantId = tenantIdOf(letter);
    if (tenantId === undefined) return [];
    const reading = read.get(tenantId) ?? keysOfTenant(tenantId);
    read.set(tenantId, reading);
    const type = eventForm(eventMappings, letter.source ?? "", letter.detailType ?? "")?.type;
    const declaresKeys = type === "TenantSignedUp" || type === "TenantKeyAdded";
    return (await reading).flatMap(({ failure, eventId }) =>
      failure === undefined || (declaresKeys && eventId !== letter.eventId) ? [] : [failure.code],
    );
  };
}

/** What names no tenant, or one that can't be, was refused and never became a failure of a key. */
function tenantIdOf({ tenantId }: DeadLetter): TenantId | undefined {
  if (tenantId === undefined) return undefined;
  try {
    return parseTenantId(tenantId);
  } catch (error) {
    if (error instanceof TenantKeysError) return undefined;
    throw error;
  }
}
