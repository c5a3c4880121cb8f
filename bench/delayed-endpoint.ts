/** An AWS endpoint, farther away: behind a delaying proxy in a process of its own, so that its timers wait for nobody else. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

export interface DelayedEndpoint {
  readonly endpoint: string;
  stop(): Promise<void>;
}

const START_DEADLINE_MS = 10_000;

/**
 * @param delayMs added to each request; 0 gives the endpoint itself, without a proxy
 * @throws Error where the proxy doesn't start within 10 s
 */
export async function delayedEndpoint(endpoint: string, delayMs: number): Promise<DelayedEndpoint> {
  if (delayMs === 0) return { endpoint, stop: async () => {} };
  const { hostname, port } = new URL(endpoint);
  const options = JSON.stringify({ host: hostname, port: Number(port), delayMs });
  const child = fork(join(import.meta.dirname, "delaying-proxy-process.ts"), [options]);
  try {
    const [message] = await once(child, "message", { signal: AbortSignal.timeout(START_DEADLINE_MS) });
    return { endpoint: `http://127.0.0.1:${(message as { port: number }).port}`, stop: () => end(child) };
  } catch (cause) {
    await end(child);
    throw new Error(`the delaying proxy for ${endpoint} didn't start`, { cause });
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill();
  await exited;
}
