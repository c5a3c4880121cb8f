/**
 * Workers on one tenant, side by side, in any order of their calls, cut off anywhere. A call takes effect at one moment
 * and is answered at a later one; between the two everything else may happen, the worker's death included.
 */
import { ATTEMPTS_MAX, asTenantKeysError } from "@tenantkeys/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type AroundCall, faultsOf, InMemoryAws, LEASE_DURATION_MS, portsOn } from "./in-memory-aws.test-support.ts";
import { provisionTenantKey } from "./provision-tenant-key.ts";
import type { Run } from "./run.ts";
import { ACME, awsError, DEFAULT_KEY, FakeClock, lostReply } from "./test-support.ts";

/** As in the deployed worker: the run's own time, the time to close, and a lease that is longer than both. */
const WORKING_MS = 50_000;
const CLOSING_MS = 3_000;
const DELIVERIES_MAX = 10;

const FAULTS = ["dies before", "dies after", "reply lost", "refused", "broken", "slow"] as const;

interface Fault {
  /** At the worker's n-th call, counted over all its deliveries. */
  readonly call: number;
  readonly kind: (typeof FAULTS)[number];
}

interface WorkerPlan {
  readonly generation: number;
  readonly faults: readonly Fault[];
}

/** Most often among a clean run's nine calls, where what is cut off was never recorded. */
const faultyCalls = fc.oneof({ weight: 3, arbitrary: fc.nat(8) }, { weight: 1, arbitrary: fc.nat(30) });
const workerPlans: fc.Arbitrary<WorkerPlan> = fc.record({
  generation: fc.constantFrom(1, 2),
  faults: fc.array(fc.record({ call: faultyCalls, kind: fc.constantFrom(...FAULTS) }), { maxLength: 3 }),
});

type Ending = "active" | "superseded" | "refused" | "died" | "retry";

class World {
  readonly clock = new FakeClock();
  readonly aws: InMemoryAws;
  readonly codes = new Set<string>();
  readonly #scheduler: fc.Scheduler;
  readonly #ends = new Map<AbortController, number>();

  constructor(scheduler: fc.Scheduler, indexLagMs: number) {
    this.#scheduler = scheduler;
    this.aws = new InMemoryAws(this.clock, indexLagMs);
  }

  startRun(): Run {
    const controller = new AbortController();
    const deadlineMs = this.clock.nowMs() + WORKING_MS;
    this.#ends.set(controller, deadlineMs + CLOSING_MS);
    return { clock: this.clock, deadlineMs, signal: controller.signal };
  }

  /** Time passes for all workers: the runs that it ends are ended, as Lambda and their signals do it. */
  pass(durationMs: number): void {
    this.clock.advance(durationMs);
    for (const [controller, endMs] of this.#ends) if (this.clock.nowMs() >= endMs) controller.abort();
  }

  /** One delivery of the sign-up to a worker. */
  async deliver({ generation, faults }: WorkerPlan, counter: { calls: number }): Promise<Ending> {
    const { promise: death, resolve: die } = Promise.withResolvers<Ending>();
    let dead = false;
    const around: AroundCall = async (_name, signal, effect) => {
      const call = counter.calls++;
      const fault = faults.find((candidate) => candidate.call === call)?.kind;
      const kill = () => {
        dead = true;
        die("died");
      };
      if (fault === "dies before") kill();
      await this.#untilAlive(signal, () => dead);
      if (fault === "refused") throw awsError("ThrottlingException", 400);
      if (fault === "broken") throw awsError("InternalServerError", 500);
      if (fault === "slow") this.pass(WORKING_MS + 1);
      const answer = effect();
      if (fault === "dies after") kill();
      if (fault === "reply lost") throw lostReply();
      await this.#untilAlive(signal, () => dead);
      return answer;
    };
    const declaration = { tenantId: ACME, keyName: DEFAULT_KEY, generation, profile: "default", eventId: "event" };
    const work = provisionTenantKey(portsOn(this.aws, around), this.startRun(), declaration).then(
      ({ kind }): Ending => (kind === "active" || kind === "superseded" ? kind : "refused"),
      (thrown: unknown) => {
        const error = asTenantKeysError(thrown);
        this.codes.add(error.code);
        return error.retryable ? "retry" : "refused";
      },
    );
    return Promise.race([work, death]);
  }

  /** The scheduler's turn. A worker that is dead never comes back from a call, one whose run is over is told so. */
  async #untilAlive(signal: AbortSignal, isDead: () => boolean): Promise<void> {
    await this.#scheduler.schedule(Promise.resolve());
    if (isDead()) await new Promise(() => {});
    if (signal.aborted) throw Object.assign(new Error("Request aborted"), { name: "AbortError" });
  }

