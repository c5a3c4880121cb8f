import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { LocalAwsError } from "./errors.ts";
import { checkEndpoint, isHealthy } from "./health.ts";
import { ensurePythonEnvironment, PYTHON_SOURCE_DIR } from "./python-environment.ts";

/** A running local AWS. */
export interface Emulator {
  /** `http://127.0.0.1:{port}`, for every service. */
  readonly endpoint: string;
  readonly region: string;
  readonly accountId: string;
  /** The account's root: policies don't bind it, so isolation is only ever tried with assumed roles. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** 0 for an emulator that somebody else started. */
  readonly pid: number;
  /** Resident memory of the emulator process alone, without its Lambda functions; 0 when somebody else started it. */
  memoryBytes(): number;
  /** Ends the emulator and its Lambda functions and removes its files. Safe to call twice. */
  stop(): Promise<void>;
}

export interface StartEmulatorOptions {
  /** Default: any free port. */
  readonly port?: number;
  /** Further settings of ministack, for example `{ LOG_LEVEL: "INFO" }`. Lambda functions see them too. */
  readonly env?: Readonly<Record<string, string>>;
  readonly onProgress?: (text: string) => void;
  /** Default: in the emulator's own directory, which goes when it stops. */
  readonly logFile?: string;
}

export const LOCAL_REGION = "eu-west-1";
export const LOCAL_ACCOUNT_ID = "000000000000";
export const LOCAL_CREDENTIALS = { accessKeyId: "test", secretAccessKey: "test" } as const;

const REPOSITORY_DIR = join(import.meta.dirname, "../../../..");
const CACHE_DIR = join(REPOSITORY_DIR, ".tenantkeys");
/** About 1 s on two cores; a loaded CI machine may take ten times that. */
const START_DEADLINE_MS = 30_000;
const POLL_INTERVAL_MS = 50;
const STOP_DEADLINE_MS = 3_000;
const LOG_TAIL_LINES = 20;

/** The emulator that AWS_ENDPOINT_URL names, or else one of our own. Throws what the two functions below throw. */
export function openEmulator(options: StartEmulatorOptions = {}): Promise<Emulator> {
  const endpoint = process.env.AWS_ENDPOINT_URL;
  return endpoint ? connectEmulator(endpoint) : startEmulator(options);
}

/**
 * Uses an emulator that somebody else started and will stop.
 *
 * @throws LocalAwsError `endpoint_unreachable`, `endpoint_without_auth` or `endpoint_is_aws`
 */
export async function connectEmulator(endpoint: string): Promise<Emulator> {
  const base = endpoint.replace(/\/+$/, "");
  await checkEndpoint(base);
  return { ...identity(base), pid: 0, memoryBytes: () => 0, stop: async () => {} };
}

/**
 * Starts a local AWS of its own: ministack on 127.0.0.1, with the rules in packages/local/python, in its own process
 * group and directory. It ends with `stop()`, and by itself when this process ends in any way.
 *
 * @throws LocalAwsError `python_missing` or `python_install_failed`
 * @throws LocalAwsError `port_in_use` or `emulator_start_failed`, with the end of the emulator's log
 */
