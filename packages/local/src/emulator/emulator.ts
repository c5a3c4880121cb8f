import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { checkEndpoint, isHealthy } from "./health.ts";
import { ensurePythonEnvironment, LOCAL_CACHE_DIR, PYTHON_SOURCE_DIR } from "./python-environment.ts";
import { startServerProcess } from "./server-process.ts";

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
    cacheDir: LOCAL_CACHE_DIR,
    ...(options.onProgress && { onProgress: options.onProgress }),
  });
  options.onProgress?.("starting the local AWS");
  const { endpoint, pid, stop } = await startServerProcess({
    name: "The local AWS",
    pythonPath,
    module: "strict_ministack",
    directoryPrefix: "tenantkeys-aws-",
    environment: (dataDir) => environment(dataDir, options),
    isReady: isHealthy,
    logFile: options.logFile,
  });
  return { ...identity(endpoint), pid, memoryBytes: () => residentBytes(pid), stop };
}

function identity(endpoint: string) {
  return { endpoint, region: LOCAL_REGION, accountId: LOCAL_ACCOUNT_ID, credentials: LOCAL_CREDENTIALS };
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

function residentBytes(pid: number): number {
  const status = `/proc/${pid}/status`;
  const kibibytes = existsSync(status)
    ? /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(status, "utf8"))?.[1]
    : execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" }).trim();
  return Number(kibibytes ?? 0) * 1024;
}
