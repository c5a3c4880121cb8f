import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { LocalAwsError } from "./errors.ts";

/** A server of ours on 127.0.0.1. */
export interface ServerProcess {
  readonly endpoint: string;
  readonly pid: number;
  /** Ends the server and its child processes and removes its files. Safe to call twice. */
  stop(): Promise<void>;
}

export interface ServerProgram {
  /** For messages, such as "The local AWS". */
  readonly name: string;
  readonly pythonPath: string;
  /** It writes its port to the file `port` in its directory, and ends when its stdin closes. */
  readonly module: string;
  /** Its directory's name starts with this; it goes when the server ends. */
  readonly directoryPrefix: string;
  /** The whole environment of the process. */
  environment(dataDir: string): Record<string, string>;
  isReady(endpoint: string): Promise<boolean>;
  /** Default: in the server's own directory. */
  readonly logFile?: string | undefined;
}

/** About 1 s on two cores; a loaded CI machine may take ten times that. */
const START_DEADLINE_MS = 30_000;
const POLL_INTERVAL_MS = 50;
const STOP_DEADLINE_MS = 3_000;
const LOG_TAIL_LINES = 20;

/**
 * Starts a server in its own process group and directory. It ends with `stop()`, and by itself when this process ends in
 * any way.
 *
 * @throws LocalAwsError `port_in_use` or `emulator_start_failed`, with the end of the server's log
 */
export async function startServerProcess(program: ServerProgram): Promise<ServerProcess> {
  const dataDir = await mkdtemp(join(tmpdir(), program.directoryPrefix));
  await mkdir(join(dataDir, "tmp"));
  const logFile = program.logFile ?? join(dataDir, "emulator.log");
  const child = spawnServer(program, dataDir, logFile);
  const stop = once(() => stopServer(child, dataDir));
  try {
    const endpoint = await waitUntilReady(program, child, dataDir, logFile);
    return { endpoint, pid: child.pid as number, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function spawnServer(program: ServerProgram, dataDir: string, logFile: string): ChildProcess {
  const log = openSync(logFile, "a");
  try {
    const child = spawn(program.pythonPath, ["-m", program.module], {
      cwd: dataDir,
      env: program.environment(dataDir),
      stdio: ["pipe", log, log],
      // A process group of its own, so that stop() reaches the Lambda functions as well.
      detached: true,
    });
    // Nobody writes to its stdin: the server ends when the pipe closes, and that is how it notices our end.
    child.stdin?.on("error", () => {});
    (child.stdin as { unref?: () => void } | null)?.unref?.();
    child.on("error", () => {});
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

async function waitUntilReady(
  program: ServerProgram,
  child: ChildProcess,
  dataDir: string,
  logFile: string,
): Promise<string> {
  const deadlineMs = Date.now() + START_DEADLINE_MS;
  while (Date.now() < deadlineMs) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
      throw startError(`${program.name} ended while it was starting`, logFile);
    }
    const port = await readFile(join(dataDir, "port"), "ascii").catch(() => undefined);
    const endpoint = `http://127.0.0.1:${port}`;
    if (port !== undefined && (await program.isReady(endpoint))) return endpoint;
    await delay(POLL_INTERVAL_MS);
  }
  throw startError(`${program.name} wasn't ready after ${START_DEADLINE_MS / 1000} s`, logFile);
}

function startError(what: string, logFile: string): LocalAwsError {
  const log = existsSync(logFile) ? readFileSync(logFile, "utf8").trim() : "";
  const tail = log.split("\n").slice(-LOG_TAIL_LINES).join("\n");
  if (/^port \d+ on 127\.0\.0\.1 can't be used/m.test(tail)) {
    return new LocalAwsError("port_in_use", `${tail}. Stop what uses it, or leave the port out to have a free one.`);
  }
  return new LocalAwsError("emulator_start_failed", `${what}. The end of its log:\n${tail || "(empty)"}`);
}

async function stopServer(child: ChildProcess, dataDir: string): Promise<void> {
  if (child.pid !== undefined) {
    // It was unref'd so that a forgotten server doesn't keep us running; now we do wait for it.
    child.ref();
    const ended = new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve();
      else child.once("exit", () => resolve());
    });
    signalGroup(child.pid, "SIGTERM");
    await Promise.race([ended, delay(STOP_DEADLINE_MS, undefined, { ref: false })]);
    // Also when the server itself is gone: a Lambda function may have ignored SIGTERM.
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

function once(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= run();
    return running;
  };
}