export async function startEmulator(options: StartEmulatorOptions = {}): Promise<Emulator> {
  const { pythonPath } = await ensurePythonEnvironment({
    cacheDir: CACHE_DIR,
    ...(options.onProgress && { onProgress: options.onProgress }),
  });
  options.onProgress?.("starting the local AWS");
  const dataDir = await mkdtemp(join(tmpdir(), "tenantkeys-aws-"));
  await mkdir(join(dataDir, "tmp"));
  const logFile = options.logFile ?? join(dataDir, "emulator.log");
  const child = spawnEmulator({ pythonPath, dataDir, logFile, options });
  const stop = once(() => stopEmulator(child, dataDir));
  try {
    const endpoint = await waitUntilReady(child, dataDir, logFile);
    const pid = child.pid as number;
    return { ...identity(endpoint), pid, memoryBytes: () => residentBytes(pid), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function identity(endpoint: string) {
  return { endpoint, region: LOCAL_REGION, accountId: LOCAL_ACCOUNT_ID, credentials: LOCAL_CREDENTIALS };
}

function spawnEmulator(start: {
  readonly pythonPath: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly options: StartEmulatorOptions;
}): ChildProcess {
  const log = openSync(start.logFile, "a");
  try {
    const child = spawn(start.pythonPath, ["-m", "strict_ministack"], {
      cwd: start.dataDir,
      env: environment(start.dataDir, start.options),
      stdio: ["pipe", log, log],
      // A process group of its own, so that stop() reaches the Lambda functions as well.
      detached: true,
    });
    // Nobody writes to its stdin: the emulator ends when the pipe closes, and that is how it notices our end.
    child.stdin?.on("error", () => {});
    (child.stdin as { unref?: () => void } | null)?.unref?.();
    child.on("error", () => {});
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

/**
 * The emulator's whole environment. Lambda functions inherit it, so nothing of ours comes in but PATH: no AWS profile or
 * credential, no NODE_OPTIONS of a test runner, and a HOME without an ~/.aws.
 */
function environment(dataDir: string, options: StartEmulatorOptions): Record<string, string> {
  return {
    PATH: `${nodeDir()}${delimiter}${process.env.PATH ?? "/usr/local/bin:/usr/bin:/bin"}`,
    HOME: dataDir,
    TMPDIR: join(dataDir, "tmp"),
    LANG: "C.UTF-8",
    TZ: "UTC",
    PYTHONPATH: PYTHON_SOURCE_DIR,
    PYTHONDONTWRITEBYTECODE: "1",
    AUTH: "true",
    LOG_LEVEL: "WARNING",
    LAMBDA_EXECUTOR: "local",
    MINISTACK_REGION: LOCAL_REGION,
    MINISTACK_ACCOUNT_ID: LOCAL_ACCOUNT_ID,
    // Queue URLs carry it; with `localhost` clients would try ::1 first, where nobody listens.
    MINISTACK_HOST: "127.0.0.1",
    S3_DATA_DIR: join(dataDir, "s3"),
    STATE_DIR: join(dataDir, "state"),
    // Listeners that nothing here uses: 8883 and 2222 would be taken for the whole machine.
    IOT_MTLS_ENABLED: "0",
    SFTP_ENABLED: "0",
    ...options.env,
    STRICT_MINISTACK_DATA_DIR: dataDir,
    STRICT_MINISTACK_PORT: String(options.port ?? 0),
  };
}

/** Lambda functions run on the `node` that PATH finds first: the project's pinned one, else the one running this. */
function nodeDir(): string {
  const pinned = join(REPOSITORY_DIR, "node_modules/.bin");
  return existsSync(join(pinned, "node")) ? pinned : dirname(process.execPath);
}

async function waitUntilReady(child: ChildProcess, dataDir: string, logFile: string): Promise<string> {
  const deadlineMs = Date.now() + START_DEADLINE_MS;
  while (Date.now() < deadlineMs) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
      throw startError("The local AWS ended while it was starting", logFile);
    }
    const port = await readFile(join(dataDir, "port"), "ascii").catch(() => undefined);
    const endpoint = `http://127.0.0.1:${port}`;
    if (port !== undefined && (await isHealthy(endpoint))) return endpoint;
    await delay(POLL_INTERVAL_MS);
  }
  throw startError(`The local AWS wasn't ready after ${START_DEADLINE_MS / 1000} s`, logFile);
}

function startError(what: string, logFile: string): LocalAwsError {
  const log = existsSync(logFile) ? readFileSync(logFile, "utf8").trim() : "";
  const tail = log.split("\n").slice(-LOG_TAIL_LINES).join("\n");
  if (/^port \d+ on 127\.0\.0\.1 can't be used/m.test(tail)) {
    return new LocalAwsError("port_in_use", `${tail}. Stop what uses it, or leave the port out to have a free one.`);
  }
  return new LocalAwsError("emulator_start_failed", `${what}. The end of its log:\n${tail || "(empty)"}`);
}

async function stopEmulator(child: ChildProcess, dataDir: string): Promise<void> {
  if (child.pid !== undefined) {
    // It was unref'd so that a forgotten emulator doesn't keep us running; now we do wait for it.
    child.ref();
    const ended = new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve();
      else child.once("exit", () => resolve());
    });
    signalGroup(child.pid, "SIGTERM");
    await Promise.race([ended, delay(STOP_DEADLINE_MS, undefined, { ref: false })]);
    // Also when the emulator itself is gone: a Lambda function may have ignored SIGTERM.
    signalGroup(child.pid, "SIGKILL");
    await ended;
  }
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: POLL_INTERVAL_MS });
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function residentBytes(pid: number): number {
  const status = `/proc/${pid}/status`;
  const kibibytes = existsSync(status)
    ? /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(status, "utf8"))?.[1]
    : execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" }).trim();
  return Number(kibibytes ?? 0) * 1024;
}

function once(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= run();
    return running;
  };
}
