/**
 * A model of AWS's request quotas in simulated time. A call is over the limit where as many calls as half the published
 * quota were begun within the second before it: a sliding window, which is stricter than AWS's own token buckets.
 */
import { REQUEST_QUOTAS } from "@tenantkeys/core";
import type { VirtualClock } from "./virtual-clock.ts";

/** Of each published quota: verification may use no more. */
const LIMIT_SHARE = 0.5;

interface Operation {
  calls: number;
  over: number;
  peakPerSecond: number;
  /** Times of the last calls, oldest first from `next` on. */
  readonly recentMs: number[];
  readonly perSecond: number | undefined;
  readonly kind: "published" | "assumed" | "none";
}

export interface OperationUse {
  readonly operation: string;
  readonly calls: number;
  /** Most calls begun within any second. */
  readonly peakPerSecond: number;
  /** AWS's number where it publishes one. */
  readonly quotaPerSecond: number | undefined;
  readonly kind: "published" | "assumed" | "none";
  readonly over: number;
}

export class QuotaModel {
  readonly #operations = new Map<string, Operation>();
  readonly #clock: VirtualClock;
  #random = 1;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  /** One call: counted when it begins, and answered after about `latencyMs`, between half and double of it. */
  async call(operation: string, latencyMs: number): Promise<void> {
    const known = this.#operations.get(operation) ?? newOperation(operation);
    this.#operations.set(operation, known);
    const nowMs = this.#clock.nowMs();
    known.calls += 1;
    const { recentMs } = known;
    while (recentMs.length > 0 && (recentMs[0] as number) <= nowMs - 1_000) recentMs.shift();
    recentMs.push(nowMs);
    known.peakPerSecond = Math.max(known.peakPerSecond, recentMs.length);
    if (known.kind === "published" && recentMs.length > (known.perSecond ?? 0) * LIMIT_SHARE) known.over += 1;
    await this.#clock.sleep(latencyMs * (0.5 + 1.5 * this.#nextRandom() ** 2));
  }

  uses(): readonly OperationUse[] {
    return [...this.#operations]
      .map(([operation, { calls, peakPerSecond, perSecond, kind, over }]) => ({
        operation,
        calls,
        peakPerSecond,
        quotaPerSecond: perSecond,
        kind,
        over,
      }))
      .toSorted((a, b) => a.operation.localeCompare(b.operation));
  }

  /** Lehmer's generator: the same simulation each time. https://en.wikipedia.org/wiki/Lehmer_random_number_generator */
  #nextRandom(): number {
    this.#random = (this.#random * 48_271) % 0x7fffffff;
    return this.#random / 0x7fffffff;
  }
}

function newOperation(operation: string): Operation {
  const quota = REQUEST_QUOTAS.get(operation);
  return {
    calls: 0,
    over: 0,
    peakPerSecond: 0,
    recentMs: [],
    perSecond: quota?.perSecond,
    kind: quota?.kind ?? "none",
  };
}
