import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { loadAppConfig } from "./app-config.ts";
import { DeployError } from "./deploy-error.ts";

export interface PlatformOptions {
  /** The directory of sst.config.ts and of the node_modules with the pinned `sst`. */
  readonly projectRoot: string;
  readonly onProgress?: (text: string) => void;
}

/** What `.sst/platform` was installed for; it is installed anew when one of these changes. */
interface PlatformStamp {
  readonly sst: string;
  readonly providers: Readonly<Record<string, string>>;
}

/** Some 25 s on two cores with npm's cache empty; a slow network may take minutes. */
const INSTALL_DEADLINE_MS = 10 * 60 * 1000;
const LOCK_POLL_MS = 200;
const OUTPUT_CHARACTERS_MAX = 4_000;

/** SST installs with npm alone, asks nothing and reports nothing. */
const SST_SETTINGS = {
  SST_NO_BUN: "1",
  SST_SKIP_DEPENDENCY_CHECK: "1",
  SST_TELEMETRY_DISABLED: "1",
  DO_NOT_TRACK: "1",
  SST_STAGE: "local",
  // What npm would do besides installing: 7 of 29 s.
  npm_config_audit: "false",
  npm_config_fund: "false",
  npm_config_progress: "false",
  npm_config_update_notifier: "false",
};

/**
 * Makes `{projectRoot}/.sst/platform` (SST's components and Pulumi, 320 MB) with the project's pinned `sst install`,
 * unless it is there for the same versions. Two processes may call it at once: the second waits for the first.
 * @throws DeployError `sst_install_failed` with the end of SST's output and what to run next.
 */
export async function ensureSstPlatform({ projectRoot, onProgress }: PlatformOptions): Promise<void> {
  const wanted = await wantedStamp(projectRoot);
  if (await isInstalled(projectRoot, wanted)) return;
  const unlock = await lock(join(projectRoot, ".tenantkeys", "sst-install.lock"), onProgress);
  try {
    if (await isInstalled(projectRoot, wanted)) return;
    onProgress?.("installing SST's components (about 30 s, once)");
    await rm(stampPath(projectRoot), { force: true });
    const output = await runInstall(projectRoot);
    if (!existsSync(providerPackage(projectRoot))) throw installFailed("no @pulumi/aws was installed", output);
    await writeFile(stampPath(projectRoot), JSON.stringify(wanted));
  } finally {
    await unlock();
  }
}

async function wantedStamp(projectRoot: string): Promise<PlatformStamp> {
  // `app()` may depend on the stage, but not in the providers' versions: one installation serves every stage.
  const { providers } = await loadAppConfig(projectRoot, "local");
  const versions = Object.entries(providers).map(([name, { version }]) => [name, String(version ?? "latest")]);
  const manifest = await readFile(join(sstPackage(projectRoot), "package.json"), "utf8").catch((error: unknown) => {
    throw new DeployError("sst_install_failed", "SST isn't there. Run npm ci, then the same command again", error);
  });
  const { version } = JSON.parse(manifest) as { readonly version: string };
  return { sst: version, providers: Object.fromEntries(versions) };
}

function sstPackage(projectRoot: string): string {
  return join(projectRoot, "node_modules", "sst");
}

function stampPath(projectRoot: string): string {
  return join(projectRoot, ".sst", "platform", "tenantkeys-stamp.json");
}

function providerPackage(projectRoot: string): string {
  return join(projectRoot, ".sst", "platform", "node_modules", "@pulumi", "aws", "package.json");
}

async function isInstalled(projectRoot: string, wanted: PlatformStamp): Promise<boolean> {
  if (!existsSync(providerPackage(projectRoot))) return false;
  const stamp = await readFile(stampPath(projectRoot), "utf8").catch(() => "");
  return stamp === JSON.stringify(wanted);
}

async function runInstall(projectRoot: string): Promise<string> {
  const bin = join(sstPackage(projectRoot), "bin", "sst.mjs");
  const child = spawn(process.execPath, [bin, "install"], {
    cwd: projectRoot,
    env: { ...process.env, ...SST_SETTINGS },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: INSTALL_DEADLINE_MS,
  });
  let output = "";
  const collect = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-OUTPUT_CHARACTERS_MAX);
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const ending = await new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code === 0 ? "" : `it ended with ${code ?? signal}`));
  });
  if (ending !== "") throw installFailed(ending, output);
  return output;
}

function installFailed(reason: string, output: string): DeployError {
  return new DeployError(
    "sst_install_failed",
    `sst install failed: ${reason}. Check that npm reaches its registry (npm ping) and run the same command again; ` +
      `if it fails again, remove .sst first.\n\n${output.trim()}`,
  );
}

/** A file that only one process can make. One left behind by a process that is gone is taken over. */
async function lock(path: string, onProgress: PlatformOptions["onProgress"]): Promise<() => Promise<void>> {
  await mkdir(dirname(path), { recursive: true });
  const deadline = performance.now() + INSTALL_DEADLINE_MS;
  for (let waited = false; ; waited = true) {
    try {
      const file = await open(path, "wx");
      await file.writeFile(String(process.pid));
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    if (!waited) onProgress?.("waiting for another process that installs SST's components");
    if (performance.now() > deadline) {
      throw new DeployError("sst_install_failed", `Another process has been installing SST for too long: see ${path}.`);
    }
    if (await isLeftBehind(path)) await rm(path, { force: true });
    else await delay(LOCK_POLL_MS);
  }
}

async function isLeftBehind(path: string): Promise<boolean> {
  const owner = await readFile(path, "utf8").catch(() => "");
  // Just made and not written yet, or just removed: ask again.
  if (owner === "") return false;
  try {
    process.kill(Number(owner), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
