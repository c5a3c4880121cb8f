/** The lint rule that keeps dependencies pointing one way fails a deliberate violation, and lets the right ones pass. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
/** A tree of its own, so that no violation ever stands in the real one. */
const tree = mkdtempSync(join(tmpdir(), "tenantkeys-lint-"));

afterAll(() => rmSync(tree, { recursive: true, force: true }));

const use = (name: string) => `import { x } from "${name}";\nexport const y = x;\n`;

/** One of each kind of place that isn't test/oracle: its engine is under the AGPL. */
const NOT_THE_ORACLE: readonly string[] = [
  "packages/core/src/violation.ts",
  "packages/core/src/violation.test.ts",
  "packages/aws/src/violation.ts",
  "packages/client/src/violation.ts",
  "packages/client/src/violation.emulator.test.ts",
  "packages/functions/src/violation.ts",
  "packages/cli/src/violation.ts",
  "packages/cli/src/violation.emulator.test.ts",
  "packages/cli/bin/violation.ts",
  "packages/local/src/violation.ts",
  "stacks/violation.ts",
  "examples/notes-api/src/violation.ts",
  "bench/violation.ts",
  "events/violation.ts",
  "test/e2e/violation.e2e.test.ts",
];

const REFUSED: readonly (readonly [string, string])[] = [
  ["packages/core/src/violation.ts", use("@aws-sdk/client-kms")],
  ["packages/core/src/violation.ts", use("@tenantkeys/aws")],
  ["packages/core/src/violation.ts", use("../../aws/src/keys.ts")],
  ["packages/core/src/violation.ts", use("node:crypto")],
  ["packages/core/src/violation.ts", "export const x = process.env.HOME;\n"],
  ["packages/core/src/violation.ts", "export const x = () => fetch('https://example.com');\n"],
  ["packages/aws/src/violation.ts", use("@tenantkeys/cli")],
  ["packages/aws/src/violation.ts", use("@tenantkeys/local")],
  ["packages/functions/src/violation.ts", use("@aws-sdk/client-kms")],
  ["packages/functions/src/violation.ts", use("@tenantkeys/local")],
  ["packages/cli/src/violation.ts", use("@aws-sdk/client-sqs")],
  ["packages/cli/src/violation.ts", use("@tenantkeys/functions")],
  ["packages/local/src/violation.ts", use("@tenantkeys/cli")],
  ["packages/core/src/violation.ts", use("@tenantkeys/client")],
  ["packages/aws/src/violation.ts", use("@tenantkeys/client")],
  ["packages/client/src/violation.ts", use("@tenantkeys/aws")],
  ["packages/client/src/violation.ts", use("@tenantkeys/local")],
  ["packages/functions/src/violation.ts", use("@aws-crypto/client-node")],
  ["stacks/violation.ts", use("@tenantkeys/aws")],
  ...NOT_THE_ORACLE.map((path) => [path, use("@cloud-copilot/iam-simulate")] as const),
  ...NOT_THE_ORACLE.map((path) => [path, use("@tenantkeys/policy-oracle")] as const),
  ["packages/core/src/violation.ts", use("../../../test/oracle/src/engine.ts")],
];

const ACCEPTED: readonly (readonly [string, string])[] = [
  ["packages/core/src/fine.ts", use("zod/mini")],
  ["packages/aws/src/fine.ts", use("@aws-sdk/client-kms")],
  ["packages/aws/src/fine.ts", use("@tenantkeys/core")],
  ["packages/functions/src/fine.ts", use("@tenantkeys/aws")],
  ["packages/client/src/fine.ts", use("@aws-crypto/client-node")],
  ["packages/client/src/fine.emulator.test.ts", use("@tenantkeys/local")],
  ["packages/local/src/fine.ts", use("@aws-sdk/client-s3")],
  ["stacks/fine.ts", use("@tenantkeys/core")],
  ["test/oracle/src/fine.ts", use("@cloud-copilot/iam-simulate")],
  ["test/oracle/fine.oracle.test.ts", use("@cloud-copilot/iam-policy")],
];

/** The same configuration that the project is linted with, but for git, which the tree doesn't have. */
function lintConfig(): string {
  const { vcs: _vcs, $schema: _schema, ...config } = JSON.parse(readFileSync(join(ROOT, "biome.json"), "utf8"));
  return JSON.stringify(config);
}

const fileOf = (kind: string, index: number, path: string) =>
  path.replace(/\w+((?:\.\w+)*\.ts)$/, `${kind}-${index}$1`);

let report = "";

beforeAll(() => {
  writeFileSync(join(tree, "biome.json"), lintConfig());
  for (const [kind, cases] of [["refused", REFUSED] as const, ["accepted", ACCEPTED] as const]) {
    cases.forEach(([path, source], index) => {
      const file = join(tree, fileOf(kind, index, path));
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, source);
    });
  }
  const biome = join(ROOT, "node_modules/.bin/biome");
  const { stdout, stderr } = spawnSync(biome, ["lint", "--max-diagnostics=none"], { cwd: tree, encoding: "utf8" });
  report = `${stdout}${stderr}`;
});

describe("the one-way rule", () => {
  it.each(REFUSED.map((line, index) => [...line, index] as const))("refuses in %s: %s", (path, _source, index) => {
    expect(report).toMatch(new RegExp(`${fileOf("refused", index, path)}:\\d+:\\d+ lint/style/noRestricted`));
  });

  it.each(ACCEPTED.map((line, index) => [...line, index] as const))("accepts in %s: %s", (path, _source, index) => {
    expect(report).not.toContain(fileOf("accepted", index, path));
  });
});

describe("the oracle's engine", () => {
  it("is a dependency of the private workspace test/oracle alone, and of no run-time one", () => {
    const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
      packages: Record<string, Manifest>;
    };
    const manifests = Object.entries(lock.packages).filter(([path]) => !path.includes("node_modules/"));
    const dependent = manifests.filter(([, manifest]) =>
      Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }).some((name) =>
        /^@cloud-copilot\//.test(name),
      ),
    );
    expect(dependent.map(([path]) => path)).toEqual(["test/oracle"]);
    const engine = Object.entries(lock.packages).filter(([path]) => path.includes("node_modules/@cloud-copilot/"));
    expect(engine.length).toBeGreaterThan(0);
    for (const [path, { dev }] of engine) expect([path, dev]).toEqual([path, true]);
    const { private: isPrivate } = JSON.parse(readFileSync(join(ROOT, "test/oracle/package.json"), "utf8"));
    expect(isPrivate).toBe(true);
  });
});

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly dev?: boolean;
}
