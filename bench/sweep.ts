/** A simulated sweep of 100,000 tenant keys, beside the KMS calls that Prowler's five KMS checks need for the same keys. */
import { listerMemory } from "../test/support/lister-memory.ts";
import type { OperationUse } from "../test/support/quota-model.ts";
import { simulateProwler } from "../test/support/simulate-prowler.ts";
import { LAMBDA_MEMORY_MIB, simulateSweep } from "../test/support/simulate-sweep.ts";
import type { Benchmark, BenchmarkResult } from "./benchmark.ts";
import { compare } from "./comparison.ts";

const TENANTS = 5_000;
const KEYS_EACH = 20;
const SECONDS_MAX = 900;
const QUOTA_SHARE_MAX = 0.5;

export const sweep: Benchmark = {
  name: "sweep",
  title: "A sweep of 100,000 tenant keys in simulated time, beside the KMS calls of Prowler's five KMS checks",
  async run({ quick, onProgress }): Promise<BenchmarkResult> {
    const tenants = quick ? TENANTS / 50 : TENANTS;
    const keys = tenants * KEYS_EACH;
    onProgress(`a sweep of ${keys} tenant keys`);
    const ours = await simulateSweep({ tenants, keysEach: KEYS_EACH });
    onProgress(`Prowler's calls for ${keys} keys`);
    const theirs = await simulateProwler(keys);
    onProgress("the lister's memory");
    const memory = listerMemory();
    const perKey = (uses: readonly OperationUse[]) => callsPerKey(uses, keys);
    const kms = (uses: readonly OperationUse[]) => sum(uses.filter(isKms).map(({ calls }) => calls / keys));
    const peak = (uses: readonly OperationUse[]) => Math.max(...uses.filter(isPublished).map(shareOfQuota));
    return {
      comparisons: [
        compare("until all keys are verified", "simulated s", [ours.seconds], [theirs.seconds], {
          atMost: SECONDS_MAX,
          of: "product",
        }),
        compare("KMS calls per key", "calls", [kms(ours.uses)], [kms(theirs.uses)]),
        compare("most of any published quota within a second", "share", [peak(ours.uses)], [peak(theirs.uses)], {
          atMost: QUOTA_SHARE_MAX,
          of: "product",
        }),
        compare(
          "resident memory of listing 100,000 keys, beside the function's",
          "MiB",
          [memory.residentPeakMiB],
          [LAMBDA_MEMORY_MIB],
          { atMost: 1 },
        ),
      ],
      settings: { tenants, keysEach: KEYS_EACH, functions: ours.functions, simulated: true },
      details: {
        callsPerKey: { product: perKey(ours.uses), prowler: perKey(theirs.uses) },
        peaksPerSecond: Object.fromEntries(ours.uses.map(({ operation, peakPerSecond }) => [operation, peakPerSecond])),
        sweep: ours.sweep,
        listingSeconds: ours.listingSeconds,
        memory,
      },
    };
  },
};

/** Reads of AWS that a request quota is on, in alphabetical order. */
function callsPerKey(uses: readonly OperationUse[], keys: number): Readonly<Record<string, number>> {
  const metered = uses.filter(({ kind }) => kind !== "none");
  return Object.fromEntries(metered.map(({ operation, calls }) => [operation, Number((calls / keys).toFixed(5))]));
}

function isKms({ operation }: OperationUse): boolean {
  return operation.startsWith("kms:");
}

function isPublished({ kind }: OperationUse): boolean {
  return kind === "published";
}

function shareOfQuota({ peakPerSecond, quotaPerSecond = Number.NaN }: OperationUse): number {
  return peakPerSecond / quotaPerSecond;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
