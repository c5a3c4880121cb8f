/** A thousand sign-ups through bus, queue and Lambda, beside the naive script's tenants per second. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { PutEventsCommand } from "@aws-sdk/client-eventbridge";
import {
  GetFunctionConfigurationCommand,
  LambdaClient,
  UpdateFunctionConfigurationCommand,
} from "@aws-sdk/client-lambda";
import { GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import {
  type Clients,
  clientConfig,
  createClients,
  destroyClients,
  listKeys,
  PUT_EVENTS_ENTRIES_MAX,
  startRun,
  systemClock,
} from "@tenantkeys/aws";
import { type KeyProfile, stageNames } from "@tenantkeys/core";
import { type LocalStage, startLocalStage } from "@tenantkeys/local";
import { provisionerCredentials } from "../test/support/provisioner.ts";
import type { Benchmark, BenchmarkOptions, BenchmarkResult } from "./benchmark.ts";
import { type Comparison, compare } from "./comparison.ts";
import { type DelayedEndpoint, delayedEndpoint } from "./delayed-endpoint.ts";
import { naiveSignUp } from "./naive-sign-up.ts";
import { interleave, type Readings, type Side } from "./rounds.ts";

const DELAYS_MS = [0, 50] as const;
const ROUNDS = 3;
const SIGN_UPS = 1000;
/** The naive script's tenants per round: enough for several seconds of it. */
const NAIVE_TENANTS: Readonly<Record<(typeof DELAYS_MS)[number], number>> = { 0: 400, 50: 40 };
/** Starts every worker and fills its caches. */
const WARM_UP_SIGN_UPS = 100;
const TARGETS = { 0: { atLeast: 0.8 }, 50: { atLeast: 4 } } as const;

/**
 * As after a quota increase: AWS's default of 5 CreateKey a second would be all that one could measure. Two cores carry the
 * emulator and the workers: 4 workers did better than 2 and 8 in short trial runs, which weren't on a quiet machine.
 */
const SETTINGS = { createKeyRatePerSecond: 1000, maximumConcurrency: 4, batchSize: 10 };

/** PutEvents calls under way at once, as from an application that signs up several tenants at a time. */
const PUBLISHERS = 4;
/** Asking for the queue's depth costs the emulator next to nothing; when a key became active is in its record. */
const POLL_MS = 250;
const DEADLINE_MS = 300_000;

export const throughput: Benchmark = {
  name: "throughput",
  title: "1,000 sign-ups through bus, queue and Lambda, beside the naive script",
  async run(options) {
    const comparisons: Comparison[] = [];
    for (const delayMs of DELAYS_MS) {
      const stage = await startLocalStage({ settings: SETTINGS, onProgress: options.onProgress });
      const delayed = await delayedEndpoint(stage.emulator.endpoint, delayMs);
      try {
        comparisons.push(await compareAt(stage, delayed, delayMs, options));
      } finally {
        await delayed.stop();
        await stage.stop();
      }
    }
    return { comparisons, settings: settingsUsed() };
  },
};

function settingsUsed(): BenchmarkResult["settings"] {
  return {
    rounds: ROUNDS,
    signUps: SIGN_UPS,
    naiveTenants: NAIVE_TENANTS,
    warmUpSignUps: WARM_UP_SIGN_UPS,
    ...SETTINGS,
  };
}

async function compareAt(
  stage: LocalStage,
  delayed: DelayedEndpoint,
  delayMs: (typeof DELAYS_MS)[number],
  options: BenchmarkOptions,
): Promise<Comparison> {
  await moveFunction(stage, delayed.endpoint);
  const at = { endpoint: delayed.endpoint, region: stage.region };
  const application = createClients({ ...at, credentials: stage.emulator.credentials });
  const naive = createClients({ ...at, credentials: await provisionerCredentials(stage) });
  const signUps = options.quick ? 100 : SIGN_UPS;
  const naiveTenants = options.quick ? 10 : NAIVE_TENANTS[delayMs];
  const sides: readonly Side[] = [
    { name: "naive script", measure: (round) => naiveRate(stage, naive, `n-${round}`, naiveTenants) },
    { name: "tenantkeys", measure: (round) => productRate(stage, application, `p-${round}`, signUps) },
  ];
  try {
    await productRate(stage, application, "warm", WARM_UP_SIGN_UPS);
    await naiveRate(stage, naive, "n-warm", 10);
    const rounds = options.quick ? 1 : ROUNDS;
    const readings = await interleave(rounds, sides, (round, side, { product, naive: script }) =>
      options.onProgress(
        `${delayMs} ms, round ${round} of ${rounds}: ${side} ${(product ?? script)?.toFixed(1)} per s`,
      ),
    );
    const name = `through bus, queue and Lambda, at ${delayMs} ms per call`;
    return compare(name, "sign-ups per s", readings.product, readings.naive, TARGETS[delayMs]);
  } finally {
    destroyClients(application);
    destroyClients(naive);
  }
}

