/** What is promised of every sweep store. Nothing that ships imports it. */
import type { Sweep } from "@tenantkeys/core";
import { beforeEach, describe, expect, test } from "vitest";
import { FakeClock, runOn, START_MS } from "../../test-support.ts";
import type { ShardWithContent, SweepStore } from "./sweep-store.ts";

function sweep(sweepId: string, more: Partial<Sweep> = {}): Sweep {
  return {
    sweepId,
    number: 1,
    phase: "listing",
    fence: 1,
    leaseUntilMs: START_MS + 1_000,
    startedAtMs: START_MS,
    shards: 0,
    shardsDone: 0,
    shardsLost: 0,
    tenantKeys: 0,
    tenants: 0,
    tenantKeysVerified: 0,
    tenantsVerified: 0,
    readsDenied: 0,
    pagesCut: 0,
    rounds: 1,
    ...more,
  };
}

function shard(sweepId: string, number: number, more: Partial<ShardWithContent> = {}): ShardWithContent {
  return {
    sweepId,
    shard: number,
    fence: 1,
    tenantKeys: 3,
    tenants: 2,
    sends: 1,
    sentAtMs: START_MS,
    nextKey: 0,
    readsDenied: 0,
    notVerified: 0,
    content: new Uint8Array([1, 2, 3]),
    ...more,
  };
}

const LISTED = { shards: 2, tenantKeys: 6, tenants: 4, readsDenied: 0, pagesCut: 0, rounds: 1 };

