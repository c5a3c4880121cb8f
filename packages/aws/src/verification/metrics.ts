/** The stage's metrics, put by whoever counted: the end of a sweep, and the guard. */
import { type CloudWatchClient, PutMetricDataCommand } from "@aws-sdk/client-cloudwatch";
import {
  FINDINGS_METRICS,
  metricNamespace,
  type RuleId,
  type Severity,
  STAGE_DIMENSION,
  type Stage,
  type StoredFinding,
  VERIFICATION_METRICS,
} from "@tenantkeys/core";
import { narrowAwsError } from "../narrow-error.ts";
import type { Run } from "../run.ts";

/** By name, of FINDINGS_METRICS and VERIFICATION_METRICS. */
export type MetricValues = Readonly<Record<string, number>>;

export interface Metrics {
  /** One call, with the stage as the only dimension. */
  put(run: Run, values: MetricValues): Promise<void>;
}

export function createMetrics(cloudWatch: CloudWatchClient, stage: Stage): Metrics {
  return {
    async put(run, values) {
      const timestamp = new Date(run.clock.nowMs());
      const command = new PutMetricDataCommand({
        Namespace: metricNamespace(stage),
        MetricData: Object.entries(values).map(([name, value]) => ({
          MetricName: name,
          Dimensions: [{ Name: STAGE_DIMENSION, Value: stage }],
          Timestamp: timestamp,
          Value: value,
          Unit: name === VERIFICATION_METRICS.sweepSeconds ? "Seconds" : "Count",
        })),
      });
      await cloudWatch.send(command, { abortSignal: run.signal }).catch((error) => {
        throw narrowAwsError(error, "cloudwatch:PutMetricData");
      });
    },
  };
}

/** What an alarm of its own counts, by rule. */
const RULES_COUNTED = {
  unintendedDeletions: ["key-pending-deletion-unintended"],
  overdueRotations: ["rotation-overdue"],
  couldNotVerify: ["could-not-verify", "sweep-incomplete", "region-not-covered"],
} as const satisfies Readonly<Record<string, readonly RuleId[]>>;

export interface OpenFindings {
  readonly bySeverity: Readonly<Record<Severity, number>>;
  readonly metrics: MetricValues;
}

/** Counts every open finding once, for the metrics that say how many there are. */
export async function countOpenFindings(
  open: AsyncIterable<Pick<StoredFinding, "ruleId" | "severity">>,
): Promise<OpenFindings> {
  const bySeverity: Record<Severity, number> = { information: 0, low: 0, medium: 0, high: 0, critical: 0 };
  const byRule = new Map<RuleId, number>();
  for await (const { ruleId, severity } of open) {
    bySeverity[severity] += 1;
    byRule.set(ruleId, (byRule.get(ruleId) ?? 0) + 1);
  }
  const ofSeverities = Object.entries(bySeverity).map(([severity, count]) => [
    FINDINGS_METRICS[severity as Severity],
    count,
  ]);
  const ofRules = Object.entries(RULES_COUNTED).map(([name, rules]) => [
    VERIFICATION_METRICS[name as keyof typeof RULES_COUNTED],
    rules.reduce((sum, rule) => sum + (byRule.get(rule) ?? 0), 0),
  ]);
  return { bySeverity, metrics: Object.fromEntries([...ofSeverities, ...ofRules]) };
}
