import { plainText } from "./plain-text.ts";

/** @returns lines with each column as wide as its widest cell, two spaces apart; an absent cell reads "-" */
export function textTable(
  headers: readonly string[],
  rows: readonly (readonly (string | number | undefined)[])[],
): string {
  const cells = [headers, ...rows].map((row) => row.map((cell) => plainText(String(cell ?? "-"))));
  const widths = headers.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return `${cells.map(line).join("\n")}\n`;
}
