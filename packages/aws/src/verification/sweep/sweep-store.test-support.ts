/** A sweep store in memory, under the same conditions as the registry's. Nothing that ships imports it. */
import type { Sweep } from "@tenantkeys/core";
import type { Shard, ShardWithContent, SweepStore } from "./sweep-store.ts";

/** Wraps one write: a test may stop its worker before it, or after it. */
export type AroundWrite = <T>(name: string, effect: () => T) => Promise<T>;

const DIRECTLY: AroundWrite = async (_name, effect) => effect();

export interface SweepsInMemory {
  current: Sweep | undefined;
  readonly ended: Sweep[];
  readonly shards: Map<string, ShardWithContent>;
}

export function emptySweeps(): SweepsInMemory {
  return { current: undefined, ended: [], shards: new Map() };
}

export function inMemorySweepStore(held: SweepsInMemory, around: AroundWrite = DIRECTLY): SweepStore {
  const name = ({ sweepId, shard }: Pick<Shard, "sweepId" | "shard">) => `${sweepId}/${shard}`;
  const isStill = (known: Sweep) =>
    held.current?.sweepId === known.sweepId && held.current.fence === known.fence && held.current.phase === known.phase;
  const change = (known: Sweep, next: Partial<Sweep>, when: (current: Sweep) => boolean = () => true) => {
    if (held.current === undefined || !isStill(known) || !when(held.current)) return false;
    held.current = { ...held.current, ...next };
    return true;
  };
  const sameLease = (known: Sweep) => (current: Sweep) => current.leaseUntilMs === known.leaseUntilMs;
  const outShard = (shard: Shard) => {
    const kept = held.shards.get(name(shard));
    const isOut = kept?.doneAtMs === undefined && kept?.lostAtMs === undefined;
    return kept !== undefined && isOut && kept.fence === shard.fence ? kept : undefined;
  };
  const endShard = (shard: Shard, end: Partial<ShardWithContent>, add: (current: Sweep) => Partial<Sweep>) => {
    const kept = outShard(shard);
    const { current } = held;
    const counts = current?.sweepId === shard.sweepId && current.fence === shard.fence && current.phase === "checking";
    if (kept === undefined || current === undefined || !counts) return false;
    held.shards.set(name(shard), { ...kept, ...end });
    held.current = { ...current, ...add(current) };
    return true;
  };
  return {
    current: async () => held.current,
    begin: (_run, next, known) =>
      around("begin", () => {
        if (known === undefined ? held.current !== undefined : !isStill(known)) return false;
        held.current = next;
        return true;
      }),
    listAgain: (_run, known, leaseUntilMs) =>
      around("listAgain", () => change(known, { leaseUntilMs, fence: known.fence + 1 }, sameLease(known))),
    sendAgain: (_run, known, leaseUntilMs) =>
      around("sendAgain", () => change(known, { leaseUntilMs }, sameLease(known))),
    giveUp: (_run, known) => around("giveUp", () => change(known, { leaseUntilMs: 0 }, sameLease(known))),
    listed: (run, known, listed) =>
      around("listed", () => change(known, { ...listed, phase: "checking", listedAtMs: run.clock.nowMs() })),
    sent: (run, known) =>
      around("sent", () => change(known, { sentAtMs: run.clock.nowMs() }, ({ sentAtMs }) => sentAtMs === undefined)),
    close: (run, known, findings) =>
      around("close", () => {
        const ended: Sweep = { ...known, phase: "closed", endedAtMs: run.clock.nowMs(), findings };
        const sameCounts = ({ shardsDone, shardsLost }: Sweep) =>
          shardsDone === known.shardsDone && shardsLost === known.shardsLost;
        if (!change(known, ended, sameCounts)) return false;
        held.ended.unshift(ended);
        return true;
      }),
    ended: async (_run, limit) => held.ended.slice(0, limit),
    putShard: (_run, shard) =>
      around("putShard", () => {
        if ((held.shards.get(name(shard))?.fence ?? 0) > shard.fence) return false;
        held.shards.set(name(shard), shard);
        return true;
      }),
    shard: async (_run, sweepId, shard) => held.shards.get(name({ sweepId, shard })),
    async *shardsOut(_run, known) {
      for (const kept of held.shards.values()) {
        const { content: _, ...shard } = kept;
        if (kept.sweepId === known.sweepId && outShard({ ...kept, fence: known.fence }) !== undefined) yield shard;
      }
    },
    shardSentAgain: (run, shard) =>
      around("shardSentAgain", () => {
        const kept = outShard(shard);
        if (kept === undefined || kept.sends !== shard.sends) return false;
        held.shards.set(name(shard), { ...kept, sends: kept.sends + 1, sentAtMs: run.clock.nowMs() });
        return true;
      }),
    shardReached: (_run, shard, reached) =>
      around("shardReached", () => {
        const kept = outShard(shard);
        if (kept === undefined) return false;
        held.shards.set(name(shard), { ...kept, ...reached });
        return true;
      }),
    shardDone: (run, shard, { readsDenied, notVerified }) =>
      around("shardDone", () =>
        endShard(shard, { doneAtMs: run.clock.nowMs(), content: undefined }, (current) => ({
          shardsDone: current.shardsDone + 1,
          tenantsVerified: current.tenantsVerified + shard.tenants,
          tenantKeysVerified: current.tenantKeysVerified + shard.tenantKeys - notVerified,
          readsDenied: current.readsDenied + readsDenied,
        })),
      ),
    shardLost: (run, shard) =>
      around("shardLost", () =>
        endShard(shard, { lostAtMs: run.clock.nowMs() }, ({ shardsLost }) => ({ shardsLost: shardsLost + 1 })),
      ),
    deleteShards: (_run, sweepId) =>
      around("deleteShards", () => {
        for (const [key, shard] of held.shards) if (shard.sweepId === sweepId) held.shards.delete(key);
      }),
  };
}
