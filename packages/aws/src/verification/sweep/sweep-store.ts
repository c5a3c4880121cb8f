/**
 * Where a sweep stands, in the registry. Every write is conditional: of two who do the same at once, one does it, and the
 * other is told so.
 */
import type { Sweep } from "@tenantkeys/core";
import type { Run } from "../../run.ts";

/** One part of a sweep: its tenant keys and what the bulk lists said of them. */
export interface Shard {
  readonly sweepId: string;
  readonly shard: number;
  /** Of the lister that cut it. */
  readonly fence: number;
  readonly tenantKeys: number;
  /** Tenants whose first key is in this shard, so that none counts twice. */
  readonly tenants: number;
  /** How often it was given to the queue. */
  readonly sends: number;
  /** Epoch milliseconds, of the last time. */
  readonly sentAtMs: number;
  /** All before this one are verified: where a worker's time was spent, the next goes on here. */
  readonly nextKey: number;
  /** Of the keys before that one. */
  readonly readsDenied: number;
  readonly notVerified: number;
  readonly doneAtMs?: number | undefined;
  readonly lostAtMs?: number | undefined;
}

export interface ShardWithContent extends Shard {
  /** Gzipped JSON (shard-content.ts); absent once it is done. */
  readonly content: Uint8Array | undefined;
}

export type Listed = Pick<Sweep, "shards" | "tenantKeys" | "tenants" | "readsDenied" | "pagesCut" | "rounds">;

export type ShardProgress = Pick<Shard, "nextKey" | "readsDenied" | "notVerified">;

/** `false` means that another was first, or that the sweep has moved on: nothing was written then. */
export interface SweepStore {
  current(run: Run): Promise<Sweep | undefined>;
  /** Begins a sweep in place of the one that is known, which is closed. */
  begin(run: Run, next: Sweep, known: Sweep | undefined): Promise<boolean>;
  /** Takes a lister's lease that has lapsed, under a higher fence. */
  listAgain(run: Run, known: Sweep, leaseUntilMs: number): Promise<boolean>;
  /** Takes a sender's lease that has lapsed; what was listed stays. */
  sendAgain(run: Run, known: Sweep, leaseUntilMs: number): Promise<boolean>;
  /** Gives the lease back, so that the next turn goes on at once. */
  giveUp(run: Run, known: Sweep): Promise<boolean>;
  listed(run: Run, known: Sweep, listed: Listed): Promise<boolean>;
  sent(run: Run, known: Sweep): Promise<boolean>;
  /** With its record, if no shard ended meanwhile. */
  close(run: Run, known: Sweep, findings: Readonly<Record<string, number>>): Promise<boolean>;
  /** The sweeps that have ended, newest first. */
  ended(run: Run, limit: number): Promise<readonly Sweep[]>;

  /** Refused where a lister with a higher fence has written it. */
  putShard(run: Run, shard: ShardWithContent): Promise<boolean>;
  shard(run: Run, sweepId: string, shard: number): Promise<ShardWithContent | undefined>;
  /** Those of the sweep's own fence that neither came back nor are lost, without their content. */
  shardsOut(run: Run, known: Sweep): AsyncGenerator<Shard, void, undefined>;
  shardSentAgain(run: Run, shard: Shard): Promise<boolean>;
  shardReached(run: Run, shard: Shard, reached: ShardProgress): Promise<boolean>;
  /** In one transaction with the sweep's counters. */
  shardDone(run: Run, shard: Shard, result: Omit<ShardProgress, "nextKey">): Promise<boolean>;
  shardLost(run: Run, shard: Shard): Promise<boolean>;
  /** Of a sweep that has ended. */
  deleteShards(run: Run, sweepId: string): Promise<void>;
}
