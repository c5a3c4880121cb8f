import { type Finding, finding, parseVerificationMessage, TENANT_KEY_RULES, TenantKeysError } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { FakeClock, runOn } from "../../test-support.ts";
import { workShard } from "./shard-worker.ts";
import { sweepTick } from "./sweep-tick.ts";
import { CLEAN, longRun, SweepWorld, tenantKey, UNJUDGED } from "./sweep-world.test-support.ts";

interface Listed {
  readonly made: SweepWorld;
  readonly clock: FakeClock;
  /** Works on the shard of this number. */
  work(number?: number, durationMs?: number): ReturnType<typeof workShard>;
}

async function listed(tenants: number): Promise<Listed> {
  const made = new SweepWorld();
  for (let index = 0; index < tenants; index++) made.add(tenantKey(`tenant-${index}`));
  const clock = new FakeClock();
  await sweepTick(made.sweepPorts(), longRun(clock));
  const messages = made.queue.splice(0).map(parseVerificationMessage);
  const work = (number = 0, durationMs = 280_000) =>
    workShard(made.workerPorts(), runOn(clock, durationMs), messages[number] as never);
  return { made, clock, work };
}

const unread: Finding = finding("could-not-verify", {
  tenantId: undefined,
  keyName: undefined,
  resource: "key",
  expected: "an answer",
  seen: "none",
});

