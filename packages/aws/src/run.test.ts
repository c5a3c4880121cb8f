import { once } from "node:events";
import { afterEach, describe, expect, test, vi } from "vitest";
import { checkDeadline, startRun, systemClock, untilVisible } from "./run.ts";
import { FakeClock, runOn, START_MS } from "./test-support.ts";

afterEach(() => vi.restoreAllMocks());

const INVISIBLE = new Error("not there yet");
const isInvisible = (error: unknown) => error === INVISIBLE;
const never = async () => {
  throw INVISIBLE;
};

describe("untilVisible", () => {
  test("gives the first answer without waiting", async () => {
    const clock = new FakeClock();
    await expect(untilVisible(runOn(clock), 30_000, isInvisible, async () => "seen")).resolves.toBe("seen");
    expect(clock.sleptMs).toEqual([]);
  });

  test("doubles its delay from a quarter of a second to 5 seconds", async () => {
    const clock = new FakeClock();
    const call = vi.fn(never);
    await expect(untilVisible(runOn(clock, 1_000_000), 24_000, isInvisible, call)).rejects.toBe(INVISIBLE);
    expect(clock.sleptMs).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
    expect(call).toHaveBeenCalledTimes(9);
  });

  test("gives the answer of the call that sees it", async () => {
    const clock = new FakeClock();
    const call = vi.fn<() => Promise<string>>().mockRejectedValueOnce(INVISIBLE).mockRejectedValueOnce(INVISIBLE);
    call.mockResolvedValue("seen");
    await expect(untilVisible(runOn(clock), 30_000, isInvisible, call)).resolves.toBe("seen");
    expect(clock.sleptMs).toEqual([250, 500]);
  });

  test.each([0, 250, 251, 1_000, 7_777, 30_000])("never sleeps past a budget of %i ms", async (budgetMs) => {
    const clock = new FakeClock();
    await expect(untilVisible(runOn(clock, 1_000_000), budgetMs, isInvisible, never)).rejects.toBe(INVISIBLE);
    expect(clock.nowMs() - START_MS).toBeLessThanOrEqual(budgetMs);
    // It uses its budget: one more delay wouldn't have fitted.
    const next = Math.min(250 * 2 ** clock.sleptMs.length, 5_000);
    expect(clock.nowMs() - START_MS + next).toBeGreaterThanOrEqual(budgetMs);
  });

  test("never sleeps past the run's deadline, however large the budget", async () => {
    const clock = new FakeClock();
    await expect(untilVisible(runOn(clock, 2_000), 600_000, isInvisible, never)).rejects.toBe(INVISIBLE);
    expect(clock.sleptMs).toEqual([250, 500, 1000]);
  });

  test("counts the time that the calls take", async () => {
    const clock = new FakeClock();
    const slow = async () => {
      clock.advance(900);
      throw INVISIBLE;
    };
    await expect(untilVisible(runOn(clock), 2_000, isInvisible, slow)).rejects.toBe(INVISIBLE);
    expect(clock.sleptMs).toEqual([250]);
  });

  test("throws every other error at once", async () => {
    const clock = new FakeClock();
    const denied = new Error("denied");
    const call = vi.fn().mockRejectedValueOnce(INVISIBLE).mockRejectedValueOnce(denied);
    await expect(untilVisible(runOn(clock), 30_000, isInvisible, call)).rejects.toBe(denied);
    expect(clock.sleptMs).toEqual([250]);
    expect(call).toHaveBeenCalledTimes(2);
  });
});

describe("checkDeadline", () => {
  test("lets a call start until the deadline and refuses it from there on, naming the step", () => {
    const clock = new FakeClock();
    const run = runOn(clock, 1_000);
    clock.advance(999);
    expect(() => checkDeadline(run, "kms:CreateKey")).not.toThrow();
    clock.advance(1);
    expect(() => checkDeadline(run, "kms:CreateKey")).toThrow(
      expect.objectContaining({ code: "deadline_near", retryable: true, details: { step: "kms:CreateKey" } }),
    );
  });
});

describe("startRun", () => {
  test("puts the deadline that far from now, and the end of calls under way the closing time after it", () => {
    const timeout = vi.spyOn(AbortSignal, "timeout");
    const run = startRun(new FakeClock(), 50_000.7, 3_000);
    expect(run.deadlineMs).toBe(START_MS + 50_000.7);
    expect(timeout).toHaveBeenCalledExactlyOnceWith(53_000);
  });

  test("ends calls under way by its signal", async () => {
    const { signal } = startRun(systemClock, 1, 1);
    if (!signal.aborted) await once(signal, "abort");
    expect(signal.reason).toMatchObject({ name: "TimeoutError" });
  });

  test("of a worker without time left starts nothing and ends at once", async () => {
    const run = startRun(systemClock, -5_000, 3_000);
    expect(() => checkDeadline(run, "kms:CreateKey")).toThrow(expect.objectContaining({ code: "deadline_near" }));
    if (!run.signal.aborted) await once(run.signal, "abort");
    expect(run.signal.aborted).toBe(true);
  });
});
