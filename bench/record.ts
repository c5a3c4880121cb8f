/** Keeps what a benchmark measured, with when and on what, and writes the table of all that was kept. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem, type } from "node:os";
import { join } from "node:path";
import type { Benchmark, BenchmarkResult } from "./benchmark.ts";
import { type Comparison, targetText } from "./comparison.ts";
import type { Spread } from "./rounds.ts";

const RESULTS_DIR = join(import.meta.dirname, "results");

export interface Machine {
  readonly cpuModel: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly nodeVersion: string;
  /** Waiting and running processes over the minute before: a busy machine shows here. */
  readonly loadBefore: number;
}

interface BenchmarkRecord extends BenchmarkResult {
  readonly name: string;
  readonly title: string;
  readonly measuredAt: string;
  /** `+changes` where the work tree held more than that commit. */
  readonly gitCommit: string;
  readonly machine: Machine;
}

export function machine(): Machine {
  const processors = cpus();
  return {
    cpuModel: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    nodeVersion: process.version,
    loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

function gitCommit(): string {
  const git = (...args: readonly string[]) =>
    execFileSync("git", args, { cwd: import.meta.dirname, encoding: "utf8" }).trim();
  try {
    // The results themselves are written before they are committed.
    const changes = git("status", "--porcelain", "--", ":/", ":(exclude)results");
    return git("rev-parse", "--short", "HEAD") + (changes === "" ? "" : "+changes");
  } catch {
    return "unknown";
  }
}

/** @returns the file's path; one of the same benchmark and day is replaced */
export function keepRecord(benchmark: Benchmark, result: BenchmarkResult, on: Machine): string {
  const { name, title } = benchmark;
  const measuredAt = new Date().toISOString();
  const record: BenchmarkRecord = { name, title, measuredAt, gitCommit: gitCommit(), machine: on, ...result };
  const path = join(RESULTS_DIR, `${measuredAt.slice(0, 10)}-${name}.json`);
  writeFileSync(path, `${JSON.stringify(record, undefined, 2)}\n`);
  return path;
}

/** Writes results/README.md anew from every record that is there, the newest first. */
export function writeResultsTable(): void {
  const records = readdirSync(RESULTS_DIR)
    .filter((file) => file.endsWith(".json"))
    .map((file) => JSON.parse(readFileSync(join(RESULTS_DIR, file), "utf8")) as BenchmarkRecord)
    .toSorted((a, b) => b.measuredAt.localeCompare(a.measuredAt));
  const lines = [
    "# Benchmark results",
    "",
    "Written by `npm run bench` from the JSON files beside it. What each figure means: [../README.md](../README.md).",
    "A figure is the median of its rounds, with the lowest and the highest in brackets.",
    ...records.flatMap(section),
  ];
  writeFileSync(join(RESULTS_DIR, "README.md"), `${lines.join("\n")}\n`);
}

function section(record: BenchmarkRecord): readonly string[] {
  const { cpuModel, cores, memoryGiB, system, nodeVersion, loadBefore } = record.machine;
  return [
    "",
    `## ${record.measuredAt.slice(0, 10)} ${record.name}: ${record.title}`,
    "",
    `${cores} cores (${cpuModel}), ${memoryGiB} GiB, ${system}, Node ${nodeVersion}, load before ${loadBefore}, commit ${record.gitCommit}.`,
    "",
    "| what | unit | tenantkeys | naive or bare | ratio | target | met |",
    "| --- | --- | --- | --- | --- | --- | --- |",
    ...record.comparisons.map((comparison) => `| ${cells(comparison).join(" | ")} |`),
  ];
}

/** Name, unit, product, baseline, ratio, target, met. */
export function cells(comparison: Comparison): readonly string[] {
  const { name, unit, product, baseline, ratio, target, met } = comparison;
  return [name, unit, text(product), text(baseline), `${text(ratio)}`, targetText(target), metText(met)];
}

function metText(met: boolean | undefined): string {
  if (met === undefined) return "";
  return met ? "yes" : "**no**";
}

function text({ median, min, max }: Spread): string {
  return min === max ? short(median) : `${short(median)} (${short(min)} to ${short(max)})`;
}

/** Three digits that count. */
function short(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}
