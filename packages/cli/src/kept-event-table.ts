import type { KeptEvent } from "@tenantkeys/aws";
import { timeText } from "./plain-text.ts";
import { textTable } from "./text-table.ts";

const MESSAGE_CHARACTERS_MAX = 80;

/** Refused events as a table for people; a long reason is cut, --json has it whole. */
export function keptEventTable(events: readonly KeptEvent[]): string {
  return textTable(
    ["KEPT", "REFUSAL", "TENANT", "CODE", "REASON"],
    events.map((event) => [
      timeText(event.keptAtMs),
      event.refusalId,
      event.tenantId,
      event.code,
      event.message.length > MESSAGE_CHARACTERS_MAX
        ? `${event.message.slice(0, MESSAGE_CHARACTERS_MAX - 1)}…`
        : event.message,
    ]),
  );
}
