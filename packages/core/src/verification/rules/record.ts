/** Whether a record stays where nothing should stay: being made, failed, without material, or past an end that came. */
import { DAY_MS } from "../../offboarding.ts";
import { day, type Facts, report } from "../facts.ts";
import type { RuleId } from "../finding-rules.ts";
import { type Judgement, judged } from "../judgement.ts";
import { waitsForFirstMaterial } from "./key-state.ts";

export const RECORD_RULES = ["record-stuck"] as const satisfies readonly RuleId[];

/** Messages are tried again for half an hour; a customer's material may take a working day. */
const STUCK_AFTER_MS = DAY_MS;

export function judgeRecord(facts: Facts): Judgement {
  const { record, nowMs, desired } = facts;
  const since = stuckSince(facts);
  if (since === undefined || nowMs <= since.atMs + STUCK_AFTER_MS) return judged();
  const resource = `${desired.tenantId}/${desired.keyName}`;
  const failure = record.failure === undefined ? "" : ` (${record.failure.code}: ${record.failure.message})`;
  const seen = `${record.state} since ${day(since.atMs)}${failure}`;
  return judged([report(facts, "record-stuck", resource, { expected: since.expected, seen })]);
}

function stuckSince(facts: Facts): { readonly atMs: number; readonly expected: string } | undefined {
  const { record, key } = facts;
  const atMs = record.updatedAtMs;
  switch (record.state) {
    case "provisioning":
      return { atMs, expected: "made within a day" };
    case "failed":
      return { atMs, expected: "replayed or given up within a day" };
    case "awaiting-material":
      return waitsForFirstMaterial(facts) ? { atMs, expected: "its material imported within a day" } : undefined;
    case "pending-deletion": {
      if (key?.kind !== "absent" || record.nextCheckAtMs === undefined) return undefined;
      // A review that fails is put off by a day, each time: it would always be due tomorrow.
      const dueAtMs = Math.min(record.nextCheckAtMs, (record.deletionDateMs ?? Infinity) + DAY_MS);
      return { atMs: dueAtMs, expected: "its end recorded, as the key is gone" };
    }
    default:
      return undefined;
  }
}
