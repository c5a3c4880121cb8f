/** What listing 100,000 tenant keys takes, in a process of its own with the memory of the function. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { LAMBDA_MEMORY_MIB } from "./simulate-sweep.ts";

/** Of the function's memory: the rest is for code, buffers of connections and V8's young generation. 220 were enough. */
const HEAP_MIB = LAMBDA_MEMORY_MIB - 192;

export interface ListerMemory {
  readonly tenantKeys: number;
  readonly shards: number;
  readonly heapBeforeMiB: number;
  readonly heapPeakMiB: number;
  readonly residentPeakMiB: number;
}

/** @throws Error where the process ran out of memory, or failed otherwise */
export function listerMemory(): ListerMemory {
  const script = join(import.meta.dirname, "list-in-little-memory.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [`--max-old-space-size=${HEAP_MIB}`, script], {
    encoding: "utf8",
  });
  if (status === 0) return JSON.parse(stdout);
  throw new Error(`listing in ${HEAP_MIB} MiB of heap ended with ${status}: ${stderr.slice(-2_000)}`);
}