  /** A message of the queue: delivered again until its worker is done with it. */
  async work(plan: WorkerPlan): Promise<Ending> {
    const counter = { calls: 0 };
    let ending: Ending = "retry";
    for (let delivery = 0; delivery < DELIVERIES_MAX && (ending === "retry" || ending === "died"); delivery++) {
      ending = await this.deliver(plan, counter);
      // SQS shows the message of a dead worker after six times its time-out, that of a failed one after a delay.
      if (ending === "died") this.pass(6 * 60_000);
      if (ending === "retry") this.pass(5_000);
    }
    return ending;
  }
}

/** Longer than a lease and than the tag index ever lags here. */
const LONG_MS = 20 * LEASE_DURATION_MS;
const plansOf = fc.array(workerPlans, { minLength: 2, maxLength: 3 });
const indexLags = fc.constantFrom(0, 20_000, 1_000_000);

test("any interleaving and any cut-offs end with one enabled key behind the alias, and nothing in use is discarded", async () => {
  let converged = 0;
  let spares = 0;
  let cutOff = 0;
  const codes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), plansOf, indexLags, async (scheduler, plans, indexLagMs) => {
      const world = new World(scheduler, indexLagMs);
      await scheduler.waitFor(Promise.all(plans.map((plan) => world.work(plan))));
      // Whatever happened, every message comes once more when the dust has settled.
      const endings: Ending[] = [];
      for (const { generation } of plans) {
        world.pass(LONG_MS);
        endings.push(await scheduler.waitFor(world.deliver({ generation, faults: [] }, { calls: 0 })));
      }
      const { aws } = world;
      expect(aws.keys.length).toBeLessThanOrEqual(ATTEMPTS_MAX);
      expect(aws.keys.filter((key) => key.everAdmitted && key.state !== "Enabled")).toEqual([]);
      expect(aws.keys.filter((key) => key.everAdmitted).length).toBeLessThanOrEqual(1);
      for (const code of world.codes) codes.add(code);
      if (plans.some((plan) => plan.faults.length > 0)) cutOff++;
      if (endings.includes("refused")) {
        expect(aws.tenantRecord()).toMatchObject({ state: "failed", failure: { code: "attempts_exhausted" } });
        expect(aws.tenantRecord()?.attempts).toHaveLength(ATTEMPTS_MAX);
        return;
      }
      expect(endings.filter((ending) => ending !== "superseded")).not.toContain("retry");
      expect(faultsOf(aws)).toEqual([]);
      expect(aws.tenantRecord()?.generation).toBe(Math.max(...plans.map((plan) => plan.generation)));
      converged++;
      if (aws.keys.length > 1) spares++;
    }),
    { numRuns: 400 },
  );
  // The property says something only where worlds got there.
  expect(converged).toBeGreaterThan(380);
  expect(cutOff).toBeGreaterThan(300);
  expect(spares).toBeGreaterThan(5);
  expect([...codes]).toEqual(expect.arrayContaining(["lease_taken", "aws_unavailable", "throttled", "deadline_near"]));
}, 60_000);
