import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import { CreateQueueCommand, DeleteMessageCommand, ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import {
  type KeyRecord,
  parseAccountId,
  parseKeyName,
  parseRegion,
  parseStage,
  parseTenantEvent,
  parseTenantId,
  stageNames,
  type TenantEvent,
} from "@tenantkeys/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../../local/src/emulator/index.ts";
import { type Clients, createClients, destroyClients } from "./clients.ts";
import { type ReviewPorts, sendDueReviews } from "./due-keys.ts";
import { createRegistry, type Registry } from "./registry.ts";
import { REVIEW_INDEX } from "./registry-table.ts";
import { type Run, startRun, systemClock } from "./run.ts";
import { SETTINGS } from "./test-support.ts";

const NAMES = stageNames(parseStage("dev"));
const KEY = parseKeyName("default");
const HOUR_MS = 3_600_000;
/** More than two batches of SQS. */
const DUE_TENANTS = 23;

let emulator: Emulator;
let clients: Clients;
let registry: Registry;
let ports: ReviewPorts;

const newRun = (): Run => startRun(systemClock, 60_000, 1_000);

beforeAll(async () => {
  emulator = await startEmulator();
  const { endpoint, region, credentials, accountId } = emulator;
  clients = createClients({ endpoint, region, credentials });
  registry = createRegistry(clients, NAMES.registryTable);
  await makeTable();
  const { QueueUrl = "" } = await clients.sqs.send(new CreateQueueCommand({ QueueName: NAMES.queue }));
  const stage = {
    stage: parseStage("dev"),
    accountId: parseAccountId(accountId),
    region: parseRegion(region),
    queueUrl: QueueUrl,
  };
  let events = 0;
  ports = { clients, tableName: NAMES.registryTable, stage, newEventId: () => `review-${++events}` };
});

afterAll(async () => {
  if (clients !== undefined) destroyClients(clients);
  await emulator?.stop();
});

/** As stacks/registry.ts declares it, which test/infra/review.test.ts compares. */
async function makeTable(): Promise<void> {
  const key = (hash: string, range: string) => [
    { AttributeName: hash, KeyType: "HASH" as const },
    { AttributeName: range, KeyType: "RANGE" as const },
  ];
  await clients.documents.send(
    new CreateTableCommand({
      TableName: NAMES.registryTable,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: key("pk", "sk"),
      AttributeDefinitions: [
        { AttributeName: "pk", AttributeType: "S" },
        { AttributeName: "sk", AttributeType: "S" },
        { AttributeName: "review", AttributeType: "S" },
        { AttributeName: "nextCheckAtMs", AttributeType: "N" },
      ],
      GlobalSecondaryIndexes: [
        {
          IndexName: REVIEW_INDEX,
          KeySchema: key("review", "nextCheckAtMs"),
          Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: ["tenantId", "keyName"] },
        },
      ],
    }),
  );
}

async function keep(tenant: string, nextCheckAtMs: number | undefined): Promise<KeyRecord> {
  const tenantId = parseTenantId(tenant);
  const record: KeyRecord = {
    tenantId,
    keyName: KEY,
    state: nextCheckAtMs === undefined ? "active" : "offboarding",
    generation: 1,
    profile: "default",
    attempts: [],
    fence: 1,
    leaseUntilMs: 0,
    eventId: "event-1",
    declaredAtMs: 1,
    updatedAtMs: 1,
    nextCheckAtMs,
  };
  const next = { record, tenant: { tenantId, version: 1, updatedAtMs: 1 } };
  await registry.declare(newRun(), { record: undefined, tenant: undefined }, next);
  return record;
}

/** Everything that is on the queue, taken off it. */
async function received(): Promise<readonly TenantEvent[]> {
  const { queueUrl: QueueUrl } = ports.stage;
  const events: TenantEvent[] = [];
  for (let batch = 0; batch < 100; batch++) {
    const { Messages = [] } = await clients.sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 }),
    );
    if (Messages.length === 0) return events;
    for (const { Body = "", ReceiptHandle } of Messages) {
      events.push(parseTenantEvent(Body, SETTINGS));
      await clients.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
  }
  throw new Error("the queue isn't empty after 100 batches");
}

test("only keys whose time has come are reviewed, again and again until it is over", async () => {
  const nowMs = Date.now();
  const due: KeyRecord[] = [];
  for (let index = 0; index < DUE_TENANTS; index++) due.push(await keep(`due-${index}`, nowMs - HOUR_MS + index));
  await keep("later", nowMs + HOUR_MS);
  await keep("waits-for-no-time", undefined);

  await expect(sendDueReviews(ports, newRun())).resolves.toMatchObject({ due: DUE_TENANTS, sent: DUE_TENANTS });
  const events = await received();
  expect(events.map(({ tenantId }) => tenantId).toSorted()).toEqual(due.map(({ tenantId }) => tenantId).toSorted());
  expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(DUE_TENANTS);
  expect(events[0]).toMatchObject({ type: "TenantKeyReviewDue", keyName: "default" });

  const [settled, postponed, ...left] = due as [KeyRecord, KeyRecord, ...KeyRecord[]];
  await registry.replace(newRun(), { ...settled, state: "destroyed", fence: 2, nextCheckAtMs: undefined }, 1);
  await registry.replace(newRun(), { ...postponed, fence: 2, nextCheckAtMs: nowMs + HOUR_MS }, 1);
  await expect(sendDueReviews(ports, newRun())).resolves.toMatchObject({ sent: left.length, failed: 0 });
  const again = (await received()).map(({ tenantId }) => tenantId);
  expect(again.toSorted()).toEqual(left.map(({ tenantId }) => tenantId).toSorted());
});

test("a queue that isn't there is said, with what wasn't sent", async () => {
  const stage = { ...ports.stage, queueUrl: `${ports.stage.queueUrl}-gone` };
  await expect(sendDueReviews({ ...ports, stage }, newRun())).resolves.toMatchObject({
    sent: 0,
    failed: DUE_TENANTS - 2,
    error: { code: "stage_not_deployed", details: { step: "sqs:SendMessage" } },
  });
});
