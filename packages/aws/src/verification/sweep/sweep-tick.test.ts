import { parseVerificationMessage, type StoredFinding } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { awsError, FakeClock, START_MS } from "../../test-support.ts";
import { decodeShard } from "./shard-content.ts";
import { workShard } from "./shard-worker.ts";
import { sweepTick } from "./sweep-tick.ts";
import { LEASE_DURATION_MS, longRun, SweepWorld, tenantKey } from "./sweep-world.test-support.ts";

const MINUTE_MS = 60_000;
/** Waited before what is open is counted. */
const INDEX_LAG_MS = 2_000;
const HOUR_MS = 60 * MINUTE_MS;

function world(tenants: number): SweepWorld {
  const made = new SweepWorld();
  for (let index = 0; index < tenants; index++) made.add(tenantKey(`tenant-${index}`));
  return made;
}

const tick = (made: SweepWorld, clock: FakeClock) => sweepTick(made.sweepPorts(), longRun(clock));

/** Works off what is on the queue. */
async function work(made: SweepWorld, clock: FakeClock): Promise<void> {
  for (const body of made.queue.splice(0)) {
    await workShard(made.workerPorts(), longRun(clock), parseVerificationMessage(body) as never);
  }
}

describe("a turn of the schedule", () => {
  test("begins the first sweep, and puts every tenant key on the queue in shards", async () => {
    const made = world(450);
    await expect(tick(made, new FakeClock())).resolves.toMatchObject({ did: "listed", shards: 3, overdue: false });
    expect(made.queue).toHaveLength(3);
    const keys = [...made.held.shards.values()].flatMap(({ content }) => decodeShard(content ?? new Uint8Array()));
    expect(new Set(keys.map(({ tenantId }) => tenantId)).size).toBe(450);
    expect(made.held.current).toMatchObject({ phase: "checking", tenantKeys: 450, tenants: 450, rounds: 1 });
  });

  test("begun twice at once does the work once", async () => {
    const made = world(30);
    const clock = new FakeClock();
    const outcomes = await Promise.all([tick(made, clock), tick(made, clock)]);
    expect(outcomes.map(({ did }) => did).toSorted()).toEqual(["listed", "nothing: another was first"]);
    expect(made.queue).toHaveLength(1);
    await work(made, clock);
    expect(made.held.ended).toHaveLength(1);
    expect(made.verified).toHaveLength(30);
  });

  test("begins the next when the interval is over, and not before", async () => {
    const made = world(3);
    const clock = new FakeClock();
    await tick(made, clock);
    await work(made, clock);
    clock.advance(HOUR_MS - 1 - INDEX_LAG_MS);
    await expect(tick(made, clock)).resolves.toMatchObject({ did: "waited" });
    clock.advance(1);
    await expect(tick(made, clock)).resolves.toMatchObject({ did: "listed", sweepId: "sweep-2" });
    expect(made.held.current).toMatchObject({ number: 2, fence: 2, previousSweepId: "sweep-1" });
    expect([...made.held.shards.keys()]).toEqual(["sweep-2/0"]);
  });

  test("ends a stage without tenants at once, with its metrics", async () => {
    const made = new SweepWorld();
    await expect(tick(made, new FakeClock())).resolves.toMatchObject({ did: "listed", shards: 0 });
    expect(made.held.current?.phase).toBe("closed");
    expect(made.metrics).toMatchObject([{ SweepCompleted: 1, TenantsVerified: 0 }]);
  });

  test("leaves a lister alone while its lease lasts, and lists again under a higher fence after that", async () => {
    const made = world(3);
    const clock = new FakeClock();
    made.around = async (name, effect) => {
      if (name === "listed" || name === "giveUp") throw new Error("stopped");
      return effect();
    };
    await expect(tick(made, clock)).rejects.toThrow("stopped");
    made.around = async (_name, effect) => effect();
    clock.advance(LEASE_DURATION_MS - 1);
    await expect(tick(made, clock)).resolves.toMatchObject({ did: "waited" });
    clock.advance(1);
    await expect(tick(made, clock)).resolves.toMatchObject({ did: "listed", sweepId: "sweep-1" });
    expect(made.held.current).toMatchObject({ fence: 2, phase: "checking" });
  });

  test("that fails gives its lease back, so that the next goes on at once", async () => {
    const made = world(3);
    const clock = new FakeClock();
    made.fails = ({ name }) => (name === "SendMessageBatch" ? awsError("ServiceUnavailable", 503) : undefined);
    await expect(tick(made, clock)).rejects.toMatchObject({ code: "aws_unavailable" });
    made.fails = () => undefined;
    await expect(tick(made, clock)).resolves.toMatchObject({ did: "sent again", shardsSentAgain: 1 });
    expect(made.queue).toHaveLength(1);
  });

  test("sends a shard again that doesn't come back, three times in all, and then counts it as lost", async () => {
    const made = world(250);
    const clock = new FakeClock();
    await tick(made, clock);
    const [first = ""] = made.queue.splice(0);
    await workShard(made.workerPorts(), longRun(clock), parseVerificationMessage(first) as never);
    clock.advance(5 * MINUTE_MS);
    await expect(tick(made, clock)).resolves.toMatchObject({ shardsSentAgain: 0 });
    for (const sent of [1, 1]) {
      clock.advance(6 * MINUTE_MS);
      await expect(tick(made, clock)).resolves.toMatchObject({ shardsSentAgain: sent, shardsLost: 0 });
      await expect(tick(made, clock)).resolves.toMatchObject({ shardsSentAgain: 0, shardsLost: 0 });
    }
    clock.advance(6 * MINUTE_MS);
    await expect(tick(made, clock)).resolves.toMatchObject({ shardsSentAgain: 0, shardsLost: 1 });
    expect(made.queue).toHaveLength(2);
    expect(made.held.current).toMatchObject({ phase: "closed", shardsDone: 1, shardsLost: 1, tenantKeysVerified: 200 });
  });

  test("that loses a shard ends the sweep with a finding, which the next whole sweep closes", async () => {
    const made = world(3);
    const clock = new FakeClock();
    await tick(made, clock);
    for (let send = 1; send <= 3; send++) {
      clock.advance(6 * MINUTE_MS);
      await tick(made, clock);
    }
    const ofTheSweep = () => made.recorded.filter(({ scope }) => scope.judged?.includes("sweep-incomplete"));
    expect(ofTheSweep().at(-1)?.findings).toMatchObject([
      { ruleId: "sweep-incomplete", seen: "sweep sweep-1 lost 1 shards and verified 0 tenant keys" },
    ]);
    // The index of what is open doesn't show it yet.
    expect(made.metrics.at(-1)).toMatchObject({ CouldNotVerify: 1, FindingsHigh: 1 });
    clock.advance(HOUR_MS);
    made.queue.splice(0);
    await tick(made, clock);
    await work(made, clock);
    expect(ofTheSweep().at(-1)).toMatchObject({
      scope: { tenantId: undefined, judged: ["sweep-incomplete", "sweep-overdue"], unjudged: [] },
      findings: [],
    });
  });

  test("closes a sweep whose last worker was stopped before it could", async () => {
    const made = world(3);
    const clock = new FakeClock();
    await tick(made, clock);
    made.around = async (name, effect) => {
      if (name === "close") throw new Error("stopped");
      return effect();
    };
    await expect(work(made, clock)).rejects.toThrow("stopped");
    made.around = async (_name, effect) => effect();
    await expect(tick(made, clock)).resolves.toMatchObject({ did: "closed", sweepId: "sweep-1" });
  });

  test("reports a sweep that goes on when it should have ended", async () => {
    const made = world(3);
    const clock = new FakeClock();
    await tick(made, clock);
    clock.advance(HOUR_MS + 1);
    await expect(tick(made, clock)).resolves.toMatchObject({ overdue: true });
    expect(made.recorded.at(-1)).toMatchObject({
      scope: { tenantId: undefined, judged: ["sweep-overdue"] },
      findings: [{ ruleId: "sweep-overdue", resource: "sweep" }],
    });
  });

  test("reports that the schedule was silent, and closes that when the sweep ends", async () => {
    const made = world(3);
    const clock = new FakeClock();
    await tick(made, clock);
    await work(made, clock);
    clock.advance(2 * HOUR_MS + 1);
    made.recorded.splice(0);
    await tick(made, clock);
    expect(made.recorded[0]?.findings).toMatchObject([{ ruleId: "sweep-overdue" }]);
    await work(made, clock);
    expect(made.recorded.at(-1)).toMatchObject({
      scope: { judged: ["sweep-incomplete", "sweep-overdue"] },
      findings: [],
    });
  });

  test("closes findings of unusual use that were quiet for a day, as no look at a key can", async () => {
    const made = world(1);
    const clock = new FakeClock();
    const { tenantId } = tenantKey("tenant-0");
    const seen = (lastSeenAtMs: number, keyName: string) =>
      ({ ruleId: "unusual-use", severity: "high", tenantId, keyName, lastSeenAtMs }) as StoredFinding;
    made.open.push(seen(START_MS - 25 * HOUR_MS, "quiet"), seen(START_MS - 23 * HOUR_MS, "lively"));
    await tick(made, clock);
    await work(made, clock);
    const judged = made.recorded.filter(({ scope }) => scope.judged?.includes("unusual-use"));
    expect(judged).toMatchObject([{ scope: { tenantId: "tenant-0", keyName: "quiet" }, findings: [] }]);
  });

  test("puts the open findings by severity into the metrics and the record", async () => {
    const made = world(3);
    const clock = new FakeClock();
    const ids = ["rotation-overdue", "key-pending-deletion-unintended", "could-not-verify", "orphan-alias"] as const;
    const severities = ["high", "critical", "high", "low"] as const;
    ids.forEach((ruleId, index) => {
      made.open.push({ ruleId, severity: severities[index] } as StoredFinding);
    });
    await tick(made, clock);
    clock.advance(90_000);
    await work(made, clock);
    expect(made.metrics).toEqual([
      {
        FindingsInformation: 0,
        FindingsLow: 1,
        FindingsMedium: 0,
        FindingsHigh: 2,
        FindingsCritical: 1,
        UnintendedDeletions: 1,
        OverdueRotations: 1,
        CouldNotVerify: 1,
        ReadsDenied: 0,
        SweepCompleted: 1,
        SweepSeconds: 92,
        TenantsVerified: 3,
      },
    ]);
    expect(made.held.ended).toMatchObject([
      {
        startedAtMs: START_MS,
        endedAtMs: START_MS + 90_000 + INDEX_LAG_MS,
        findings: { low: 1, high: 2, critical: 1 },
      },
    ]);
  });
});
