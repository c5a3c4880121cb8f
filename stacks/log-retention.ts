/** SST names retentions; the settings count days. */
import type { settings } from "./stage.ts";

export function logRetention(days: typeof settings.logRetentionDays) {
  const names = {
    1: "1 day",
    7: "1 week",
    14: "2 weeks",
    30: "1 month",
    90: "3 months",
    180: "6 months",
    365: "1 year",
    731: "2 years",
    3653: "10 years",
  } as const;
  return names[days];
}
