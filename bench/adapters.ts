/** Sign-up to active through domain and adapters, in this process, beside the naive script. */
import { randomUUID } from "node:crypto";
import { createClients, destroyClients, provisionTenantKey, type WorkerPorts } from "@tenantkeys/aws";
import type { KeyProfile } from "@tenantkeys/core";
import { type LocalStage, startLocalStage } from "@tenantkeys/local";
import {
  declarationOf,
  type ProvisionerInput,
  provisionerCredentials,
  provisionerPorts,
  testRun,
} from "../test/support/provisioner.ts";
import type { Benchmark, BenchmarkOptions, BenchmarkResult } from "./benchmark.ts";
import { type Comparison, compare } from "./comparison.ts";
import { delayedEndpoint } from "./delayed-endpoint.ts";
import { naiveSignUp } from "./naive-sign-up.ts";
import { interleave, type Readings, type Side } from "./rounds.ts";

const DELAYS_MS = [0, 50] as const;
/** Many short rounds: the two sides then see the same of whatever else the machine does. */
const ROUNDS = 9;
const WARM_UP_TENANTS = 10;
/** Per side and round; at 50 ms a naive sign-up takes a third of a second. */
const TENANTS: Readonly<Record<(typeof DELAYS_MS)[number], number>> = { 0: 100, 50: 10 };
/** What one message batch of the worker holds at most. */
const BATCH = 10;

export const adapters: Benchmark = {
  name: "adapters",
  title: "Sign-up to active through domain and adapters, beside the naive script",
  async run(options) {
    const stage = await startLocalStage({ onProgress: options.onProgress });
    try {
      return await measure(stage, options);
    } finally {
      await stage.stop();
    }
  },
};

async function measure(stage: LocalStage, options: BenchmarkOptions): Promise<BenchmarkResult> {
  const rounds = options.quick ? 1 : ROUNDS;
  const comparisons: Comparison[] = [];
  const credentials = await provisionerCredentials(stage);
  const { region, settings, context } = stage;
  for (const delayMs of DELAYS_MS) {
    const tenants = options.quick ? BATCH : TENANTS[delayMs];
    const delayed = await delayedEndpoint(stage.emulator.endpoint, delayMs);
    try {
      const input = { at: { endpoint: delayed.endpoint, region }, credentials, settings, context };
      comparisons.push(...(await compareAt(input, delayMs, tenants, rounds, options)));
    } finally {
      await delayed.stop();
    }
  }
  return { comparisons, settings: { rounds, tenantsPerRound: TENANTS, batch: BATCH, warmUpTenants: WARM_UP_TENANTS } };
}

async function compareAt(
  input: ProvisionerInput,
  delayMs: number,
  tenants: number,
  rounds: number,
  options: BenchmarkOptions,
): Promise<readonly Comparison[]> {
  const naiveClients = createClients({ ...input.at, credentials: input.credentials });
  const ports = provisionerPorts(input);
  const profile = input.settings.profiles.default as KeyProfile;
  const naiveOneByOne = async (prefix: string, count: number) => {
    const startMs = performance.now();
    for (let n = 0; n < count; n++) {
      await naiveSignUp(naiveClients, input.context, profile, `${prefix}-${n}`, randomUUID());
    }
    return { naive: (performance.now() - startMs) / count };
  };
  /** Tenants are named after the phase: nobody signs up twice. */
  const sides = (phase: string, count: number): readonly Side[] => [
    { name: "naive script", measure: (round) => naiveOneByOne(`${phase}-n-${round}`, count) },
    { name: "tenantkeys", measure: (round) => oneByOne(ports, `${phase}-p-${round}`, count) },
    { name: "tenantkeys, ten at a time", measure: (round) => tenAtATime(ports, `${phase}-b-${round}`, count) },
  ];
  try {
    await interleave(1, sides(`warm${delayMs}`, WARM_UP_TENANTS), () => {});
    const readings = await interleave(rounds, sides(`delay${delayMs}`, tenants), (round, side) =>
      options.onProgress(`${delayMs} ms, round ${round} of ${rounds}: ${side}`),
    );
    const at = `at ${delayMs} ms per call`;
    const unit = "ms per sign-up";
    return [
      compare(`to active, ${at}`, unit, readings.active, readings.naive, delayMs === 50 ? { atMost: 0.85 } : undefined),
      compare(`to active and announced on the bus, ${at}`, unit, readings.announced, readings.naive),
      compare(
        `to active and announced, ten side by side as in one batch of the worker, ${at}`,
        unit,
        readings.batched,
        readings.naive,
      ),
    ];
  } finally {
    destroyClients(naiveClients);
    destroyClients(ports.clients);
  }
}

/** One sign-up after another, as the naive script works. A key is active once that is in the registry; the reply follows. */
async function oneByOne(ports: WorkerPorts, prefix: string, count: number): Promise<Readings> {
  let activeMs = 0;
  let announcedMs = 0;
  for (let n = 0; n < count; n++) {
    const startMs = performance.now();
    const publisher: WorkerPorts["publisher"] = {
      publishReply(run, reply) {
        activeMs += performance.now() - startMs;
        return ports.publisher.publishReply(run, reply);
      },
    };
    await provisionTenantKey({ ...ports, publisher }, testRun(), declarationOf(`${prefix}-${n}`));
    announcedMs += performance.now() - startMs;
  }
  return { active: activeMs / count, announced: announcedMs / count };
}

async function tenAtATime(ports: WorkerPorts, prefix: string, count: number): Promise<Readings> {
  const startMs = performance.now();
  for (let first = 0; first < count; first += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, count - first) }, (_, n) => `${prefix}-${first + n}`);
    await Promise.all(batch.map((tenant) => provisionTenantKey(ports, testRun(), declarationOf(tenant))));
  }
  return { batched: (performance.now() - startMs) / count };
}
