/** One turn of the schedule: starts a sweep that is due, goes on with one that stopped half way, ends one that is done. */
import {
  decideTick,
  isOverdue,
  type Sweep,
  shardTimeoutMs,
  type TenantKeysError,
  verificationMessage,
} from "@tenantkeys/core";
import { checkDeadline, type Run } from "../../run.ts";
import { sendMessages } from "../../send-messages.ts";
import { closeIfEnded, reportOverdue } from "./close-sweep.ts";
import { listEverything, overtaken } from "./lister.ts";
import type { SweepPorts } from "./ports.ts";
import type { Shard } from "./sweep-store.ts";

/** A shard that doesn't come back from as many sends is lost. */
export const SHARD_SENDS_MAX = 3;

export interface TickOutcome {
  readonly did: "listed" | "sent again" | "looked after shards" | "closed" | "waited" | "nothing: another was first";
  readonly sweepId?: string | undefined;
  readonly shards?: number | undefined;
  readonly shardsSentAgain?: number | undefined;
  readonly shardsLost?: number | undefined;
  readonly overdue: boolean;
}

/**
 * @throws TenantKeysError where something couldn't be read, written or sent: Lambda's own error count shows it, and the
 *   next turn goes on
 */
export async function sweepTick(ports: SweepPorts, run: Run): Promise<TickOutcome> {
  const sweep = await ports.sweeps.current(run);
  const intervalMs = ports.settings.sweepIntervalMinutes * 60_000;
  const overdue = isOverdue(sweep, run.clock.nowMs(), intervalMs);
  if (sweep !== undefined && overdue) {
    const since = sweep.startedAtMs;
    await reportOverdue(
      ports.findings,
      run,
      since,
      `sweep ${sweep.sweepId} goes on since ${new Date(since).toISOString()}`,
    );
  }
  return { ...(await turn(ports, run, sweep, intervalMs)), overdue };
}

type Turn = Omit<TickOutcome, "overdue">;

const OVERTAKEN: Turn = { did: "nothing: another was first" };

async function turn(ports: SweepPorts, run: Run, sweep: Sweep | undefined, intervalMs: number): Promise<Turn> {
  const decision = decideTick(sweep, run.clock.nowMs(), intervalMs);
  if (decision.kind === "start") return start(ports, run, sweep, decision.missed);
  // Of no sweep at all the only decision is to start one.
  const known = sweep as Sweep;
  switch (decision.kind) {
    case "list-again":
      return listAgain(ports, run, known);
    case "send-again":
      return sendAgain(ports, run, known);
    case "look-after-shards":
      return lookAfterShards(ports, run, known);
    case "close":
      return (await closeIfEnded(ports, run, known)) ? { did: "closed", sweepId: known.sweepId } : OVERTAKEN;
    case "wait":
      return { did: "waited", sweepId: known.sweepId };
  }
}

async function start(ports: SweepPorts, run: Run, last: Sweep | undefined, missed: boolean): Promise<Turn> {
  const nowMs = run.clock.nowMs();
  const sweep: Sweep = {
    sweepId: ports.newSweepId(),
    number: (last?.number ?? 0) + 1,
    phase: "listing",
    fence: (last?.fence ?? 0) + 1,
    leaseUntilMs: nowMs + ports.leaseDurationMs,
    startedAtMs: nowMs,
    previousSweepId: last?.sweepId,
    shards: 0,
    shardsDone: 0,
    shardsLost: 0,
    tenantKeys: 0,
    tenants: 0,
    tenantKeysVerified: 0,
    tenantsVerified: 0,
    readsDenied: 0,
    pagesCut: 0,
    rounds: last?.rounds ?? 1,
  };
  if (!(await ports.sweeps.begin(run, sweep, last))) return OVERTAKEN;
  return list(ports, run, sweep, missed ? last?.startedAtMs : undefined);
}

async function listAgain(ports: SweepPorts, run: Run, known: Sweep): Promise<Turn> {
  const leaseUntilMs = run.clock.nowMs() + ports.leaseDurationMs;
  if (!(await ports.sweeps.listAgain(run, known, leaseUntilMs))) return OVERTAKEN;
  return list(ports, run, { ...known, leaseUntilMs, fence: known.fence + 1 });
}

