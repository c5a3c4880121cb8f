import { mkdir, rm } from "node:fs/promises";
import { setSourceMapsSupport } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type AppConfig, loadAppConfig } from "./app-config.ts";
import { DeployError, describeError } from "./deploy-error.ts";
import type { FunctionBuildContext } from "./function-build.ts";
import { bundleComponents, bundleProgram } from "./program-bundle.ts";
import { type PulumiModule, requirePlatform, unsettledLabels } from "./pulumi-runtime.ts";
import type { ResourceProvider, StackResource, StackRun } from "./resource-provider.ts";
import { startSstServer } from "./sst-server.ts";
import { installMonitor } from "./stack-monitor.ts";

export interface StackProgramOptions {
  /** The directory of sst.config.ts, with `.sst/platform` in it. */
  readonly projectRoot: string;
  readonly stage: string;
  readonly provider: ResourceProvider;
  readonly functions: FunctionBuildContext["mode"];
  onResource(resource: StackResource): void;
}

interface Components {
  readonly sst: object;
  readonly $asset: unknown;
  readonly $transform: unknown;
  readonly Link: { readonly linkable: unknown; readonly makeLinkable?: unknown };
  run(program: () => Promise<unknown>): Promise<Record<string, unknown>>;
}

/**
 * Runs the project's sst.config.ts and its stacks with SST's real components, on the provider given. It sets globals
 * and takes over the process's `beforeExit` and rejections, so it runs once, in a process of its own (deploy-child.ts).
 * @throws DeployError `stacks_invalid`, `resource_failed` (or what the provider threw), `stacks_failed` for an error in
 * the program or in an apply(), `stacks_stuck` where something was left waiting for ever.
 */
export async function runStackProgram(options: StackProgramOptions): Promise<StackRun> {
  const { projectRoot, stage } = options;
  const platformDir = join(projectRoot, ".sst", "platform");
  const cacheDir = join(projectRoot, ".tenantkeys", "deploy");
  const workDir = join(cacheDir, `run-${process.pid}`);
  await mkdir(workDir, { recursive: true });
  try {
    // The three builds run in esbuild's process, while this one loads Pulumi.
    const bundles = Promise.all([
      loadAppConfig(projectRoot, stage),
      bundleComponents(platformDir, cacheDir),
      bundleProgram(projectRoot, platformDir, cacheDir),
      startSstServer({ projectRoot, workDir, mode: options.functions }),
    ]);
    bundles.catch(() => undefined);
    const require = requirePlatform(platformDir);
    const pulumi = require("@pulumi/pulumi") as PulumiModule;
    const [app, componentsPath, programPath, server] = await bundles;
    process.env.SST_SERVER = server;
    setBaseGlobals(pulumi, app, { home: homedir(), root: projectRoot, work: workDir, platform: platformDir });
    Object.assign(globalThis, { aws: require("@pulumi/aws") });
    const components = (await import(pathToFileURL(componentsPath).href)) as Components;
    setComponentGlobals(components);
    return await runToEnd(options, { pulumi, app, require, components, programPath });
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

interface LoadedProgram {
  readonly pulumi: PulumiModule;
  readonly app: AppConfig;
  readonly require: NodeJS.Require;
  readonly components: Components;
  readonly programPath: string;
}

async function runToEnd(options: StackProgramOptions, loaded: LoadedProgram): Promise<StackRun> {
  const { pulumi, app, require, components, programPath } = loaded;
  const resources: StackResource[] = [];
  const end = programEnd(options.projectRoot);
  await installMonitor(pulumi, {
    project: app.name,
    stage: app.stage,
    provider: options.provider,
    onResource: (resource) => {
      resources.push(resource);
      options.onResource(resource);
    },
    onFailure: end.fail,
  });
  // Only now, so that Node.js doesn't read the 300 source maps of Pulumi's own files.
  setSourceMapsSupport(true, { nodeModules: false });
  let outputs: Record<string, unknown> | undefined;
  const program = pulumi.runtime.runInPulumiStack(async () => {
    const module = (await import(pathToFileURL(programPath).href)) as { readonly default: { run(): Promise<unknown> } };
    return components.run(() => module.default.run());
  });
  program.then((result) => {
    outputs = result;
  }, end.fail);
  await end.reached;
  const unsettled = unsettledLabels(require);
  if (outputs === undefined || unsettled.length > 0) throw stuckError(unsettled);
  const { _protect, ...own } = outputs;
  return { resources, outputs: JSON.parse(JSON.stringify(own)) as Record<string, unknown> };
}

/**
 * The end of the program, as Pulumi's own language host sees it: the event loop has run dry, so every resource, build
 * and apply() that could still go on has. No timer could tell, since an apply() may make resources at any time.
 */
function programEnd(projectRoot: string): { readonly reached: Promise<void>; fail(error: unknown): void } {
  const { promise: reached, resolve, reject } = Promise.withResolvers<void>();
  reached.catch(() => undefined);
  process.once("beforeExit", () => resolve());
  const fail = (error: unknown) => reject(programError(error, projectRoot));
  process.on("unhandledRejection", fail);
  process.on("uncaughtException", fail);
  return { reached, fail };
}

function programError(error: unknown, projectRoot: string): DeployError {
  if (error instanceof DeployError) return error;
  const frames = error instanceof Error ? (error.stack ?? "").split("\n") : [];
  // The first line of the project's own code that the error went through.
  const frame = frames.find((line) => line.includes(`${projectRoot}/`) && !/node_modules|[\\/]\.sst[\\/]/.test(line));
  return new DeployError(
    "stacks_failed",
    `The stacks program failed${frame ? ` ${frame.trim()}` : ""}: ${describeError(error)}`,
    error,
  );
}

function stuckError(unsettled: readonly string[]): DeployError {
  const resources = unsettled.filter((label) => label.includes("resource:"));
  const waiting = (resources.length > 0 ? resources : unsettled).slice(0, 10).join(", ");
  return new DeployError(
    "stacks_stuck",
    `The stacks program ended with something still waiting: ${waiting || "its own run()"}. ` +
      "Two resources may need each other's outputs, or a promise in a stack is never settled.",
  );
}

interface CliPaths {
  readonly home: string;
  readonly root: string;
  readonly work: string;
  readonly platform: string;
}

/** The globals of SST's src/shim/run.js and those its command line defines. */
function setBaseGlobals(pulumi: PulumiModule, app: AppConfig, paths: CliPaths): void {
  const { output, apply, all, interpolate, concat, jsonParse, jsonStringify } = pulumi;
  Object.assign(globalThis, {
    $app: app,
    $dev: false,
    $cli: { command: "deploy", rpc: process.env.SST_SERVER, paths, state: { version: {} } },
    $config: (config: unknown) => config,
    $secrets: {},
    $util: pulumi,
    $output: output,
    $apply: apply,
    $resolve: all,
    $interpolate: interpolate,
    $concat: concat,
    $jsonParse: jsonParse,
    $jsonStringify: jsonStringify,
  });
}

function setComponentGlobals({ sst, $asset, $transform, Link }: Components): void {
  Object.assign(globalThis, { sst, $asset, $transform, $linkable: Link.makeLinkable ?? Link.linkable });
}
