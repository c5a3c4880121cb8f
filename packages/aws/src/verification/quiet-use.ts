/** Closes findings of unusual use that weren't seen again: nothing in AWS shows that such a fact is gone, only time does. */
import { DAY_MS, type StoredFinding } from "@tenantkeys/core";
import type { Run } from "../run.ts";
import type { FindingStore } from "./ports.ts";

/** How long a key must have had no unusual use. */
export const QUIET_MS = DAY_MS;

/**
 * A key's findings of unusual use close together, once none of them was seen for a day.
 * @param open all open findings of the stage, or of the tenants that are looked at
 * @returns how many it closed
 */
export async function closeQuietUse(
  findings: Pick<FindingStore, "record">,
  run: Run,
  open: AsyncIterable<StoredFinding> | Iterable<StoredFinding>,
): Promise<number> {
  const byKey = new Map<string, StoredFinding[]>();
  for await (const stored of open) {
    if (stored.ruleId !== "unusual-use") continue;
    const name = `${stored.tenantId ?? ""}/${stored.keyName ?? ""}`;
    byKey.set(name, [...(byKey.get(name) ?? []), stored]);
  }
  const quietSinceMs = run.clock.nowMs() - QUIET_MS;
  let closed = 0;
  for (const [first, ...others] of byKey.values()) {
    if (first === undefined || [first, ...others].some(({ lastSeenAtMs }) => lastSeenAtMs > quietSinceMs)) continue;
    const { tenantId, keyName } = first;
    const scope = { tenantId, keyName, unjudged: [], judged: ["unusual-use"] as const };
    closed += (await findings.record(run, scope, [])).closed.length;
  }
  return closed;
}
