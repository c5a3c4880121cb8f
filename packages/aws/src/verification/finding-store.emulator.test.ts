import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import { CreateEventBusCommand, PutRuleCommand, PutTargetsCommand } from "@aws-sdk/client-eventbridge";
import { CreateQueueCommand, DeleteMessageCommand, ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import { PutCommand } from "@aws-sdk/lib-dynamodb";
import {
  type Finding,
  type FindingScope,
  finding,
  parseKeyArn,
  parseKeyName,
  parseStage,
  parseTenantId,
  type RuleId,
  type StoredFinding,
  stageNames,
  type TenantId,
} from "@tenantkeys/core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../../../local/src/emulator/index.ts";
import { type Clients, createClients, destroyClients } from "../clients.ts";
import { createPublisher } from "../publisher.ts";
import { FINDINGS_INDEX, KEYS_INDEX } from "../registry-table.ts";
import { startRun, systemClock } from "../run.ts";
import { CONTEXT } from "../test-support.ts";
import { findTenantKey } from "./find-tenant-key.ts";
import { createFindingStore } from "./finding-store.ts";
import type { FindingStore } from "./ports.ts";
import { createStatusStore } from "./status-store.ts";

const STAGE = parseStage("dev");
const NAMES = stageNames(STAGE);
const KEY = parseKeyName("default");
const KEY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11");
const HOUR_MS = 3_600_000;

let emulator: Emulator;
let clients: Clients;
let store: FindingStore;
let queueUrl: string;
let tenants = 0;
let tenantId: TenantId;
let nowMs = 1_767_225_600_000;

const newRun = () => ({ ...startRun(systemClock, 60_000, 1_000), clock: { ...systemClock, nowMs: () => nowMs } });
const scope = (change: Partial<FindingScope> = {}): FindingScope => ({
  tenantId,
  keyName: KEY,
  unjudged: [],
  ...change,
});
const found = (ruleId: RuleId, change: Partial<Finding> = {}): Finding =>
  finding(ruleId, { tenantId, keyName: KEY, resource: KEY_ARN, expected: "as declared", seen: "otherwise", ...change });

beforeAll(async () => {
  emulator = await startEmulator();
  const { endpoint, region, credentials } = emulator;
  clients = createClients({ endpoint, region, credentials });
  await makeTable();
  await makeBus();
  const publisher = createPublisher(clients.eventBridge, NAMES.bus);
  store = createFindingStore({ clients, tableName: NAMES.registryTable, stage: STAGE, publisher });
});

beforeEach(async () => {
  tenantId = parseTenantId(`tenant-${++tenants}`);
  nowMs += HOUR_MS;
  await told();
});

afterAll(async () => {
  if (clients !== undefined) destroyClients(clients);
  await emulator?.stop();
});

/** As stacks/registry.ts declares it, which test/infra/review.test.ts compares. */
async function makeTable(): Promise<void> {
  const hash = (AttributeName: string) => ({ AttributeName, KeyType: "HASH" as const });
  const range = (AttributeName: string) => ({ AttributeName, KeyType: "RANGE" as const });
  const text = (AttributeName: string) => ({ AttributeName, AttributeType: "S" as const });
  await clients.documents.send(
    new CreateTableCommand({
      TableName: NAMES.registryTable,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: [hash("pk"), range("sk")],
      AttributeDefinitions: [
        ...["pk", "sk", "keyArn", "openFinding"].map(text),
        { AttributeName: "firstSeenAtMs", AttributeType: "N" },
      ],
      GlobalSecondaryIndexes: [
        {
          IndexName: KEYS_INDEX,
          KeySchema: [hash("keyArn")],
          Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: ["tenantId", "keyName"] },
        },
        {
          IndexName: FINDINGS_INDEX,
          KeySchema: [hash("openFinding"), range("firstSeenAtMs")],
          Projection: { ProjectionType: "ALL" },
        },
      ],
    }),
  );
}

