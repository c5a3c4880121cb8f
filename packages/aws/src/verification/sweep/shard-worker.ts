/** Verifies the tenant keys of one shard. What a run can't end, the next goes on with. */
import {
  asTenantKeysError,
  finding,
  hasItsTurn,
  judgesNothing,
  type Sweep,
  TenantKeysError,
  type VerificationWork,
} from "@tenantkeys/core";
import type { Run } from "../../run.ts";
import type { BulkFacts } from "../inspect-tenant-key.ts";
import type { InspectionDepth, VerifiedTenantKey } from "../ports.ts";
import { closeIfEnded } from "./close-sweep.ts";
import type { ClosePorts } from "./ports.ts";
import { decodeShard, type ShardKey } from "./shard-content.ts";
import type { ShardProgress, ShardWithContent } from "./sweep-store.ts";

export interface ShardPorts extends ClosePorts {
  /** `verifyTenantKeyNow`, with its ports. */
  verifyKey(
    run: Run,
    { tenantId, keyName }: Pick<ShardKey, "tenantId" | "keyName">,
    depth: InspectionDepth,
    bulk?: BulkFacts,
  ): Promise<VerifiedTenantKey>;
}

/** @property closed whether this was the sweep's last shard, and the sweep was ended here */
export type ShardOutcome =
  | { readonly kind: "done"; readonly tenantKeys: number; readonly closed: boolean }
  /** It has come back already, or belongs to lists that were made anew. */
  | { readonly kind: "void"; readonly closed: boolean }
  | { readonly kind: "unfinished"; readonly error: TenantKeysError };

/** Their calls wait for each other's turns anyway; more only lets the slowest ones, of the narrow quotas, wait aside. */
const KEYS_AT_ONCE = 16;
/** A key takes less than this as a rule; one that is begun and not ended is looked at once more. */
const KEY_TIME_MS = 5_000;

/** @throws TenantKeysError where the sweep or the shard can't be read or written */
export async function workShard(
  ports: ShardPorts,
  run: Run,
  { sweepId, shard: number }: Extract<VerificationWork, { readonly kind: "shard" }>,
): Promise<ShardOutcome> {
  const { sweeps } = ports;
  const [sweep, shard] = await Promise.all([sweeps.current(run), sweeps.shard(run, sweepId, number)]);
  if (sweep === undefined || shard === undefined || !isOut(sweep, shard)) {
    // Who ended the last shard may have been stopped before it could close the sweep.
    return { kind: "void", closed: sweep?.sweepId === sweepId && (await closeIfEnded(ports, run, sweep)) };
  }
  const keys = decodeShard(shard.content ?? new Uint8Array());
  const { progress, error } = await verifyKeys(ports, run, sweep, shard, keys);
  if (progress.nextKey < keys.length && error !== undefined) {
    await sweeps.shardReached(run, shard, progress);
    return { kind: "unfinished", error };
  }
  if (!(await sweeps.shardDone(run, shard, progress))) return { kind: "void", closed: false };
  const closed = await closeIfEnded(ports, run, await sweeps.current(run));
  return { kind: "done", tenantKeys: keys.length, closed };
}

function isOut(sweep: Sweep, shard: ShardWithContent): boolean {
  const isOfIt = sweep.sweepId === shard.sweepId && sweep.fence === shard.fence && sweep.phase === "checking";
  return isOfIt && shard.doneAtMs === undefined && shard.lostAtMs === undefined && shard.content !== undefined;
}

/** What each key came to; a run that is stopped counts those only before which none is missing. */
interface KeyResult {
  readonly readsDenied: number;
  readonly verified: boolean;
}

async function verifyKeys(
  ports: ShardPorts,
  run: Run,
  sweep: Sweep,
  shard: ShardWithContent,
  keys: readonly ShardKey[],
): Promise<{ readonly progress: ShardProgress; readonly error: TenantKeysError | undefined }> {
  const results = new Map<number, KeyResult>();
  let next = shard.nextKey;
  let error: TenantKeysError | undefined;
  const workOff = async () => {
    while (error === undefined && next < keys.length) {
      const index = next;
      next += 1;
      try {
        results.set(index, await verifyOne(ports, run, sweep, keys[index] as ShardKey));
      } catch (cause) {
        error ??= asTenantKeysError(cause);
      }
    }
  };
  await Promise.all(Array.from({ length: KEYS_AT_ONCE }, workOff));
  return { progress: progressOf(shard, results), error };
}

function progressOf(shard: ShardWithContent, results: ReadonlyMap<number, KeyResult>): ShardProgress {
  let { nextKey, readsDenied, notVerified } = shard;
  for (let result = results.get(nextKey); result !== undefined; result = results.get(nextKey)) {
    readsDenied += result.readsDenied;
    notVerified += result.verified ? 0 : 1;
    nextKey += 1;
  }
  return { nextKey, readsDenied, notVerified };
}

/** @throws TenantKeysError what strikes every key alike: time, rates, rights of our own, AWS out of reach */
async function verifyOne(ports: ShardPorts, run: Run, sweep: Sweep, key: ShardKey): Promise<KeyResult> {
  if (run.clock.nowMs() + KEY_TIME_MS >= run.deadlineMs) throw timeSpent();
  const { tenantId, keyName, bulk } = key;
  const turn = hasItsTurn(tenantId, keyName, sweep.number, sweep.rounds);
  try {
    const { verdict } = await ports.verifyKey(run, key, { grants: turn, rotations: turn }, bulk);
    const readsDenied = verdict.findings.filter(({ ruleId }) => ruleId === "could-not-verify").length;
    return { readsDenied, verified: !judgesNothing(verdict) };
  } catch (cause) {
    const error = asTenantKeysError(cause);
    if (strikesEveryKey(error)) throw error;
    await recordFailure(ports, run, key, error);
    return { readsDenied: 1, verified: false };
  }
}

function timeSpent(): TenantKeysError {
  const message = "sweep: the worker's time is spent; the next goes on with the shard";
  return new TenantKeysError("deadline_near", message, { step: "sweep" });
}

/** An error that nobody expected may come from this one key, and mustn't hide the others of its shard for ever. */
function strikesEveryKey({ code, retryable }: TenantKeysError): boolean {
  return retryable && code !== "aws_unexpected";
}

/** Opens a finding, and closes none: nothing was judged. */
async function recordFailure(
  { findings }: ShardPorts,
  run: Run,
  { tenantId, keyName }: ShardKey,
  error: TenantKeysError,
): Promise<void> {
  const about = {
    tenantId,
    keyName,
    resource: `${tenantId}/${keyName}`,
    expected: "a verdict",
    seen: `${error.code}: ${error.message}`.slice(0, 1_000),
  };
  await findings.record(run, { tenantId, keyName, judged: [], unjudged: [] }, [finding("could-not-verify", about)]);
}
