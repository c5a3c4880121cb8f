/**
 * What the worker counts, as fields of the log line that it writes anyway: CloudWatch makes metrics of a line in its
 * embedded metric format, so a metric costs no call, no rights and no time.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
import type { QueueMessage, WorkOutcome } from "@tenantkeys/aws";
import { metricNamespace, PROVISIONING_METRICS, STAGE_DIMENSION, type Stage } from "@tenantkeys/core";

type Fields = Readonly<Record<string, unknown>>;

/**
 * The fields to put at the root of the line. A message that is tried again counts nothing yet.
 * @param nowMs epoch milliseconds
 */
export function outcomeMetrics(stage: Stage, message: QueueMessage, outcome: WorkOutcome, nowMs: number): Fields {
  if (outcome.kind === "refused" || (outcome.kind === "retry" && outcome.lastReceive)) {
    return embedded(stage, nowMs, PROVISIONING_METRICS.provisioningFailed, "Count", 1);
  }
  if (!isNowActive(outcome)) return {};
  const seconds = Math.max(0, nowMs - message.sentAtMs) / 1000;
  return embedded(stage, nowMs, PROVISIONING_METRICS.signUpToActiveSeconds, "Seconds", seconds);
}

/** A sign-up by which a tenant can use each of its keys. Sent again it counts again: the worker answers it as new. */
function isNowActive(outcome: WorkOutcome): boolean {
  if (outcome.kind !== "done" || outcome.event.type !== "TenantSignedUp") return false;
  const { result } = outcome;
  return result.about === "sign-up" && result.keys.every(({ kind }) => kind === "active");
}

function embedded(stage: Stage, nowMs: number, Name: string, Unit: "Count" | "Seconds", value: number): Fields {
  const directive = { Namespace: metricNamespace(stage), Dimensions: [[STAGE_DIMENSION]], Metrics: [{ Name, Unit }] };
  return { _aws: { Timestamp: nowMs, CloudWatchMetrics: [directive] }, [STAGE_DIMENSION]: stage, [Name]: value };
}
