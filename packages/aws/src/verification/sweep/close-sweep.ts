/** The end of a sweep: what it didn't look at is a finding, the open findings are counted, and its record is kept. */
import {
  allShardsEnded,
  type Finding,
  finding,
  type RuleId,
  type StoredFinding,
  type Sweep,
  VERIFICATION_METRICS,
} from "@tenantkeys/core";
import type { Run } from "../../run.ts";
import { countOpenFindings } from "../metrics.ts";
import type { FindingChanges, FindingStore } from "../ports.ts";
import { closeQuietUse } from "../quiet-use.ts";
import type { ClosePorts } from "./ports.ts";

/** What the sweep as a whole is judged by. */
const RULES_OF_THE_SWEEP: readonly RuleId[] = ["sweep-incomplete", "sweep-overdue"];

/** What the last shards found is listed by an index that lags, mostly by less: uncounted, it would ring a sweep later. */
const INDEX_LAG_MS = 2_000;

/**
 * Closes the sweep if each of its shards has ended. Told first and then written down: who stops in between leaves a sweep
 * that the next one closes, and tells once more. What may be put right without a person is asked for at the end.
 * @throws TenantKeysError also where that couldn't be asked for; the sweep is closed then, and the next one asks
 * @returns false where it isn't at its end, or another has closed it
 */
export async function closeIfEnded(ports: ClosePorts, run: Run, sweep: Sweep | undefined): Promise<boolean> {
  if (sweep === undefined || !allShardsEnded(sweep)) return false;
  const { opened, stillOpen } = await recordOfStage(ports.findings, run, RULES_OF_THE_SWEEP, incomplete(sweep));
  await run.clock.sleep(INDEX_LAG_MS);
  await closeQuietUse(ports.findings, run, ports.findings.listOpen(run));
  const { bySeverity, metrics } = await countOpenFindings(
    withRecorded(ports.findings.listOpen(run), [...opened, ...stillOpen]),
  );
  await ports.metrics.put(run, {
    ...metrics,
    [VERIFICATION_METRICS.readsDenied]: sweep.readsDenied,
    [VERIFICATION_METRICS.sweepCompleted]: 1,
    [VERIFICATION_METRICS.sweepSeconds]: (run.clock.nowMs() - sweep.startedAtMs) / 1_000,
    [VERIFICATION_METRICS.tenantsVerified]: sweep.tenantsVerified,
  });
  const closed = await ports.sweeps.close(run, sweep, bySeverity);
  // Last: a repair that can't be asked for mustn't keep the next sweep from being begun.
  if (closed) await ports.repair(run, {});
  return closed;
}

/** What the index lists, and what was just recorded: that a sweep is incomplete no later one may find any more. */
async function* withRecorded(
  listed: AsyncIterable<StoredFinding>,
  recorded: readonly StoredFinding[],
): AsyncGenerator<StoredFinding, void, undefined> {
  const rest = new Map(recorded.map((one) => [one.findingId, one]));
  for await (const one of listed) {
    rest.delete(one.findingId);
    yield one;
  }
  yield* rest.values();
}

function incomplete({ sweepId, shards, shardsLost, tenantKeys, tenantKeysVerified }: Sweep): readonly Finding[] {
  if (shardsLost === 0) return [];
  const about = {
    tenantId: undefined,
    keyName: undefined,
    resource: "sweep",
    expected: `${shards} shards back, and ${tenantKeys} tenant keys verified`,
    seen: `sweep ${sweepId} lost ${shardsLost} shards and verified ${tenantKeysVerified} tenant keys`,
  };
  return [finding("sweep-incomplete", about)];
}

/** @param since epoch milliseconds, since when a sweep should have ended */
export function reportOverdue(findings: FindingStore, run: Run, since: number, seen: string): Promise<unknown> {
  const about = {
    tenantId: undefined,
    keyName: undefined,
    resource: "sweep",
    expected: `a sweep ended after ${new Date(since).toISOString()}`,
    seen,
  };
  return recordOfStage(findings, run, ["sweep-overdue"], [finding("sweep-overdue", about)]);
}

/** Findings that belong to no tenant key: of these rules, and no others. */
export function recordOfStage(
  findings: FindingStore,
  run: Run,
  judged: readonly RuleId[],
  found: readonly Finding[],
  unjudged: readonly RuleId[] = [],
): Promise<FindingChanges> {
  return findings.record(run, { tenantId: undefined, keyName: undefined, judged, unjudged }, found);
}
