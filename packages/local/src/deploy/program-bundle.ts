import { createHash } from "node:crypto";
import { access, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { dirname, join } from "node:path";
import { type BuildOptions, build, type Plugin } from "esbuild";
import { REFUSE_TOP_LEVEL_IMPORTS } from "./app-config.ts";
import { DeployError } from "./deploy-error.ts";

/**
 * Bundles SST's components (`.sst/platform/src`) for plain Node.js.
 * @returns The bundle's path, named after its content: V8's compile cache then knows it in the next run.
 */
export function bundleComponents(platformDir: string, cacheDir: string): Promise<string> {
  const contents = [
    'export * as sst from "./src/components/index.ts";',
    'export { $asset, $transform } from "./src/components/component.ts";',
    'export { Link } from "./src/components/link.ts";',
    'export { run } from "./src/auto/run.ts";',
  ].join("\n");
  return bundle("components", platformDir, cacheDir, {
    stdin: { contents, resolveDir: platformDir, sourcefile: "components.ts", loader: "ts" },
    plugins: [STEADY_NAMES, requirePackages(() => true)],
  });
}

/**
 * Bundles sst.config.ts with its stacks and the workspace's TypeScript, as SST does before it starts Pulumi.
 * @throws DeployError `stacks_invalid` with esbuild's message.
 */
export async function bundleProgram(projectRoot: string, platformDir: string, cacheDir: string): Promise<string> {
  try {
    return await bundle("program", platformDir, cacheDir, {
      entryPoints: [join(projectRoot, "sst.config.ts")],
      absWorkingDir: projectRoot,
      nodePaths: [join(platformDir, "node_modules")],
      sourcemap: "inline",
      // Pulumi holds its state in its module, so the program must get the very one that the components use.
      plugins: [REFUSE_TOP_LEVEL_IMPORTS, requirePackages((path) => /^@pulumi(verse)?\//.test(path))],
    });
  } catch (error) {
    throw new DeployError("stacks_invalid", "The stacks can't be bundled", error);
  }
}

async function bundle(name: string, platformDir: string, cacheDir: string, options: BuildOptions): Promise<string> {
  const requireFrom = JSON.stringify(join(platformDir, "package.json"));
  const { outputFiles } = await build({
    bundle: true,
    write: false,
    logLevel: "silent",
    platform: "node",
    format: "esm",
    target: "es2023",
    mainFields: ["module", "main"],
    outdir: cacheDir,
    banner: {
      js: `import { createRequire as createPlatformRequire } from "node:module";\nconst require = createPlatformRequire(${requireFrom});`,
    },
    ...options,
  });
  const contents = outputFiles?.[0]?.contents ?? new Uint8Array();
  const hash = createHash("sha256").update(contents).digest("hex").slice(0, 16);
  const path = join(cacheDir, `${name}-${hash}.mjs`);
  if (await writeOnce(path, contents)) await removeOld(cacheDir, name);
  return path;
}

/** Two processes may write the same file: each renames its own whole one into place. */
async function writeOnce(path: string, contents: Uint8Array): Promise<boolean> {
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  if (exists) return false;
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, contents);
  await rename(temporary, path);
  return true;
}

/** An hour is far more than a run takes, so no other process still needs a file this old. */
const BUNDLE_KEPT_MS = 60 * 60 * 1000;

/** Every change of the stacks makes a bundle of another name; those of earlier changes go. */
async function removeOld(cacheDir: string, name: string): Promise<void> {
  for (const file of await readdir(cacheDir)) {
    const path = join(cacheDir, file);
    if (!file.startsWith(`${name}-`)) continue;
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age > BUNDLE_KEPT_MS) await rm(path, { force: true });
  }
}

/**
 * Leaves a package out of the bundle and requires it from the platform. `require` and not `import`: @pulumi/aws loads
 * each of its services at first use, and an import of it would load all of them (500 ms and 200 MB).
 */
function requirePackages(isLeftOut: (path: string) => boolean): Plugin {
  const namespace = "platform-package";
  return {
    name: namespace,
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /^[^./]/ }, ({ path, kind, namespace: from }) => {
        if (kind === "entry-point" || path.startsWith("node:") || builtinModules.includes(path)) return undefined;
        if (from === namespace) return { path, external: true };
        return isLeftOut(path) ? { path, namespace } : undefined;
      });
      onLoad({ filter: /.*/, namespace }, ({ path }) => ({
        contents: `module.exports = require(${JSON.stringify(path)});`,
        loader: "js",
      }));
    },
  };
}

const RANDOM_SUFFIX = 'crypto.randomBytes(8).toString("hex")';
const STEADY_SUFFIX = "`$" + "{$app.name}/$" + "{$app.stage}/$" + "{name}`";

/**
 * SST ends physical names in random letters, which Pulumi's state then remembers. There is no state here, so the
 * letters are made from the app, the stage and the logical name: a second deploy finds what the first one made.
 */
const STEADY_NAMES: Plugin = {
  name: "steady-names",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]components[\\/]naming\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      if (!source.includes(RANDOM_SUFFIX)) {
        throw new Error(`${path} makes its names in a new way: look at STEADY_NAMES in program-bundle.ts`);
      }
      return { contents: source.replace(RANDOM_SUFFIX, STEADY_SUFFIX), loader: "ts" };
    });
  },
};
