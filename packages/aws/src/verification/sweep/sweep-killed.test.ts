/** A sweep is stopped at each of its writes, by turns of the schedule and workers, and always ends complete. */
import { verificationMessage } from "@tenantkeys/core";
import { expect, test } from "vitest";
import { FakeClock } from "../../test-support.ts";
import { workVerificationMessage } from "../verification-worker.ts";
import { sweepTick } from "./sweep-tick.ts";
import { Killed, killingAt, LEASE_DURATION_MS, longRun, SweepWorld, tenantKey } from "./sweep-world.test-support.ts";

const TENANTS = 205;
/** A turn of the schedule. */
const TICK_MS = 300_000;
const ROUNDS_MAX = 40;

function world(): SweepWorld {
  const made = new SweepWorld();
  for (let index = 0; index < TENANTS; index++) made.add(tenantKey(`tenant-${index}`));
  return made;
}

/** Turns of the schedule, and a worker for each message, until the sweep is closed. A message whose worker died comes again. */
async function runUntilClosed(made: SweepWorld, clock: FakeClock): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX && made.held.current?.phase !== "closed"; round++) {
    await sweepTick(made.sweepPorts(), longRun(clock)).catch(unlessKilled);
    for (const body of made.queue.splice(0)) {
      const delivery = { messageId: "m", body, receiptHandle: "r", receiveCount: 1, queueUrl: undefined };
      const outcome = await workVerificationMessage(made.workerPorts(), longRun(clock), delivery);
      if (outcome.kind !== "done") made.queue.push(body);
    }
    clock.advance(TICK_MS);
  }
}

function unlessKilled(error: unknown): void {
  if (!(error instanceof Killed) && !((error as Error).cause instanceof Killed)) throw error;
}

/** What is stopped is one process: whoever comes after it isn't. */
async function runKilled(write: number, when: "before" | "after") {
  const made = world();
  const clock = new FakeClock();
  const killing = killingAt(write, when);
  made.around = killing.around;
  await sweepTick(made.sweepPorts(), longRun(clock)).catch(unlessKilled);
  const body = made.queue.shift() ?? verificationMessage({ kind: "shard", sweepId: "sweep-1", shard: 0 });
  for (const one of [body, ...made.queue.splice(0)]) {
    const delivery = { messageId: "m", body: one, receiptHandle: "r", receiveCount: 1, queueUrl: undefined };
    const outcome = await workVerificationMessage(made.workerPorts(), longRun(clock), delivery);
    if (outcome.kind !== "done") made.queue.push(one);
  }
  const { isDead } = killing;
  const died = isDead();
  made.around = async (_name, effect) => effect();
  clock.advance(TICK_MS);
  await runUntilClosed(made, clock);
  return { made, died };
}

const CLEAN_WRITES = (() => {
  // begin, the shards, the lists' findings, listed, one call of the queue, sent; each shard; the end's findings, metrics, close, repair.
  const shards = Math.ceil(TENANTS / 200);
  return 1 + shards + 1 + 1 + 1 + 1 + shards + 4;
})();

test("a sweep that nobody stops takes the writes that the others are stopped at", async () => {
  const made = world();
  const counting = killingAt(Number.POSITIVE_INFINITY, "before");
  made.around = counting.around;
  await runUntilClosed(made, new FakeClock());
  expect(counting.writes()).toBe(CLEAN_WRITES);
});

const cases = Array.from({ length: CLEAN_WRITES }, (_, index) => index + 1).flatMap((write) =>
  (["before", "after"] as const).map((when) => [when, write] as const),
);

test.each(cases)("stopped %s write %i it goes on and ends complete", async (when, write) => {
  const { made, died } = await runKilled(write, when);
  expect(died).toBe(true);
  expect(made.held.current).toMatchObject({
    phase: "closed",
    shardsLost: 0,
    tenantKeys: TENANTS,
    tenantKeysVerified: TENANTS,
    tenantsVerified: TENANTS,
  });
  expect(new Set(made.verified.map(({ tenantId }) => tenantId)).size).toBe(TENANTS);
  expect(made.held.ended).toHaveLength(1);
  expect(made.metrics.length).toBeGreaterThanOrEqual(1);
});

test("a lister that comes back after its lease changes nothing any more", async () => {
  const made = world();
  const clock = new FakeClock();
  const stuck = new Promise<void>((resolve) => {
    let calls = 0;
    made.around = async (name, effect) => {
      if (name === "putShard" && ++calls === 1) {
        clock.advance(LEASE_DURATION_MS + 1);
        await sweepTick(made.sweepPorts(), longRun(clock));
        resolve();
      }
      return effect();
    };
  });
  await expect(sweepTick(made.sweepPorts(), longRun(clock))).rejects.toMatchObject({ code: "lease_lost" });
  await stuck;
  expect(made.held.current).toMatchObject({ phase: "checking", fence: 2, shards: 2, tenantKeys: TENANTS });
  await runUntilClosed(made, clock);
  expect(made.held.current).toMatchObject({ phase: "closed", tenantKeysVerified: TENANTS, shardsLost: 0 });
});