/** Under the lease. Who fails gives it back, so that the next turn needn't wait for its end. */
async function list(ports: SweepPorts, run: Run, sweep: Sweep, missedSince?: number): Promise<Turn> {
  return givingUp(ports, run, sweep, async () => {
    if (missedSince !== undefined) {
      await reportOverdue(ports.findings, run, missedSince, "the schedule started none for more than two intervals");
    }
    const listed = await listEverything(ports, run, sweep);
    if (!(await ports.sweeps.listed(run, sweep, listed))) throw overtaken(sweep);
    const checking: Sweep = { ...sweep, ...listed, phase: "checking" };
    if (listed.shards === 0) await closeIfEnded(ports, run, checking);
    else
      await sendAll(
        ports,
        run,
        checking,
        Array.from({ length: listed.shards }, (_, shard) => shard),
      );
    return { did: "listed", sweepId: sweep.sweepId, shards: listed.shards };
  });
}

/** The lister was stopped before it had sent everything. What it had sent comes twice, which changes nothing. */
async function sendAgain(ports: SweepPorts, run: Run, known: Sweep): Promise<Turn> {
  const leaseUntilMs = run.clock.nowMs() + ports.leaseDurationMs;
  if (!(await ports.sweeps.sendAgain(run, known, leaseUntilMs))) return OVERTAKEN;
  const sweep = { ...known, leaseUntilMs };
  return givingUp(ports, run, sweep, async () => {
    const shards: number[] = [];
    for await (const { shard } of ports.sweeps.shardsOut(run, sweep)) shards.push(shard);
    await sendAll(ports, run, sweep, shards);
    return { did: "sent again", sweepId: sweep.sweepId, shardsSentAgain: shards.length };
  });
}

async function givingUp(ports: SweepPorts, run: Run, sweep: Sweep, work: () => Promise<Turn>): Promise<Turn> {
  try {
    return await work();
  } catch (error) {
    // By whichever phase it is in now; where that can't be written either, the lease ends by itself.
    for (const phase of ["listing", "checking"] as const) {
      await ports.sweeps.giveUp(run, { ...sweep, phase }).catch(() => false);
    }
    throw error;
  }
}

async function sendAll(ports: SweepPorts, run: Run, sweep: Sweep, shards: readonly number[]): Promise<void> {
  const error = await send(ports, run, sweep.sweepId, shards);
  if (error !== undefined) throw error;
  await ports.sweeps.sent(run, sweep);
}

async function send(
  { clients, queueUrl }: SweepPorts,
  run: Run,
  sweepId: string,
  shards: readonly number[],
): Promise<TenantKeysError | undefined> {
  const bodies = shards.map((shard) => verificationMessage({ kind: "shard", sweepId, shard }));
  return (await sendMessages(clients.sqs, run, queueUrl, bodies, "shards")).error;
}

/** Shards that are out for longer than their time are sent again, and given up after the last send. */
async function lookAfterShards(ports: SweepPorts, run: Run, sweep: Sweep): Promise<Turn> {
  const timeoutMs = shardTimeoutMs(sweep.tenantKeys, ports.settings.sweepQuotaShare);
  const again: number[] = [];
  let lost = 0;
  for await (const shard of ports.sweeps.shardsOut(run, sweep)) {
    checkDeadline(run, "sweep");
    const outSinceMs = Math.max(shard.sentAtMs, sweep.sentAtMs ?? 0);
    if (run.clock.nowMs() - outSinceMs < timeoutMs) continue;
    const end = await sendAgainOrLose(ports, run, shard);
    if (end === "again") again.push(shard.shard);
    else if (end === "lost") lost += 1;
  }
  const error = await send(ports, run, sweep.sweepId, again);
  if (error !== undefined) throw error;
  if (lost > 0) await closeIfEnded(ports, run, await ports.sweeps.current(run));
  return { did: "looked after shards", sweepId: sweep.sweepId, shardsSentAgain: again.length, shardsLost: lost };
}

async function sendAgainOrLose({ sweeps }: SweepPorts, run: Run, shard: Shard): Promise<"again" | "lost" | "other"> {
  if (shard.sends < SHARD_SENDS_MAX) return (await sweeps.shardSentAgain(run, shard)) ? "again" : "other";
  return (await sweeps.shardLost(run, shard)) ? "lost" : "other";
}
