import { isOverdue, type Sweep } from "@tenantkeys/core";
import { timeText } from "./plain-text.ts";

const MINUTE_MS = 60_000;

/** Why the schedule's sweeps aren't as they should be, for people; undefined where they are. */
export function sweepLateness(current: Sweep | undefined, nowMs: number, intervalMinutes: number): string | undefined {
  const due = `one is due every ${intervalMinutes} minutes`;
  if (current === undefined) return `no sweep was ever begun, and ${due}`;
  const intervalMs = intervalMinutes * MINUTE_MS;
  const since = `the sweep that began at ${timeText(current.startedAtMs)}`;
  if (isOverdue(current, nowMs, intervalMs)) return `${since} hasn't ended, and ${due}`;
  // Between two sweeps there is one interval, and as long again for the schedule to be late in.
  const isMissed = current.phase === "closed" && nowMs - current.startedAtMs > 2 * intervalMs;
  return isMissed ? `${since} was the last, and ${due}` : undefined;
}
