/** One sweep over everything that the stage has, and what a turn of the schedule does about it. */

/**
 * - `listing`: somebody lists keys, aliases and roles and cuts them into shards, under a lease
 * - `checking`: every shard is written; the verify functions work them off
 * - `closed`: ended; the next one starts when it is due
 */
export type SweepPhase = "listing" | "checking" | "closed";

/** Times are epoch milliseconds. */
export interface Sweep {
  readonly sweepId: string;
  /** Counts the stage's sweeps. The keys' turns for the narrow quotas go round by it. */
  readonly number: number;
  readonly phase: SweepPhase;
  /** Raised by whoever lists anew; shards of an older fence are void. */
  readonly fence: number;
  /** Of who lists, or sends what was listed. */
  readonly leaseUntilMs: number;
  readonly startedAtMs: number;
  /** Of the sweep before, whose shards are still to be cleared away. */
  readonly previousSweepId?: string | undefined;
  readonly listedAtMs?: number | undefined;
  /** When every shard had been given to the queue. */
  readonly sentAtMs?: number | undefined;
  readonly endedAtMs?: number | undefined;
  readonly shards: number;
  readonly shardsDone: number;
  readonly shardsLost: number;
  /** What the registry holds; the numbers verified follow from the shards that came back. */
  readonly tenantKeys: number;
  readonly tenants: number;
  readonly tenantKeysVerified: number;
  readonly tenantsVerified: number;
  /** Reads that AWS refused or that failed, of bulk lists and of single keys. */
  readonly readsDenied: number;
  /** Bulk lists that were longer than what is read of them. */
  readonly pagesCut: number;
  /** In how many sweeps every key's grants and past rotations are read once. */
  readonly rounds: number;
  /** Open findings when it ended, by severity. */
  readonly findings?: Readonly<Record<string, number>> | undefined;
}

export type TickDecision =
  /** @property missed the schedule was silent for more than two intervals */
  | { readonly kind: "start"; readonly missed: boolean }
  /** Nobody lists any more, though it isn't listed. */
  | { readonly kind: "list-again" }
  /** Nobody sends any more, though not everything was sent. */
  | { readonly kind: "send-again" }
  | { readonly kind: "look-after-shards" }
  | { readonly kind: "close" }
  | { readonly kind: "wait"; readonly waitsFor: "interval" | "lister" };

const MINUTE_MS = 60_000;
/** A sweep may always take this long, however short the interval. */
const OVERDUE_AT_LEAST_MS = 30 * MINUTE_MS;

/** What a turn of the schedule does: exactly one thing, so that two turns at once are two tries of the same write. */
export function decideTick(sweep: Sweep | undefined, nowMs: number, intervalMs: number): TickDecision {
  if (sweep === undefined) return { kind: "start", missed: false };
  switch (sweep.phase) {
    case "closed": {
      const sinceMs = nowMs - sweep.startedAtMs;
      if (sinceMs < intervalMs) return { kind: "wait", waitsFor: "interval" };
      return { kind: "start", missed: sinceMs > 2 * intervalMs };
    }
    case "listing":
      return nowMs < sweep.leaseUntilMs ? { kind: "wait", waitsFor: "lister" } : { kind: "list-again" };
    case "checking":
      if (allShardsEnded(sweep)) return { kind: "close" };
      if (sweep.sentAtMs !== undefined) return { kind: "look-after-shards" };
      return nowMs < sweep.leaseUntilMs ? { kind: "wait", waitsFor: "lister" } : { kind: "send-again" };
  }
}

export function allShardsEnded({ phase, shards, shardsDone, shardsLost }: Sweep): boolean {
  return phase === "checking" && shardsDone + shardsLost >= shards;
}

/** True of a sweep that should have ended: the next one is due, or it runs for longer than any should. */
export function isOverdue(sweep: Sweep | undefined, nowMs: number, intervalMs: number): boolean {
  if (sweep === undefined || sweep.phase === "closed") return false;
  return nowMs - sweep.startedAtMs > Math.max(intervalMs, OVERDUE_AT_LEAST_MS);
}

/** Of which GetKeyPolicy and GetKeyRotationStatus have 1,000 a second: what sets the pace of a sweep. */
const PACE_PER_SECOND = 1_000;
/** Of which ListGrants and ListKeyRotations have 100 a second. */
const NARROW_PER_SECOND = 100;
const SHARD_TIMEOUT_AT_LEAST_MS = 5 * MINUTE_MS;
/** A shard is this much work at most, even where every key of it has its turn for the narrow quotas. */
const SHARD_SECONDS = 50;
const SHARD_KEYS_LEAST = 10;
const SHARD_KEYS_MOST = 200;

/**
 * How long a shard may be out before it is sent again: a shard waits in the queue for all others, so twice the time that
 * the quotas leave for every key.
 */
export function shardTimeoutMs(tenantKeys: number, quotaShare: number): number {
  return SHARD_TIMEOUT_AT_LEAST_MS + (2 * tenantKeys * 1_000) / (PACE_PER_SECOND * quotaShare);
}

/** How many tenant keys a shard holds at most, so that one worker of several ends it well within its time. */
export function shardKeysMax(quotaShare: number, workers: number): number {
  const inTime = Math.floor((SHARD_SECONDS * NARROW_PER_SECOND * quotaShare) / workers);
  return Math.min(SHARD_KEYS_MOST, Math.max(SHARD_KEYS_LEAST, inTime));
}