/** Lets the function reach AWS through another endpoint: its own setting wins over the one that the emulator gives it. */
async function moveFunction(stage: LocalStage, endpoint: string): Promise<void> {
  const FunctionName = stageNames(stage.settings.stage).provisionFunction;
  const lambda = new LambdaClient(clientConfig({ ...stage.at, credentials: stage.emulator.credentials }));
  try {
    const { Environment } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
    const Variables = { ...Environment?.Variables, AWS_ENDPOINT_URL: endpoint };
    await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables } }));
  } finally {
    lambda.destroy();
  }
}

async function naiveRate(stage: LocalStage, clients: Clients, prefix: string, tenants: number): Promise<Readings> {
  const profile = stage.settings.profiles.default as KeyProfile;
  const startMs = performance.now();
  for (let n = 0; n < tenants; n++) {
    await naiveSignUp(clients, stage.context, profile, `${prefix}-${n}`, randomUUID());
  }
  return { naive: (1000 * tenants) / (performance.now() - startMs) };
}

/** From the first sign-up's publishing until the last key is active. */
async function productRate(
  stage: LocalStage,
  application: Clients,
  prefix: string,
  signUps: number,
): Promise<Readings> {
  const startedAtMs = Date.now();
  await publish(stage, application, prefix, signUps);
  const lastActiveAtMs = await waitUntilActive(stage, `${prefix}-`, signUps);
  return { product: (1000 * signUps) / (lastActiveAtMs - startedAtMs) };
}

async function publish(stage: LocalStage, application: Clients, prefix: string, signUps: number): Promise<void> {
  const { bus } = stageNames(stage.settings.stage);
  let next = 0;
  const publisher = async () => {
    while (next < signUps) {
      const first = next;
      next = Math.min(signUps, first + PUT_EVENTS_ENTRIES_MAX);
      const Entries = Array.from({ length: next - first }, (_, n) => ({
        EventBusName: bus,
        Source: "tenantkeys.application",
        DetailType: "TenantSignedUp",
        Detail: JSON.stringify({ version: "1", tenantId: `${prefix}-${first + n}` }),
      }));
      const { FailedEntryCount } = await application.eventBridge.send(new PutEventsCommand({ Entries }));
      if (FailedEntryCount) throw new Error(`the bus refused ${FailedEntryCount} of ${Entries.length} sign-ups`);
    }
  };
  await Promise.all(Array.from({ length: PUBLISHERS }, publisher));
}

/**
 * Reads the registry only while the queue is empty, as reading takes the emulator's time away from the workers. When each
 * key became active is in its record, so it doesn't matter how late this notices.
 * @returns when the last became active, in epoch milliseconds
 * @throws Error where not all are after 5 minutes
 */
async function waitUntilActive(stage: LocalStage, prefix: string, signUps: number): Promise<number> {
  const deadlineMs = Date.now() + DEADLINE_MS;
  for (;;) {
    await delay(POLL_MS);
    if ((await queueDepth(stage)) === 0) {
      const active = await readActive(stage, prefix);
      if (active.length === signUps) return active.reduce((last, atMs) => Math.max(last, atMs), 0);
    }
    if (Date.now() > deadlineMs) throw new Error(`not all of ${signUps} sign-ups are active after ${DEADLINE_MS} ms`);
  }
}

/** Messages waiting and in work. */
async function queueDepth(stage: LocalStage): Promise<number> {
  const QueueUrl = `${stage.emulator.endpoint}/${stage.accountId}/${stageNames(stage.settings.stage).queue}`;
  const { Attributes = {} } = await stage.root.sqs.send(
    new GetQueueAttributesCommand({
      QueueUrl,
      AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    }),
  );
  return Object.values(Attributes).reduce((sum, count) => sum + Number(count), 0);
}

/** When each active key of these tenants became so. */
async function readActive(stage: LocalStage, prefix: string): Promise<readonly number[]> {
  const table = stageNames(stage.settings.stage).registryTable;
  const run = startRun(systemClock, 60_000, 1_000);
  const activeAtMs: number[] = [];
  for await (const record of listKeys(stage.root, run, table, { state: "active" })) {
    if (record.tenantId.startsWith(prefix)) activeAtMs.push(record.activeAtMs ?? Number.NaN);
  }
  return activeAtMs;
}
