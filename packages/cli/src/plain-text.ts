/** Text that somebody else wrote, for a terminal: control characters could move the cursor or change what was shown. */
export function plainText(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}

/** 2026-11-24T03:10:00Z, or "-" where there is no time. */
export function timeText(epochMs: number | undefined): string {
  if (epochMs === undefined || !(Math.abs(epochMs) <= 8.64e15)) return "-";
  return new Date(epochMs).toISOString().replace(/\.\d+Z$/, "Z");
}

/** "1 key", "2 keys". */
export function countText(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}
