/** `npm run bench`: measures the product beside what one would do without it, and keeps the figures. */
import { parseArgs } from "node:util";
import { adapters } from "./adapters.ts";
import type { Benchmark, BenchmarkResult } from "./benchmark.ts";
import { bundle } from "./bundle.ts";
import { calls } from "./calls.ts";
import { client } from "./client.ts";
import { cells, keepRecord, machine, writeResultsTable } from "./record.ts";
import { sweep } from "./sweep.ts";
import { throughput } from "./throughput.ts";

const BENCHMARKS: readonly Benchmark[] = [calls, bundle, adapters, throughput, sweep, client];

const USAGE = `npm run bench -- [--only NAME]... [--quick]

Measures on this machine, side by side in one run, and writes bench/results/DATE-NAME.json and the table
bench/results/README.md. Every figure that is judged is a ratio or a count, so it means the same elsewhere;
run it on a machine that does nothing else. All of it takes about 9 minutes.

${BENCHMARKS.map(({ name, title }) => `  ${name.padEnd(12)}${title}`).join("\n")}

  --only NAME   only this one; may be given more than once
  --quick       one short round of each, to see that it runs; nothing is written
  --help        this text

Examples
  npm run bench
  npm run bench -- --only adapters --only calls
  npm run bench -- --quick

Exit codes: 0 measured (a target that was missed says so), 1 a benchmark failed, 64 usage.
`;

interface Options {
  readonly benchmarks: readonly Benchmark[];
  readonly quick: boolean;
}

async function main({ benchmarks, quick }: Options): Promise<void> {
  for (const benchmark of benchmarks) {
    console.log(`\n${benchmark.title}`);
    const on = machine();
    const result = await benchmark.run({ quick, onProgress: showProgress });
    endProgress();
    show(result);
    if (quick) continue;
    console.log(`  kept in ${keepRecord(benchmark, result, on)}`);
    writeResultsTable();
  }
}

function show(result: BenchmarkResult): void {
  for (const comparison of result.comparisons) {
    const [name, unit, product, baseline, ratio, target] = cells(comparison);
    const verdict = comparison.met === undefined ? "" : `, target ${target} ${comparison.met ? "met" : "MISSED"}`;
    console.log(`  ${name}\n    ${product} against ${baseline} ${unit}: ${ratio}x${verdict}`);
  }
}

function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K  ${text}`);
}

function endProgress(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
}

/** @returns an exit code where there is nothing to run */
function readOptions(): Options | number {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: "string", multiple: true },
        quick: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      return 0;
    }
    return { benchmarks: chosen(values.only), quick: values.quick };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 64;
  }
}

function chosen(names: readonly string[] | undefined): readonly Benchmark[] {
  if (names === undefined) return BENCHMARKS;
  const unknown = names.find((name) => !BENCHMARKS.some((benchmark) => benchmark.name === name));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: there is no such benchmark`);
  return BENCHMARKS.filter(({ name }) => names.includes(name));
}

const options = readOptions();
if (typeof options === "number") process.exitCode = options;
else {
  await main(options).catch((error: unknown) => {
    endProgress();
    console.error(error);
    process.exitCode = 1;
  });
}
