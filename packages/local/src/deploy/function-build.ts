import { createCipheriv } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { type BuildOptions, build, type Loader } from "esbuild";
import { DeployError } from "./deploy-error.ts";

/** SST's `Runtime.Build` request, as far as a Node.js function uses it. */
export interface FunctionBuildInput {
  readonly functionID: string;
  /** `packages/functions/src/worker.handler`, from the project's root. */
  readonly handler: string;
  /** A directory of the program's own instead of a build. */
  readonly bundle?: string;
  readonly runtime: string;
  readonly encryptionKey?: string;
  readonly links?: Readonly<Record<string, unknown>>;
  readonly properties?: NodeProperties;
}

interface NodeProperties {
  readonly architecture?: string;
  readonly banner?: string;
  readonly esbuild?: EsbuildProperties;
  readonly format?: "cjs" | "esm";
  readonly install?: Readonly<Record<string, string>>;
  readonly loader?: Readonly<Record<string, Loader>>;
  readonly minify?: boolean;
  readonly plugins?: string;
  readonly sourceMap?: boolean;
  readonly sourcemap?: boolean;
  readonly splitting?: boolean;
}

type EsbuildProperties = Pick<
  BuildOptions,
  "conditions" | "define" | "external" | "keepNames" | "mainFields" | "nodePaths" | "sourcemap" | "target"
>;

export interface FunctionBuildOutput {
  readonly handler: string;
  readonly out: string;
  readonly errors: readonly string[];
  readonly sourcemaps: readonly string[];
}

/** As in SST 4's pkg/runtime/node/build.go, which the four tables and `esbuildOptions` follow. */
const TARGETS: Readonly<Record<string, string>> = {
  "nodejs24.x": "es2024",
  "nodejs22.x": "es2023",
  "nodejs20.x": "es2023",
  "nodejs18.x": "es2022",
};
const FORCED_EXTERNALS = ["sharp", "pg-native"];
const HANDLER_EXTENSIONS = [".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs"];
const ESM_BANNER = [
  "import { createRequire as topLevelCreateRequire } from 'module';",
  "const require = topLevelCreateRequire(import.meta.url);",
  'import { fileURLToPath as topLevelFileUrlToPath, URL as topLevelURL } from "url"',
  "const __filename = topLevelFileUrlToPath(import.meta.url)",
  'const __dirname = topLevelFileUrlToPath(new topLevelURL(".", import.meta.url))',
];

const KNOWN_ESBUILD_PROPERTIES = [
  "conditions",
  "define",
  "external",
  "keepNames",
  "mainFields",
  "nodePaths",
  "sourcemap",
  "target",
];

export interface FunctionBuildContext {
  readonly projectRoot: string;
  /** SST's working directory: bundles go to `artifacts/<functionID>-src`. */
  readonly workDir: string;
  /** `check` looks for the handler's file and writes an empty bundle: enough to see what the program makes. */
  readonly mode: "bundle" | "check";
}

/**
 * Bundles a Node.js function as SST would for AWS.
 * @throws DeployError `function_build_failed` for a missing handler, an esbuild error, or a build option that SST has
 * and this doesn't (`install`, `plugins`, another runtime).
 */
export async function buildFunction(
  input: FunctionBuildInput,
  context: FunctionBuildContext,
): Promise<FunctionBuildOutput> {
  const out = input.bundle ?? join(context.workDir, "artifacts", `${input.functionID}-src`);
  let output: FunctionBuildOutput = { handler: input.handler, out, errors: [], sourcemaps: [] };
  if (input.bundle === undefined) {
    refuseUnsupported(input);
    await rm(out, { recursive: true, force: true });
    await mkdir(out, { recursive: true });
    output = context.mode === "check" ? await checkHandler(input, context, out) : await bundle(input, context, out);
  }
  if (input.encryptionKey) await writeLinks(input, out);
  return output;
}

async function bundle(
  input: FunctionBuildInput,
  context: FunctionBuildContext,
  out: string,
): Promise<FunctionBuildOutput> {
  const options = esbuildOptions(input, findHandler(input, context.projectRoot), out);
  try {
    const { metafile } = await build({ ...options, metafile: true, absWorkingDir: context.projectRoot });
    const maps = Object.keys(metafile.outputs).filter((path) => path.endsWith(".map"));
    // SST uploads the maps beside the code, not in it, unless the program says where it wants them.
    const separate = input.properties?.sourceMap === undefined;
    const sourcemaps = separate ? maps.map((path) => join(context.projectRoot, path)) : [];
    return { handler: `bundle${extname(input.handler)}`, out, errors: [], sourcemaps };
  } catch (error) {
    throw new DeployError(
      "function_build_failed",
      `esbuild can't bundle ${input.handler} (${input.functionID})`,
      error,
    );
  }
}

