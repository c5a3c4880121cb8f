import type { KeyRecord } from "@tenantkeys/core";
import { timeText } from "./plain-text.ts";

/** What a key waits for and, where a time decides, until when: "watch-period until 2026-12-01T00:00:00Z". */
export function waitText({ waitingFor, nextCheckAtMs, deletionDateMs }: KeyRecord): string | undefined {
  if (waitingFor === undefined) return undefined;
  const untilMs = waitingFor === "deletion-window" ? deletionDateMs : nextCheckAtMs;
  return untilMs === undefined ? waitingFor : `${waitingFor} until ${timeText(untilMs)}`;
}