async function makeBus(): Promise<void> {
  const { QueueUrl = "" } = await clients.sqs.send(new CreateQueueCommand({ QueueName: "told" }));
  queueUrl = QueueUrl;
  await clients.eventBridge.send(new CreateEventBusCommand({ Name: NAMES.bus }));
  const EventPattern = JSON.stringify({ source: ["tenantkeys"] });
  const rule = { EventBusName: NAMES.bus, Name: "told", EventPattern };
  await clients.eventBridge.send(new PutRuleCommand(rule));
  const Arn = `arn:aws:sqs:${emulator.region}:${emulator.accountId}:told`;
  const target = { EventBusName: NAMES.bus, Rule: "told", Targets: [{ Id: "told", Arn }] };
  await clients.eventBridge.send(new PutTargetsCommand(target));
}

/** What came over the bus since the last call: each type with its rule. */
async function told(): Promise<readonly string[]> {
  const all: string[] = [];
  for (let receive = 0; receive < 20; receive++) {
    const command = new ReceiveMessageCommand({ QueueUrl: queueUrl, MaxNumberOfMessages: 10 });
    const { Messages = [] } = await clients.sqs.send(command);
    if (Messages.length === 0) return all;
    for (const { Body = "", ReceiptHandle } of Messages) {
      const { "detail-type": type, detail } = JSON.parse(Body);
      all.push(`${type} ${detail.ruleId}`);
      await clients.sqs.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle }));
    }
  }
  throw new Error("more was told than any of these tests says");
}

async function listOpen(): Promise<readonly StoredFinding[]> {
  const open: StoredFinding[] = [];
  for await (const one of store.listOpen(newRun())) if (one.tenantId === tenantId) open.push(one);
  return open;
}

describe("a finding", () => {
  test("opens once, is seen again, closes, and stays in the history", async () => {
    const firstSeenAtMs = nowMs;
    const { opened } = await store.record(newRun(), scope(), [found("key-disabled")]);
    expect(opened).toMatchObject([{ ruleId: "key-disabled", firstSeenAtMs, lastSeenAtMs: firstSeenAtMs }]);
    nowMs += HOUR_MS;
    await store.record(newRun(), scope(), [found("key-disabled", { seen: "something else" })]);
    const again = { ...opened[0], seen: "something else", lastSeenAtMs: nowMs };
    expect(await store.openOfTenant(newRun(), tenantId)).toEqual([again]);
    expect(await listOpen()).toEqual([again]);
    nowMs += HOUR_MS;
    const { closed } = await store.record(newRun(), scope(), []);
    expect(closed).toEqual([{ ...again, closedAtMs: nowMs }]);
    expect(await store.openOfTenant(newRun(), tenantId)).toEqual([]);
    expect(await listOpen()).toEqual([]);
    expect(await store.history(newRun(), tenantId, 10)).toEqual(closed);
    expect(await told()).toEqual(["TenantKeyFindingOpened key-disabled", "TenantKeyFindingClosed key-disabled"]);
  });

  test("that comes again is a new one, and its history has both, the newest first", async () => {
    for (let time = 0; time < 2; time++) {
      nowMs += HOUR_MS;
      await store.record(newRun(), scope(), [found("alias-missing")]);
      nowMs += HOUR_MS;
      await store.record(newRun(), scope(), []);
    }
    const history = await store.history(newRun(), tenantId, 10);
    expect(history.map(({ closedAtMs }) => closedAtMs)).toEqual([nowMs, nowMs - 2 * HOUR_MS]);
    expect(await store.history(newRun(), tenantId, 1)).toEqual(history.slice(0, 1));
  });

  /** A check during which, after it has told what it is about to store, another one runs from its beginning to its end. */
  async function overtaken(findings: readonly Finding[], overtaking: readonly Finding[]): Promise<void> {
    const publishReply = async () => {
      nowMs += HOUR_MS;
      await store.record(newRun(), scope(), overtaking);
    };
    const ports = { clients, tableName: NAMES.registryTable, stage: STAGE, publisher: { publishReply } };
    await createFindingStore(ports).record(newRun(), scope(), findings);
  }

  test("that two checks see at the same moment is opened by one of them", async () => {
    const firstMs = nowMs;
    await overtaken([found("key-disabled")], [found("key-disabled")]);
    const open = await store.openOfTenant(newRun(), tenantId);
    expect(open.map(({ firstSeenAtMs }) => firstSeenAtMs)).toEqual([firstMs + HOUR_MS]);
  });

  test("that two checks miss at the same moment is closed by one of them", async () => {
    await store.record(newRun(), scope(), [found("key-disabled")]);
    await overtaken([], []);
    expect(await store.openOfTenant(newRun(), tenantId)).toEqual([]);
    const history = await store.history(newRun(), tenantId, 10);
    expect(history.map(({ closedAtMs }) => closedAtMs)).toEqual([nowMs]);
  });

  test("that another check closed meanwhile isn't brought back by one that saw it before", async () => {
    await store.record(newRun(), scope(), [found("key-disabled")]);
    await overtaken([found("key-disabled"), found("alias-missing")], []);
    const open = await store.openOfTenant(newRun(), tenantId);
    expect(open.map(({ ruleId }) => ruleId)).toEqual(["alias-missing"]);
  });

  test("of no tenant is kept apart, and found by who lists what is open", async () => {
    const overdue = found("sweep-overdue", {
      tenantId: undefined,
      keyName: undefined,
      resource: `sweep of ${tenantId}`,
    });
    const orphan = found("orphan-key", { resource: `orphan of ${tenantId}` });
    const stage = scope({ tenantId: undefined, keyName: undefined, judged: ["sweep-overdue", "orphan-key"] });
    await store.record(newRun(), stage, [overdue, orphan]);
    expect(await store.openOfTenant(newRun(), tenantId)).toEqual([]);
    expect((await listOpen()).map(({ ruleId }) => ruleId)).toEqual(["orphan-key"]);
    const { closed } = await store.record(newRun(), stage, []);
    expect(closed).toHaveLength(2);
  });

  test("isn't stored where the bus doesn't take it: the next check tells it", async () => {
    const publisher = { publishReply: async () => Promise.reject(new Error("the bus is away")) };
    const failing = createFindingStore({ clients, tableName: NAMES.registryTable, stage: STAGE, publisher });
    await expect(failing.record(newRun(), scope(), [found("key-disabled")])).rejects.toThrow("the bus is away");
    expect(await store.openOfTenant(newRun(), tenantId)).toEqual([]);
  });
});

