/** Whether imported material ends soon: KMS makes the key unusable at that time, and only the same material brings it back. */
import { day, daysBetween, type Facts, isDying, report } from "../facts.ts";
import type { RuleId, Severity } from "../finding-rules.ts";
import type { InspectedKey } from "../inspection.ts";
import { type Judgement, judged, notJudged } from "../judgement.ts";

export const MATERIAL_RULES = ["material-expiring"] as const satisfies readonly RuleId[];

/** The days that are left, and how much that matters; the first that fits counts. */
const SEVERITY_BY_DAYS_LEFT: readonly (readonly [number, Severity])[] = [
  [1, "high"],
  [7, "medium"],
  [30, "low"],
];

export function judgeMaterial(facts: Facts, key: InspectedKey): Judgement {
  if (facts.isLeaving || key.kind === "absent") return judged();
  // The key's state couldn't be read either, and is told there.
  if (key.description.kind !== "read") return notJudged(MATERIAL_RULES);
  const { state, materialExpiresAtMs } = key.description.value;
  if (materialExpiresAtMs === undefined || state === "PendingImport" || isDying(state)) return judged();
  const days = Math.max(0, daysBetween(facts.nowMs, materialExpiresAtMs));
  const severity = SEVERITY_BY_DAYS_LEFT.find(([daysLeft]) => days <= daysLeft)?.[1];
  if (severity === undefined) return judged();
  const seen = `expires on ${day(materialExpiresAtMs)}, ${days} days left`;
  return judged([
    report(facts, "material-expiring", key.keyArn, { expected: "material for 30 days or more", seen }, severity),
  ]);
}
