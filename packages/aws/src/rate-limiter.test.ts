import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRateLimiter } from "./rate-limiter.ts";
import type { Clock } from "./run.ts";
import { FakeClock, runOn, START_MS } from "./test-support.ts";

/** A clock that stands still, so that callers come at one moment; it notes until when each was sent to sleep. */
class StandingClock implements Clock {
  now = START_MS;
  turnMs = START_MS;
  nowMs = () => this.now;
  sleep = async (durationMs: number) => {
    this.turnMs = this.now + durationMs;
  };
}

/** The moments of the turns that callers get who come one after the other, each so long after the one before. */
async function turnsOf(ratePerSecond: number, gapsMs: readonly number[]): Promise<number[]> {
  const clock = new StandingClock();
  const limiter = createRateLimiter(ratePerSecond);
  const turns: number[] = [];
  for (const gapMs of gapsMs) {
    clock.now += gapMs;
    clock.turnMs = clock.now;
    await limiter.takeTurn(runOn(clock, 1e9), "kms:CreateKey");
    turns.push(clock.turnMs);
  }
  return turns;
}

describe("a rate limiter", () => {
  test.each([
    [1, 4],
    [5, 11],
    [0.1, 3],
    [1000, 50],
  ])("of %d a second gives %i turns in (N - 1) / rate seconds, the first at once", async (rate, count) => {
    const turns = await turnsOf(rate, new Array(count).fill(0));
    expect(turns[0]).toBe(START_MS);
    expect((turns.at(-1) ?? 0) - START_MS).toBeCloseTo(((count - 1) / rate) * 1000, 3);
    expect(turns).toEqual(turns.toSorted((a, b) => a - b));
  });

  test("gives turns in the order in which they were asked for", async () => {
    const clock = new FakeClock();
    const limiter = createRateLimiter(5);
    const order: number[] = [];
    const take = async (caller: number) => {
      await limiter.takeTurn(runOn(clock), "kms:CreateKey");
      order.push(caller);
    };
    await Promise.all([take(1), take(2), take(3), take(4)]);
    expect(order).toEqual([1, 2, 3, 4]);
  });

  test("keeps no turns for later: after a pause the spacing is as before", async () => {
    const turns = await turnsOf(10, [0, 60_000, 0, 0]);
    expect(turns.map((turn) => Math.round(turn - START_MS))).toEqual([0, 60_000, 60_100, 60_200]);
  });

  test("refuses a turn after the deadline, and spends none by it", async () => {
    const clock = new StandingClock();
    const limiter = createRateLimiter(1);
    await limiter.takeTurn(runOn(clock, 1_000), "kms:CreateKey");
    for (let refused = 0; refused < 3; refused++) {
      await expect(limiter.takeTurn(runOn(clock, 1_000), "kms:CreateKey")).rejects.toMatchObject({
        code: "rate_limited",
        retryable: true,
        details: { step: "kms:CreateKey" },
      });
    }
    await limiter.takeTurn(runOn(clock, 1_001), "kms:CreateKey");
    expect(clock.turnMs - START_MS).toBe(1_000);
  });

  test("refuses a worker whose time is spent already, although a turn is free", async () => {
    const limiter = createRateLimiter(1);
    await expect(limiter.takeTurn(runOn(new FakeClock(), 0), "kms:CreateKey")).rejects.toMatchObject({
      code: "rate_limited",
    });
  });

  test("never gives more than ceil(rate) + 1 turns in any second", async () => {
    const rates = fc.double({ min: 0.1, max: 50, noNaN: true });
    const gaps = fc.array(fc.oneof(fc.constant(0), fc.nat(2_000)), { minLength: 1, maxLength: 80 });
    await fc.assert(
      fc.asyncProperty(rates, gaps, async (rate, gapsMs) => {
        const turns = await turnsOf(rate, gapsMs);
        for (const start of turns) {
          const within = turns.filter((turn) => turn >= start && turn < start + 1_000);
          expect(within.length).toBeLessThanOrEqual(Math.ceil(rate) + 1);
        }
      }),
    );
  });
});