describe("a shard", () => {
  test("has each of its keys verified with what the lists said, and the last one ends the sweep", async () => {
    const { made, work } = await listed(201);
    await expect(work(0)).resolves.toEqual({ kind: "done", tenantKeys: 200, closed: false });
    await expect(work(1)).resolves.toEqual({ kind: "done", tenantKeys: 1, closed: true });
    expect(made.verified).toHaveLength(201);
    expect(made.verified.every(({ bulk }) => bulk?.aliasTarget !== undefined)).toBe(true);
    expect(made.held.current).toMatchObject({ phase: "closed", tenantKeysVerified: 201, tenantsVerified: 201 });
  });

  test("that comes a second time is void", async () => {
    const { made, work } = await listed(201);
    await work(0);
    await expect(work(0)).resolves.toEqual({ kind: "void", closed: false });
    expect(made.verified).toHaveLength(200);
  });

  test("of lists that were made anew is void", async () => {
    const { made, work } = await listed(1);
    made.held.current = { ...(made.held.current as NonNullable<typeof made.held.current>), fence: 2 };
    await expect(work(0)).resolves.toMatchObject({ kind: "void" });
    expect(made.verified).toEqual([]);
  });

  test("whose worker was stopped before it ended the sweep ends it when it comes again", async () => {
    const { made, work } = await listed(1);
    made.around = async (name, effect) => {
      if (name === "close") throw new Error("stopped");
      return effect();
    };
    await expect(work()).rejects.toThrow("stopped");
    made.around = async (_name, effect) => effect();
    await expect(work()).resolves.toEqual({ kind: "void", closed: true });
  });

  test("goes back when the time is spent, and the next worker goes on where it was left", async () => {
    const { made, clock, work } = await listed(60);
    made.verdictOf = () => {
      clock.advance(1_000);
      return CLEAN;
    };
    await expect(work(0, 25_000)).resolves.toMatchObject({ kind: "unfinished", error: { code: "deadline_near" } });
    const before = made.verified.length;
    expect(before).toBeGreaterThan(15);
    expect(made.held.shards.get("sweep-1/0")).toMatchObject({ nextKey: before });
    await expect(work(0, 280_000)).resolves.toMatchObject({ kind: "done", closed: true });
    expect(made.verified).toHaveLength(60);
    expect(made.held.current).toMatchObject({ tenantKeysVerified: 60 });
  });

  test("goes back where a rate or AWS itself stops every key, and says why", async () => {
    const { made, work } = await listed(60);
    made.verdictOf = ({ tenantId }) =>
      tenantId === "tenant-30" ? new TenantKeysError("throttled", "kms:DescribeKey") : CLEAN;
    await expect(work()).resolves.toMatchObject({ kind: "unfinished", error: { code: "throttled" } });
    expect(made.held.shards.get("sweep-1/0")).toMatchObject({ nextKey: 30 });
    made.verdictOf = () => CLEAN;
    await expect(work()).resolves.toMatchObject({ kind: "done" });
    expect(new Set(made.verified.map(({ tenantId }) => tenantId)).size).toBe(60);
  });

  test("with a key on which the check itself fails has the others verified, and that key is a finding", async () => {
    const { made, work } = await listed(3);
    made.verdictOf = ({ tenantId }) => (tenantId === "tenant-1" ? new TypeError("no such property") : CLEAN);
    await expect(work()).resolves.toMatchObject({ kind: "done", closed: true });
    expect(made.verified).toHaveLength(2);
    expect(made.held.current).toMatchObject({ tenantKeysVerified: 2, tenantKeys: 3, readsDenied: 1 });
    const { scope, findings } = made.recorded.find((one) => one.scope.tenantId === "tenant-1") ?? {};
    expect(scope).toMatchObject({ keyName: "default", judged: [] });
    expect(findings).toMatchObject([{ ruleId: "could-not-verify", seen: "aws_unexpected: no such property" }]);
  });

  test("counts reads that were refused, also those of a worker before", async () => {
    const { made, clock, work } = await listed(40);
    made.verdictOf = ({ tenantId }) => {
      clock.advance(1_000);
      return tenantId === "tenant-2" || tenantId === "tenant-39" ? { ...CLEAN, findings: [unread] } : CLEAN;
    };
    await work(0, 25_000);
    await work(0);
    expect(made.held.current).toMatchObject({ phase: "closed", readsDenied: 2, tenantKeysVerified: 40 });
  });

  test.each([
    ["a worker had in hand all the time", UNJUDGED],
    ["was about to be changed", { ...CLEAN, unjudged: TENANT_KEY_RULES }],
  ])("doesn't count a key as verified that %s", async (_, verdict) => {
    const { made, work } = await listed(2);
    made.verdictOf = ({ tenantId }) => (tenantId === "tenant-1" ? verdict : CLEAN);
    await work();
    expect(made.held.current).toMatchObject({ tenantKeys: 2, tenantKeysVerified: 1 });
  });

  test("asks grants and past rotations of the keys whose turn it is: each once in as many sweeps as there are rounds", async () => {
    const deep = new Map<string, number>();
    const made = new SweepWorld();
    for (let index = 0; index < 60; index++) made.add(tenantKey(`tenant-${index}`));
    const clock = new FakeClock();
    for (let sweep = 1; sweep <= 5; sweep++) {
      await sweepTick(made.sweepPorts(), longRun(clock));
      made.held.current = { ...(made.held.current as NonNullable<typeof made.held.current>), rounds: 5 };
      for (const body of made.queue.splice(0)) {
        await workShard(made.workerPorts(), longRun(clock), parseVerificationMessage(body) as never);
      }
      clock.advance(3_600_000);
    }
    for (const { tenantId, depth } of made.verified) {
      expect(depth.rotations).toBe(depth.grants);
      deep.set(tenantId, (deep.get(tenantId) ?? 0) + (depth.grants ? 1 : 0));
    }
    expect(made.verified).toHaveLength(300);
    expect([...deep.values()]).toEqual(Array.from({ length: 60 }, () => 1));
  });

  test("has no more keys in hand at once than 16", async () => {
    const { made, clock } = await listed(60);
    let atOnce = 0;
    let most = 0;
    const ports = made.workerPorts();
    const verifyKey: typeof ports.verifyKey = async (...args) => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      await new Promise((resolve) => setImmediate(resolve));
      atOnce -= 1;
      return ports.verifyKey(...args);
    };
    await workShard({ ...ports, verifyKey }, longRun(clock), { kind: "shard", sweepId: "sweep-1", shard: 0 });
    expect(most).toBe(16);
  });
});
