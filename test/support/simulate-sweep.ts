/**
 * A simulation: one whole sweep with the functions' own code (turn of the schedule, lister, shard workers, verification of
 * each key) in simulated time, against a model of AWS that answers after a while and counts its request quotas.
 */
import {
  createQuotaShare,
  type FindingStore,
  type Run,
  type SweepPorts,
  sweepTick,
  type VerifyPorts,
  verifyTenantKeyNow,
  workVerificationMessage,
} from "@tenantkeys/aws";
import type { Finding, Sweep } from "@tenantkeys/core";
import { emptySweeps, inMemorySweepStore } from "../../packages/aws/src/verification/sweep/sweep-store.test-support.ts";
import { type ModelledStage, modelledStage } from "./modelled-stage.ts";
import { type OperationUse, QuotaModel } from "./quota-model.ts";
import { VirtualClock } from "./virtual-clock.ts";

export const LAMBDA_MEMORY_MIB = 512;

const START_MS = Date.UTC(2026, 10, 24);
/** As stacks/verification.ts has them. */
const SWEEP_TIMEOUT_MS = 900_000;
const VERIFY_TIMEOUT_MS = 300_000;
const GUARD_CONCURRENCY = 2;
/** A function's start, before its first message. */
const COLD_START_MS = 800;
const POLL_MS = 20;
const DYNAMODB_MS = 6;

export interface SimulatedSweep {
  readonly sweep: Sweep;
  readonly seconds: number;
  readonly listingSeconds: number;
  readonly tenantKeys: number;
  readonly functions: number;
  readonly uses: readonly OperationUse[];
  readonly findings: readonly Finding[];
  /** Tenant keys of which a judgement was recorded. */
  readonly recorded: number;
}

export async function simulateSweep(size: {
  readonly tenants: number;
  readonly keysEach: number;
  readonly settings?: object;
}): Promise<SimulatedSweep> {
  const clock = new VirtualClock(START_MS);
  const model = new QuotaModel(clock);
  const stage = modelledStage(model, START_MS, size);
  const simulation = createSimulation(stage, model, clock);
  await clock.until(simulation.run());
  const { held, findings, recorded } = simulation;
  const sweep = held.current as Sweep;
  return {
    sweep,
    seconds: ((sweep.endedAtMs ?? Number.NaN) - sweep.startedAtMs) / 1_000,
    listingSeconds: ((sweep.listedAtMs ?? Number.NaN) - sweep.startedAtMs) / 1_000,
    tenantKeys: stage.tenantKeys,
    functions: stage.settings.verifyConcurrency,
    uses: model.uses(),
    findings,
    recorded: recorded.size,
  };
}

function createSimulation(stage: ModelledStage, model: QuotaModel, clock: VirtualClock) {
  const held = emptySweeps();
  const findings: Finding[] = [];
  const recorded = new Set<string>();
  const written = (operation: string) => model.call(`dynamodb:${operation}`, DYNAMODB_MS);
  const store: FindingStore = {
    async record(_run, { tenantId, keyName }, found) {
      await written("Query");
      if (keyName !== undefined) recorded.add(`${tenantId}/${keyName}`);
      findings.push(...found);
      return { opened: [], stillOpen: [], closed: [] };
    },
    openOfTenant: async () => [],
    async *listOpen() {},
    history: async () => [],
  };
  const sweeps = inMemorySweepStore(held, async (name, effect) => {
    await written(name);
    return effect();
  });
  const repair = async () => ({ asked: [], waiting: [], beyond: [] });
  const closing = { sweeps, findings: store, metrics: { put: () => written("PutMetricData") }, repair };
  const { clients, settings, context } = stage;
  const sweepPorts: SweepPorts = {
    ...closing,
    clients,
    observing: clients,
    quota: createQuotaShare(settings.sweepQuotaShare, 1),
    settings,
    context,
    tableName: "registry",
    queueUrl: "queue",
    leaseDurationMs: SWEEP_TIMEOUT_MS,
    newSweepId: () => "sweep-1",
  };
  const run = (durationMs: number): Run => ({
    clock,
    deadlineMs: clock.nowMs() + durationMs,
    signal: new AbortController().signal,
  });
  const worker = async () => {
    const ports = verifyPorts(stage, store, written);
    await clock.sleep(COLD_START_MS);
    while (held.current?.phase !== "closed") {
      const body = stage.queue.shift();
      if (body === undefined) {
        await clock.sleep(POLL_MS);
        continue;
      }
      const delivery = { messageId: "m", body, receiptHandle: "r", receiveCount: 1, queueUrl: undefined };
      const verifyKey = (
        ofKey: Run,
        { tenantId, keyName }: Parameters<Parameters<typeof workVerificationMessage>[0]["verifyKey"]>[1],
        ...depth: readonly unknown[]
      ) => verifyTenantKeyNow(ports, ofKey, tenantId, keyName, ...(depth as [never, never]));
      const guard = () => Promise.reject(new Error("nobody touches a key"));
      const all = { ...closing, clients, registry: ports.registry, verifyKey, guard };
      const outcome = await workVerificationMessage(all, run(VERIFY_TIMEOUT_MS), delivery);
      if (outcome.kind !== "done") throw outcome.error;
    }
  };
  return {
    held,
    findings,
    recorded,
    async run() {
      await sweepTick(sweepPorts, run(SWEEP_TIMEOUT_MS));
      await Promise.all(Array.from({ length: settings.verifyConcurrency }, worker));
    },
  };
}

/** Of one function: its rates are its own. */
function verifyPorts(
  stage: ModelledStage,
  findings: FindingStore,
  written: (operation: string) => Promise<void>,
): VerifyPorts {
  const { clients, settings, context } = stage;
  const never = () => Promise.reject(new Error("the checker changes nothing"));
  return {
    observing: clients,
    observingIn: () => clients,
    registry: {
      declare: never,
      putTenant: never,
      replace: never,
      async get(_run, tenantId, keyName) {
        await written("GetItem");
        return stage.keysOfTenant(tenantId).find((record) => record.keyName === keyName);
      },
      async getTenant(_run, tenantId) {
        await written("GetItem");
        return stage.tenant(tenantId);
      },
      async keysOfTenant(_run, tenantId) {
        await written("Query");
        return stage.keysOfTenant(tenantId);
      },
    },
    findings,
    statuses: {
      record: () => written("PutItem"),
      get: async () => undefined,
      ofTenant: async () => [],
    },
    publisher: { publishReply: never, publishKept: never } as never,
    quota: createQuotaShare(settings.sweepQuotaShare, settings.verifyConcurrency + GUARD_CONCURRENCY),
    settings,
    context,
  };
}
