/** Size and start of the worker's bundle, beside a bundle of nothing but the SDK clients and commands that it uses. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { parseStageSettings, workerSettings } from "@tenantkeys/core";
import { PROJECT_ROOT } from "@tenantkeys/local";
import { build, type Metafile } from "esbuild";
import { buildFunction } from "../packages/local/src/deploy/function-build.ts";
import type { Benchmark, BenchmarkOptions, BenchmarkResult } from "./benchmark.ts";
import { compare } from "./comparison.ts";
import { interleave, type Readings } from "./rounds.ts";

const SIZE_TARGET = { atMost: 1.3 };
const ROUNDS = 25;
const START_DEADLINE_MS = 30_000;
const REGION = "eu-west-1";

/** What the worker sends. A command that isn't in its bundle any more stops the benchmark. */
const CLIENTS = {
  "@aws-sdk/client-kms": [
    "KMSClient",
    "CreateAliasCommand",
    "CreateKeyCommand",
    "DescribeKeyCommand",
    "EnableKeyRotationCommand",
    "GetKeyPolicyCommand",
    "GetKeyRotationStatusCommand",
    "ListResourceTagsCommand",
    "PutKeyPolicyCommand",
    "ScheduleKeyDeletionCommand",
  ],
  "@aws-sdk/client-iam": [
    "IAMClient",
    "CreateRoleCommand",
    "GetRoleCommand",
    "GetRolePolicyCommand",
    "PutRolePolicyCommand",
    "UpdateAssumeRolePolicyCommand",
  ],
  "@aws-sdk/client-eventbridge": ["EventBridgeClient", "PutEventsCommand"],
  "@aws-sdk/client-sqs": ["SQSClient", "ChangeMessageVisibilityCommand"],
  "@aws-sdk/client-resource-groups-tagging-api": ["ResourceGroupsTaggingAPIClient", "GetResourcesCommand"],
  "@aws-sdk/client-dynamodb": ["DynamoDBClient"],
  "@aws-sdk/lib-dynamodb": ["DynamoDBDocumentClient", "PutCommand"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export const bundle: Benchmark = {
  name: "bundle",
  title: "The worker's bundle, beside one of its bare SDK clients",
  async run(options) {
    await mkdir(join(PROJECT_ROOT, ".tenantkeys"), { recursive: true });
    // In the project, so that the generated entry finds the same installed packages.
    const workDir = await mkdtemp(join(PROJECT_ROOT, ".tenantkeys/bench-"));
    try {
      return await measure(workDir, options);
    } finally {
      await rm(workDir, { recursive: true, force: true });
    }
  },
};

async function measure(workDir: string, options: BenchmarkOptions): Promise<BenchmarkResult> {
  const entry = join(workDir, "bare.ts");
  await writeFile(entry, bareEntry());
  const worker = await bundled("worker", "packages/functions/src/provision.handler", workDir);
  const bare = await bundled("bare", `${entry.slice(PROJECT_ROOT.length + 1, -".ts".length)}.handler`, workDir);
  const names = commandsIn(worker.metafile);
  const used: readonly string[] = Object.values(CLIENTS).flat();
  const missing = used.filter((name) => name.endsWith("Command") && !names.includes(name));
  if (missing.length > 0)
    throw new Error(`the worker doesn't send ${missing.join(", ")}: take it out of bench/bundle.ts`);
  const rounds = options.quick ? 3 : ROUNDS;
  const side = (name: string, path: string) => ({ name, measure: () => startTime(name, path) });
  const sides = [side("worker", worker.path), side("bare", bare.path)];
  await interleave(1, sides, () => {});
  const starts = await interleave(rounds, sides, (round, name) =>
    options.onProgress(`start ${round} of ${rounds}: ${name}`),
  );
  return {
    comparisons: [
      compare("size, minified", "bytes", [worker.bytes], [bare.bytes], SIZE_TARGET),
      compare("size, minified and gzipped", "bytes", [worker.gzippedBytes], [bare.gzippedBytes]),
      compare("init: importing the bundle in a fresh process", "ms", starts.workerInitMs, starts.bareInitMs),
      compare("whole fresh process, until it ends", "ms", starts.workerProcessMs, starts.bareProcessMs),
    ],
    settings: { rounds },
    details: {
      bytesByPackage: { worker: byPackage(worker.metafile), bare: byPackage(bare.metafile) },
      commandsNeverSent: names.filter((name) => !used.includes(name)),
    },
  };
}

/** Makes the clients when it is imported, as the worker does, and names each command so that the bundler keeps it. */
function bareEntry(): string {
  const imports = Object.entries(CLIENTS).map(([from, names]) => `import { ${names.join(", ")} } from "${from}";`);
  const all: readonly string[] = Object.values(CLIENTS).flat();
  const clients = all.filter((name) => name.endsWith("Client") && name !== "DynamoDBDocumentClient");
  const made = clients.map((name) => `${name}: new ${name}(config)`);
  return [
    ...imports,
    `const config = { region: "${REGION}" };`,
    `const clients = { ${made.join(", ")} };`,
    "const documents = DynamoDBDocumentClient.from(clients.DynamoDBClient);",
    `const commands = [${all.filter((name) => name.endsWith("Command")).join(", ")}];`,
    "export const handler = async () => [clients, documents, commands];",
  ].join("\n");
}

interface Bundled {
  readonly path: string;
  readonly bytes: number;
  readonly gzippedBytes: number;
  readonly metafile: Metafile;
}

/** Built as the stack builds its function; the metafile comes from the same build once more. */
async function bundled(functionID: string, handler: string, workDir: string): Promise<Bundled> {
  const { out } = await buildFunction(
    { functionID, handler, runtime: "nodejs24.x", properties: { minify: true } },
    { projectRoot: PROJECT_ROOT, workDir, mode: "bundle" },
  );
  const path = join(out, "bundle.mjs");
  const bytes = (await stat(path)).size;
  const { metafile } = await build({
    entryPoints: [join(PROJECT_ROOT, handler.replace(/\.handler$/, ".ts"))],
    absWorkingDir: PROJECT_ROOT,
    outfile: join(workDir, "again.mjs"),
    write: false,
    metafile: true,
    bundle: true,
    minify: true,
    keepNames: true,
    platform: "node",
    format: "esm",
    target: "es2024",
    mainFields: ["module", "main"],
    logLevel: "silent",
  });
  return { path, bytes, gzippedBytes: gzipSync(await readFile(path)).length, metafile };
}

function inputsOf(metafile: Metafile): readonly (readonly [path: string, bytes: number])[] {
  const [output] = Object.values(metafile.outputs);
  return Object.entries(output?.inputs ?? {}).map(([path, { bytesInOutput }]) => [path, bytesInOutput]);
}

function commandsIn(metafile: Metafile): readonly string[] {
  const names = inputsOf(metafile).flatMap(([path, bytes]) => {
    const name = /@aws-sdk\/(?:client|lib)-[^/]+\/.*\/commands\/(\w+Command)\.js$/.exec(path)?.[1];
    return name === undefined || bytes === 0 ? [] : [name];
  });
  return [...new Set(names)].sort();
}

/** The project's own packages by folder, installed ones by name, the largest first. */
function byPackage(metafile: Metafile): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const [path, bytes] of inputsOf(metafile)) {
    const installed = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
    const name = installed ?? path.split("/").slice(0, 2).join("/");
    sums[name] = (sums[name] ?? 0) + bytes;
  }
  return Object.fromEntries(Object.entries(sums).sort(([, a], [, b]) => b - a));
}

const run = promisify(execFile);

/** In a process of its own per start, as Lambda does it; the compile cache of Node is off by default. */
async function startTime(name: string, path: string): Promise<Readings> {
  const program = `const start = performance.now(); await import(${JSON.stringify(path)}); console.log(performance.now() - start);`;
  const startMs = performance.now();
  const { stdout } = await run(process.execPath, ["--enable-source-maps", "--input-type=module", "--eval", program], {
    env: { PATH: process.env.PATH ?? "", AWS_REGION: REGION, TENANTKEYS_STAGE_CONFIG: JSON.stringify(STAGE_CONFIG) },
    timeout: START_DEADLINE_MS,
  });
  return { [`${name}InitMs`]: Number(stdout.trim()), [`${name}ProcessMs`]: performance.now() - startMs };
}

/** What the stack gives the function. The bare bundle doesn't look at it. */
const STAGE_CONFIG = {
  settings: workerSettings(
    parseStageSettings({ stage: "bench", applicationRoleArns: ["arn:aws:iam::111122223333:role/application"] }),
  ),
  accountId: "111122223333",
  queueUrl: "https://sqs.eu-west-1.amazonaws.com/111122223333/tenantkeys-bench-provisioning",
};