async function checkHandler(
  input: FunctionBuildInput,
  context: FunctionBuildContext,
  out: string,
): Promise<FunctionBuildOutput> {
  findHandler(input, context.projectRoot);
  await writeFile(join(out, "bundle.mjs"), "");
  return { handler: `bundle${extname(input.handler)}`, out, errors: [], sourcemaps: [] };
}

function esbuildOptions(input: FunctionBuildInput, file: string, out: string): BuildOptions {
  const {
    banner = "",
    esbuild = {},
    format = "esm",
    loader,
    minify = false,
    splitting = false,
  } = input.properties ?? {};
  const isEsm = format !== "cjs";
  const target = esbuild.target ?? TARGETS[input.runtime];
  return {
    entryPoints: [file],
    bundle: true,
    write: true,
    logLevel: "silent",
    platform: "node",
    format: isEsm ? "esm" : "cjs",
    ...(target !== undefined && { target }),
    external: [...FORCED_EXTERNALS, ...(esbuild.external ?? [])],
    ...(loader !== undefined && { loader }),
    keepNames: esbuild.keepNames ?? true,
    mainFields: esbuild.mainFields ?? (isEsm ? ["module", "main"] : ["main"]),
    ...(esbuild.conditions !== undefined && { conditions: esbuild.conditions }),
    ...(esbuild.define !== undefined && { define: esbuild.define }),
    ...(esbuild.nodePaths !== undefined && { nodePaths: esbuild.nodePaths }),
    sourcemap: esbuild.sourcemap === true ? "linked" : (esbuild.sourcemap ?? "linked"),
    minify,
    banner: { js: isEsm ? [...ESM_BANNER, banner].join("\n") : banner },
    ...(splitting
      ? { splitting, outdir: out, outExtension: { ".js": ".mjs" }, entryNames: "bundle" }
      : { outfile: join(out, isEsm ? "bundle.mjs" : "bundle.cjs") }),
  };
}

function findHandler(input: FunctionBuildInput, projectRoot: string): string {
  const { handler } = input;
  const stem = join(projectRoot, dirname(handler), basename(handler, extname(handler)));
  const file = HANDLER_EXTENSIONS.map((extension) => stem + extension).find((path) => existsSync(path));
  if (file !== undefined) return file;
  throw new DeployError(
    "function_build_failed",
    `The handler ${handler} of ${input.functionID} has no source file: SST looks for ${stem}.ts and its like.`,
  );
}

function refuseUnsupported({ functionID, runtime, properties = {} }: FunctionBuildInput): void {
  const unknownEsbuild = Object.keys(properties.esbuild ?? {}).find((name) => !KNOWN_ESBUILD_PROPERTIES.includes(name));
  const reason =
    (!runtime.startsWith("nodejs") && `the runtime ${runtime}`) ||
    (Object.keys(properties.install ?? {}).length > 0 && "nodejs.install") ||
    (properties.plugins !== undefined && "nodejs.plugins") ||
    (unknownEsbuild !== undefined && `nodejs.esbuild.${unknownEsbuild}`);
  if (!reason) return;
  throw new DeployError(
    "function_build_failed",
    `The function ${functionID} uses ${reason}, which the local deploy doesn't build. ` +
      "Add it to packages/local/src/deploy/function-build.ts, or leave it out of the stack.",
  );
}

/** The linked resources, sealed as SST's `Resource` opens them: AES-256-GCM, a nonce of zeros, the key in SST_KEY. */
async function writeLinks(input: FunctionBuildInput, out: string): Promise<void> {
  const key = Buffer.from(input.encryptionKey ?? "", "base64");
  const cipher = createCipheriv("aes-256-gcm", key, Buffer.alloc(12));
  const sealed = [cipher.update(JSON.stringify(input.links ?? {})), cipher.final(), cipher.getAuthTag()];
  await writeFile(join(out, "resource.enc"), Buffer.concat(sealed));
}
