import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import { type CanaryRun, type CanaryState, canaryAttempts, DAY_MS } from "@tenantkeys/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../../../local/src/emulator/index.ts";
import { type Clients, createClients, destroyClients } from "../clients.ts";
import { startRun, systemClock } from "../run.ts";
import { type CanaryStore, createCanaryStore } from "./canary-store.ts";

const TABLE = "canary-runs";

let emulator: Emulator;
let clients: Clients;
let store: CanaryStore;
let nowMs = 1_795_478_400_000;

const run = () => ({ ...startRun(systemClock, 60_000, 1_000), clock: { ...systemClock, nowMs: () => nowMs } });

beforeAll(async () => {
  emulator = await startEmulator();
  const { endpoint, region, credentials } = emulator;
  clients = createClients({ endpoint, region, credentials });
  await clients.documents.send(
    new CreateTableCommand({
      TableName: TABLE,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [
        { AttributeName: "pk", AttributeType: "S" },
        { AttributeName: "sk", AttributeType: "S" },
      ],
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
    }),
  );
  store = createCanaryStore(clients, TABLE);
}, 120_000);

afterAll(async () => {
  destroyClients(clients);
  await emulator.stop();
});

const canaryRun = (state: CanaryState, startedAtMs = nowMs): CanaryRun => ({
  startedAtMs,
  endedAtMs: startedAtMs + 900,
  state,
  attempts: canaryAttempts("per-tenant").map((attempt) => ({ ...attempt, result: "refused", reason: "AccessDenied" })),
});
const startsOf = async (which: "runs" | "breaches", limit = 100) =>
  (await store.list(run(), which, limit)).map(({ startedAtMs }) => startedAtMs);

test("a run is read back as it was recorded, the newest first, and as many as are asked for", async () => {
  const passed = canaryRun("passed");
  await store.record(run(), passed);
  nowMs += 900_000;
  const waiting: CanaryRun = { ...canaryRun("not-ready"), attempts: [], waitsFor: "a is unknown" };
  await store.record(run(), waiting);
  const without = (value: unknown) => JSON.parse(JSON.stringify(value));
  expect(without(await store.list(run(), "runs", 10))).toEqual(without([waiting, passed]));
  expect(await startsOf("runs", 1)).toEqual([waiting.startedAtMs]);
  expect(await startsOf("breaches")).toEqual([]);
});

test("runs go after 90 days, a few with each run, and breaches stay", async () => {
  const first = nowMs;
  for (let index = 0; index < 12; index++) {
    nowMs += 1_000;
    await store.record(run(), canaryRun(index === 3 ? "breached" : "passed"));
  }
  const breachedAtMs = first + 4_000;
  nowMs += 90 * DAY_MS + 1;
  const before = (await startsOf("runs")).length;
  await store.record(run(), canaryRun("passed"));
  expect((await startsOf("runs")).length).toBe(before + 1 - 10);
  await store.record(run(), { ...canaryRun("passed"), startedAtMs: nowMs + 1 });
  expect(await startsOf("runs")).toEqual([nowMs + 1, nowMs]);
  expect(await startsOf("breaches")).toEqual([breachedAtMs]);
});
