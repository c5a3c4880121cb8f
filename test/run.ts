/**
 * `npm test`: every check of the project, one after another, and a closing line `N passed, N failed`. A check that fails
 * doesn't stop the others. Some that keep one core each busy run side by side. `npm test -- unit lint` runs only the checks named.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureSstPlatform } from "../packages/local/src/deploy/sst-platform.ts";
import { ensurePythonEnvironment } from "../packages/local/src/emulator/index.ts";

const ROOT = join(import.meta.dirname, "..");
const BIN = join(ROOT, "node_modules/.bin");

interface Result {
  readonly passed: number;
  readonly failed: number;
}

type Check = { readonly name: string; run(reports: string): Promise<Result> };

const CHECKS: readonly Check[] = [
  command("types", "tsc", ["-p", "tsconfig.json"]),
  command("stack-types", "tsc", ["-p", "stacks/tsconfig.json"]),
  command("lint", "biome", ["check", "--error-on-warnings"]),
  command("dead-code", "knip", []),
  vitest("unit"),
  vitest("infra"),
  vitest("sim"),
  vitest("oracle"),
  vitest("emulator"),
  vitest("e2e"),
];
/** Two lanes beside each other, the checks of each in turn: all of them are one busy process, as the local AWS is. */
const LANES: readonly (readonly string[])[] = [["sim", "oracle"], ["emulator"]];

function command(name: string, program: string, args: readonly string[]): Check {
  return {
    name,
    run: async () => ((await succeeds(program, args)) ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }),
  };
}

function vitest(project: string): Check {
  return {
    name: project,
    async run(reports) {
      const report = join(reports, `${project}.json`);
      const args = ["run", "--project", project, "--reporter=dot", "--reporter=json", `--outputFile.json=${report}`];
      const succeeded = await succeeds("vitest", args);
      const { numPassedTests: passed, numFailedTests: failed } = readReport(report);
      // A file that can't be loaded fails the run without a failed test in the count.
      return { passed, failed: succeeded ? failed : Math.max(1, failed) };
    },
  };
}

function readReport(path: string): { readonly numPassedTests: number; readonly numFailedTests: number } {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return { numPassedTests: 0, numFailedTests: 0 };
  }
}

async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  const child = spawn(join(BIN, program), args, { cwd: ROOT, stdio: "inherit" });
  const [status] = await once(child, "exit");
  return status === 0;
}

/** @throws Error naming the checks there are */
function chosen(names: readonly string[]): readonly Check[] {
  const unknown = names.find((name) => !CHECKS.some((check) => check.name === name));
  if (unknown === undefined) return CHECKS.filter((check) => names.length === 0 || names.includes(check.name));
  throw new Error(`no check is named "${unknown}"; there are: ${CHECKS.map((check) => check.name).join(", ")}`);
}

/** One group after another; the lanes of a group run side by side. */
function inTurn(checks: readonly Check[]): readonly (readonly (readonly Check[])[])[] {
  const lanes = LANES.map((names) => checks.filter(({ name }) => names.includes(name)));
  const inLanes = lanes.flat();
  return checks.flatMap((check) => {
    if (!inLanes.includes(check)) return [[[check]]];
    return check === inLanes[0] ? [lanes] : [];
  });
}

async function main(names: readonly string[]): Promise<number> {
  const checks = chosen(names);
  const onProgress = (text: string) => console.log(text);
  // The stacks' types come with SST's platform, and most tests need the local AWS: both are installed once.
  await Promise.all([
    ensureSstPlatform({ projectRoot: ROOT, onProgress }),
    ensurePythonEnvironment({ cacheDir: join(ROOT, ".tenantkeys"), onProgress }),
  ]);
  const reports = mkdtempSync(join(tmpdir(), "tenantkeys-test-"));
  const total = { passed: 0, failed: 0 };
  const lines: string[] = [];
  const runOne = async ({ name, run }: Check) => {
    const startedAtMs = Date.now();
    const { passed, failed } = await run(reports);
    total.passed += passed;
    total.failed += failed;
    const seconds = ((Date.now() - startedAtMs) / 1000).toFixed(0);
    lines.push(`${name.padEnd(12)} ${passed} passed, ${failed} failed, ${seconds} s`);
  };
  for (const group of inTurn(checks)) {
    const names = group.map((lane) => lane.map(({ name }) => name).join(", "));
    console.log(`\n== ${names.filter((lane) => lane !== "").join(" beside ")}`);
    await Promise.all(
      group.map(async (lane) => {
        for (const check of lane) await runOne(check);
      }),
    );
  }
  rmSync(reports, { recursive: true, force: true });
  console.log(`\n${lines.map((line) => `  ${line}`).join("\n")}\n\n${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  console.log("0 passed, 1 failed");
  return 1;
});
