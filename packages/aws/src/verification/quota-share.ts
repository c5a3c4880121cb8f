/** Keeps verification to its share of the request quotas: one limiter per operation, for one worker of several. */
import { type MeteredOperation, REQUEST_QUOTAS, ratePerSecond, TenantKeysError } from "@tenantkeys/core";
import { createRateLimiter, type RateLimiter } from "../rate-limiter.ts";
import type { QuotaShare } from "./ports.ts";

/**
 * KMS counts per Region; turns are counted for all Regions together, which errs on the careful side.
 * @param share of each published quota (`sweepQuotaShare`)
 * @param workers how many of these run at once at most, each with a share of its own (`verifyConcurrency`)
 * @param assumedAmong among how many the quotas are divided that AWS doesn't publish
 */
export function createQuotaShare(share: number, workers: number, assumedAmong = workers): QuotaShare {
  const limiters = new Map<string, RateLimiter>();
  return {
    async takeTurn(run, operation) {
      const kind = REQUEST_QUOTAS.get(operation)?.kind;
      if (kind === undefined) {
        throw new TenantKeysError("aws_unexpected", `${operation}: no quota is known of it, so no turn can be given`);
      }
      const among = kind === "assumed" ? assumedAmong : workers;
      const limiter =
        limiters.get(operation) ?? createRateLimiter(ratePerSecond(operation as MeteredOperation, share, among));
      limiters.set(operation, limiter);
      await limiter.takeTurn(run, operation);
    },
  };
}
