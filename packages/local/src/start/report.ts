/** What `npm start` shows: one row per tenant key or refusal, the matrix, and the summary. */
import type { KeptEvent } from "@tenantkeys/aws";
import type { KeyRecord } from "@tenantkeys/core";
import type { MatrixResult } from "../isolation-matrix.ts";

/** Rows shown of a long list; the rest is counted. */
const ROWS_MAX = 60;
/** As git shows a commit: enough to tell keys apart; `tenantkeys show` gives the whole ARN. */
const KEY_ID_CHARACTERS = 8;

export function keyTable(records: readonly KeyRecord[], publishedAtMs: number): string {
  const rows = records
    .toSorted((a, b) => a.tenantId.localeCompare(b.tenantId) || a.keyName.localeCompare(b.keyName))
    .map((record) => [
      record.tenantId,
      record.keyArn?.split("/").at(-1)?.slice(0, KEY_ID_CHARACTERS) ?? "-",
      record.aliasName ?? "-",
      record.roleArn?.split("/").at(-1) ?? "-",
      record.failure === undefined ? record.state : `${record.state} (${record.failure.code})`,
      record.activeAtMs === undefined ? "-" : `${((record.activeAtMs - publishedAtMs) / 1000).toFixed(1)} s`,
    ]);
  return table(["tenant", "key", "alias", "role", "state", "time"], rows);
}

export function refusalTable(refused: readonly KeptEvent[]): string {
  const rows = refused
    .toSorted((a, b) => a.code.localeCompare(b.code))
    .map((kept) => [kept.tenantId ?? "-", kept.code, kept.message.slice(0, 100)]);
  return table(["tenant", "refused with", "reason"], rows);
}

export function matrixTable(result: MatrixResult): string {
  const rows = result.parts.map((part) => [part.name, String(part.allowed), String(part.refused)]);
  return table(["isolation, tried live", "own: works", "others': AccessDenied"], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const shown = rows.slice(0, ROWS_MAX);
  const widths = head.map((title, column) => Math.max(title.length, ...shown.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `  ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd();
  const rest = rows.length > shown.length ? [`  … and ${rows.length - shown.length} more`] : [];
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...shown.map(line), ...rest].join("\n");
}