/** @param newStore an empty one each time */
export function describeSweepStore(name: string, newStore: () => Promise<SweepStore>): void {
  const run = runOn(new FakeClock());
  let store: SweepStore;
  const checking = async (sweepId: string): Promise<Sweep> => {
    await store.begin(run, sweep(sweepId), undefined);
    for (const number of [0, 1]) await store.putShard(run, shard(sweepId, number));
    await store.listed(run, sweep(sweepId), LISTED);
    return (await store.current(run)) as Sweep;
  };

  const numbersOut = async (known: Sweep): Promise<readonly number[]> => {
    const numbers: number[] = [];
    for await (const one of store.shardsOut(run, known)) numbers.push(one.shard);
    return numbers;
  };

  beforeEach(async () => {
    store = await newStore();
  });

  describe(name, () => {
    test("begins one sweep of two that are begun at once", async () => {
      const both = await Promise.all(["a", "b"].map((id) => store.begin(run, sweep(id), undefined)));
      expect(both.filter((begun) => begun)).toHaveLength(1);
      expect((await store.current(run))?.phase).toBe("listing");
    });

    test("begins none in place of one that isn't closed, or that another has followed", async () => {
      await store.begin(run, sweep("a"), undefined);
      await expect(store.begin(run, sweep("b", { fence: 2 }), sweep("a", { phase: "closed" }))).resolves.toBe(false);
      await expect(store.begin(run, sweep("b"), undefined)).resolves.toBe(false);
    });

    test("gives a lapsed lease to one of two, and what the old lister writes is refused from then on", async () => {
      const known = sweep("a");
      await store.begin(run, known, undefined);
      const both = await Promise.all([2_000, 3_000].map((untilMs) => store.listAgain(run, known, START_MS + untilMs)));
      expect(both.filter((taken) => taken)).toHaveLength(1);
      await expect(store.listed(run, known, LISTED)).resolves.toBe(false);
      await expect(store.putShard(run, shard("a", 0, { fence: 2 }))).resolves.toBe(true);
      await expect(store.putShard(run, shard("a", 0, { fence: 1 }))).resolves.toBe(false);
      await expect(store.listed(run, { ...known, fence: 2 }, LISTED)).resolves.toBe(true);
    });

    test("has a shard of an older list in nobody's count", async () => {
      await store.begin(run, sweep("a"), undefined);
      await store.putShard(run, shard("a", 0));
      await store.putShard(run, shard("a", 7));
      await store.listAgain(run, sweep("a"), START_MS + 9_000);
      await store.putShard(run, shard("a", 0, { fence: 2 }));
      await store.listed(run, sweep("a", { fence: 2 }), { ...LISTED, shards: 1 });
      const current = (await store.current(run)) as Sweep;
      expect(await numbersOut(current)).toEqual([0]);
      await expect(store.shardDone(run, shard("a", 7), { readsDenied: 0, notVerified: 0 })).resolves.toBe(false);
    });

    test("keeps a shard with its content until it is done, and counts it once", async () => {
      const current = await checking("a");
      expect((await store.shard(run, "a", 1))?.content).toEqual(new Uint8Array([1, 2, 3]));
      const result = { readsDenied: 4, notVerified: 1 };
      const both = await Promise.all([1, 2].map(() => store.shardDone(run, shard("a", 1), result)));
      expect(both.filter((done) => done)).toHaveLength(1);
      expect((await store.shard(run, "a", 1))?.content).toBeUndefined();
      const counted = { shardsDone: 1, tenantKeysVerified: 2, tenantsVerified: 2, readsDenied: 4 };
      expect(await store.current(run)).toMatchObject({ ...LISTED, ...counted });
      expect(await numbersOut(current)).toEqual([0]);
    });

    test("counts two shards that end in the same moment", async () => {
      await checking("a");
      const result = { readsDenied: 0, notVerified: 0 };
      const both = await Promise.all([0, 1].map((number) => store.shardDone(run, shard("a", number), result)));
      expect(both).toEqual([true, true]);
      expect(await store.current(run)).toMatchObject({ shardsDone: 2, tenantKeysVerified: 6 });
    });

    test("sends a shard again for one of two, and takes none back that was lost", async () => {
      await checking("a");
      const both = await Promise.all([1, 2].map(() => store.shardSentAgain(run, shard("a", 0))));
      expect(both.filter((sent) => sent)).toHaveLength(1);
      await expect(store.shardLost(run, shard("a", 0))).resolves.toBe(true);
      await expect(store.shardDone(run, shard("a", 0), { readsDenied: 0, notVerified: 0 })).resolves.toBe(false);
      expect(await store.current(run)).toMatchObject({ shardsLost: 1, shardsDone: 0 });
    });

    test("remembers how far a shard was verified", async () => {
      await checking("a");
      const reached = { nextKey: 2, readsDenied: 1, notVerified: 1 };
      await expect(store.shardReached(run, shard("a", 0), reached)).resolves.toBe(true);
      expect(await store.shard(run, "a", 0)).toMatchObject(reached);
    });

    test("closes a sweep once, with a record, and only as it was counted", async () => {
      const current = await checking("a");
      await store.sent(run, current);
      await store.shardDone(run, shard("a", 0), { readsDenied: 0, notVerified: 0 });
      await expect(store.close(run, current, {})).resolves.toBe(false);
      const counted = (await store.current(run)) as Sweep;
      const findings = { high: 2, critical: 0 };
      const both = await Promise.all([1, 2].map(() => store.close(run, counted, findings)));
      expect(both.filter((closed) => closed)).toHaveLength(1);
      const [record] = await store.ended(run, 5);
      expect(record).toMatchObject({ sweepId: "a", phase: "closed", shardsDone: 1, findings, endedAtMs: START_MS });
      expect(await store.current(run)).toEqual(record);
      await expect(store.sent(run, counted)).resolves.toBe(false);
    });

    test("lists the sweeps that have ended, newest first, and clears their shards away", async () => {
      for (const [index, id] of ["a", "b"].entries()) {
        const before = await store.current(run);
        const next = sweep(id, { fence: index + 1, startedAtMs: START_MS + index });
        await store.begin(run, next, before);
        await store.putShard(run, shard(id, 0, { fence: index + 1 }));
        await store.listed(run, next, LISTED);
        await store.close(run, (await store.current(run)) as Sweep, {});
      }
      expect((await store.ended(run, 2)).map(({ sweepId }) => sweepId)).toEqual(["b", "a"]);
      expect((await store.ended(run, 1)).map(({ sweepId }) => sweepId)).toEqual(["b"]);
      await store.deleteShards(run, "a");
      expect(await store.shard(run, "a", 0)).toBeUndefined();
      expect(await store.shard(run, "b", 0)).toBeDefined();
    });
  });
}
