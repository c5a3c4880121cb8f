import type { KeyRecord } from "@tenantkeys/core";
import { timeText } from "./plain-text.ts";
import { textTable } from "./text-table.ts";
import { waitText } from "./wait-text.ts";

/** Tenant keys as a table for people. */
export function keyTable(records: readonly KeyRecord[]): string {
  return textTable(
    ["TENANT", "KEY", "STATE", "WAITS FOR", "GENERATION", "PROFILE", "UPDATED", "KEY ARN"],
    records.map((record) => [
      record.tenantId,
      record.keyName,
      record.failure === undefined ? record.state : `${record.state} (${record.failure.code})`,
      waitText(record),
      record.generation,
      record.profile,
      timeText(record.updatedAtMs),
      record.keyArn,
    ]),
  );
}