describe("whose a key is", () => {
  const ports = () => ({
    clients,
    tableName: NAMES.registryTable,
    observing: clients,
    observingIn: () => clients,
    quota: { takeTurn: async () => {} },
    context: CONTEXT,
  });

  test("the registry's index says, for a key that is recorded", async () => {
    const Item = { pk: `TENANT#${tenantId}`, sk: "KEY#default", tenantId, keyName: "default", keyArn: KEY_ARN };
    await clients.documents.send(new PutCommand({ TableName: NAMES.registryTable, Item }));
    expect(await findTenantKey(ports(), newRun(), KEY_ARN)).toEqual({ tenantId, keyName: KEY });
  });

  test("nobody says of a key that isn't there", async () => {
    const gone = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-4000-8000-000000000000");
    expect(await findTenantKey(ports(), newRun(), gone)).toBeUndefined();
  });
});

test("when a key was verified is kept with what auditors ask, and isn't taken for a key of that ARN", async () => {
  const statuses = createStatusStore(clients, NAMES.registryTable);
  const keyArn = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/11111111-1111-4111-8111-111111111111");
  const attributes = { keyArn, nistState: "active", fipsLevel: "FIPS 140-3 Level 3", grants: 2 } as const;
  const status = { tenantId, keyName: KEY, verifiedAtMs: nowMs, grantsReadAtMs: nowMs, attributes };
  await statuses.record(newRun(), status);
  nowMs += HOUR_MS;
  const { grants: _, ...cheap } = attributes;
  await statuses.record(newRun(), { tenantId, keyName: KEY, verifiedAtMs: nowMs, attributes: cheap });
  const merged = { ...status, verifiedAtMs: nowMs };
  expect(await statuses.get(newRun(), tenantId, KEY)).toEqual(merged);
  expect(await statuses.ofTenant(newRun(), tenantId)).toEqual([merged]);
});
