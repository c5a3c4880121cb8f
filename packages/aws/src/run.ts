/** One worker's run on one key: until when it may call AWS, and how it waits. */
import { TenantKeysError } from "@tenantkeys/core";

export interface Clock {
  nowMs(): number;
  sleep(durationMs: number): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (durationMs) => new Promise((resolve) => setTimeout(resolve, durationMs)),
};

export interface Run {
  readonly clock: Clock;
  /** No call is started after this (epoch milliseconds). */
  readonly deadlineMs: number;
  /** Ends every call still under way a moment after the deadline, so that none outlives the lease. */
  readonly signal: AbortSignal;
}

/**
 * @param durationMs from now until no further action may start
 * @param closingMs what is left after that for calls under way and for writing down how the run ended
 */
export function startRun(clock: Clock, durationMs: number, closingMs: number): Run {
  const deadlineMs = clock.nowMs() + durationMs;
  return { clock, deadlineMs, signal: AbortSignal.timeout(Math.max(1, Math.floor(durationMs + closingMs))) };
}

/** @throws TenantKeysError `deadline_near` */
export function checkDeadline(run: Run, step: string): void {
  if (run.clock.nowMs() >= run.deadlineMs) {
    throw new TenantKeysError("deadline_near", `${step}: the worker's time is spent, so it wasn't started`, { step });
  }
}

const DELAY_FIRST_MS = 250;
const DELAY_MAX_MS = 5_000;

/**
 * Calls again while AWS can't see yet what was just made, doubling the delay from 0.25 s to 5 s.
 * @param budgetMs how long in all; KMS usually sees a new role within 10 s, sometimes not for more than a minute
 */
export async function untilVisible<T>(
  run: Run,
  budgetMs: number,
  isInvisible: (error: unknown) => boolean,
  call: () => Promise<T>,
): Promise<T> {
  const giveUpMs = Math.min(run.clock.nowMs() + budgetMs, run.deadlineMs);
  for (let delayMs = DELAY_FIRST_MS; ; delayMs = Math.min(delayMs * 2, DELAY_MAX_MS)) {
    try {
      return await call();
    } catch (error) {
      if (!isInvisible(error) || run.clock.nowMs() + delayMs >= giveUpMs) throw error;
      await run.clock.sleep(delayMs);
    }
  }
}
