/** What each benchmark is to bench/run.ts. */
import type { Comparison } from "./comparison.ts";

export interface BenchmarkOptions {
  /** Fewer tenants and one round: to see that it runs, not to be recorded. */
  readonly quick: boolean;
  readonly onProgress: (text: string) => void;
}

export interface BenchmarkResult {
  readonly comparisons: readonly Comparison[];
  /** How it was measured: numbers of tenants, rounds, settings. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** What else it learned, for the record. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface Benchmark {
  readonly name: string;
  readonly title: string;
  run(options: BenchmarkOptions): Promise<BenchmarkResult>;
}
