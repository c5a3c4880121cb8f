/** One run of the canary: its tenants, everything that is tried on them, and who is told of it. */
import {
  breachFindings,
  CANARY_METRICS,
  type CanaryResources,
  type CanaryRun,
  canaryState,
  countOutcomes,
  isComplete,
} from "@tenantkeys/core";
import { type Run, startRun } from "../run.ts";
import type { Metrics } from "../verification/metrics.ts";
import type { FindingStore } from "../verification/ports.ts";
import type { CanaryStore } from "./canary-store.ts";
import { type CanaryTenantPorts, readyTenants } from "./canary-tenants.ts";
import { type TryPorts, tryAttempts } from "./try-attempts.ts";

export interface CanaryPorts extends CanaryTenantPorts, TryPorts {
  readonly metrics: Metrics;
  readonly findings: Pick<FindingStore, "record">;
  readonly runs: Pick<CanaryStore, "record">;
}

/** Left of the run's time to tell what was seen. */
const TELLING_MS = 20_000;
/** For the call under way when the time for attempts is over. */
const ENDING_MS = 1_000;

/**
 * @throws TenantKeysError where it couldn't look at its tenants, or couldn't tell somebody of what it saw; then it has told
 *   all the others
 */
export async function runCanary(ports: CanaryPorts, run: Run): Promise<CanaryRun> {
  const startedAtMs = run.clock.nowMs();
  const tenants = await readyTenants(ports, run);
  if (tenants.kind === "not-ready") {
    const { waitsFor } = tenants;
    const waiting: CanaryRun = { startedAtMs, endedAtMs: startedAtMs, state: "not-ready", attempts: [], waitsFor };
    await ports.runs.record(run, waiting);
    return waiting;
  }
  const trying = startRun(run.clock, run.deadlineMs - startedAtMs - TELLING_MS, ENDING_MS);
  const attempts = await tryAttempts(ports, trying, tenants.resources);
  const state = canaryState(countOutcomes(attempts));
  const ended: CanaryRun = { startedAtMs, endedAtMs: run.clock.nowMs(), state, attempts };
  await tellAll(ports, run, ended, tenants.resources);
  return ended;
}

/** Each by itself: what keeps one from being told of a breach must not keep the others. The record is there once all know. */
async function tellAll(ports: CanaryPorts, run: Run, ended: CanaryRun, resources: CanaryResources): Promise<void> {
  const told = await Promise.allSettled([
    ports.metrics.put(run, metricsOf(ended)),
    recordFindings(ports, run, ended, resources),
  ]);
  const recorded = await Promise.allSettled([ports.runs.record(run, ended)]);
  for (const one of [...told, ...recorded]) if (one.status === "rejected") throw one.reason;
}

/** A zero says that there is no breach, which only a run knows that was answered in full. */
function metricsOf(ended: CanaryRun): Readonly<Record<string, number>> {
  const { breaches, failures } = countOutcomes(ended.attempts);
  const { canaryBreaches, canaryFailures, canaryCompleted } = CANARY_METRICS;
  const isFull = isComplete(ended);
  return {
    [canaryFailures]: failures,
    ...(isFull || breaches > 0 ? { [canaryBreaches]: breaches } : {}),
    ...(isFull ? { [canaryCompleted]: 1 } : {}),
  };
}

async function recordFindings(
  { findings }: CanaryPorts,
  run: Run,
  ended: CanaryRun,
  resources: CanaryResources,
): Promise<void> {
  const judged = ["canary-breach"] as const;
  // The stage's: what is open of it there is closed by a run that was answered in full.
  const scope = { tenantId: undefined, keyName: undefined, judged, unjudged: isComplete(ended) ? [] : judged };
  await findings.record(run, scope, breachFindings(ended.attempts, resources));
}
