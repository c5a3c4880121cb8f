/** A token bucket of one: at most `ratePerSecond` turns a second, handed out in order. */
import { TenantKeysError } from "@tenantkeys/core";
import type { Run } from "./run.ts";

export interface RateLimiter {
  /** @throws TenantKeysError `rate_limited` where the turn would come after the run's deadline; nothing was spent then */
  takeTurn(run: Run, step: string): Promise<void>;
}

export function createRateLimiter(ratePerSecond: number): RateLimiter {
  const intervalMs = 1000 / ratePerSecond;
  let nextTurnMs = 0;
  return {
    async takeTurn(run, step) {
      const nowMs = run.clock.nowMs();
      const turnMs = Math.max(nowMs, nextTurnMs);
      if (turnMs >= run.deadlineMs) {
        const message = `${step}: its turn under ${ratePerSecond} a second comes in ${turnMs - nowMs} ms, after this worker's time`;
        throw new TenantKeysError("rate_limited", message, { step });
      }
      nextTurnMs = turnMs + intervalMs;
      if (turnMs > nowMs) await run.clock.sleep(turnMs - nowMs);
    },
  };
}
