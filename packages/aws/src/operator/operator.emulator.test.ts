import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import {
  CreateArchiveCommand,
  CreateEventBusCommand,
  PutRuleCommand,
  PutTargetsCommand,
} from "@aws-sdk/client-eventbridge";
import { CreatePolicyCommand, CreateRoleCommand, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { CreateGrantCommand, DisableKeyCommand, EnableKeyCommand, RevokeGrantCommand } from "@aws-sdk/client-kms";
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
} from "@aws-sdk/client-sqs";
import { PutCommand, ScanCommand } from "@aws-sdk/lib-dynamodb";
import {
  archiveReplayName,
  jobGrantName,
  type KeyRecord,
  type LifecycleState,
  parseAccountId,
  parseAttemptId,
  parseKeyArn,
  parseKeyName,
  parseRegion,
  parseStage,
  parseTenantId,
  policyDocument,
  SYSTEM_PATH,
  stageArns,
  stageNames,
  TenantKeysError,
} from "@tenantkeys/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../../../local/src/emulator/index.ts";
import { type Clients, createClients, destroyClients } from "../clients.ts";
import { provisionTenantKey } from "../provision-tenant-key.ts";
import { createPublisher } from "../publisher.ts";
import { createRateLimiter } from "../rate-limiter.ts";
import { createRefusedStore } from "../refused-store.ts";
import { createRegistry } from "../registry.ts";
import { FINDINGS_INDEX } from "../registry-table.ts";
import { startRun, systemClock } from "../run.ts";
import type { DeadLetterOptions } from "./dead-letters.ts";
import { listGrants } from "./list-grants.ts";
import { listKeys } from "./list-keys.ts";
import { connectOperator, type Operator } from "./operator.ts";
import { listKeptEvents } from "./refused-events.ts";

const STAGE = parseStage("test");
const NAMES = stageNames(STAGE);
const newRun = () => startRun(systemClock, 60_000, 1_000);

let emulator: Emulator;
let clients: Clients;
let operator: Operator;

beforeAll(async () => {
  emulator = await startEmulator();
  const { endpoint, region, credentials } = emulator;
  clients = createClients({ endpoint, region, credentials });
  await makeRegistry();
  await makeBusAndQueues();
  await makeSystemRoles();
  operator = await connectOperator({ endpoint, region, credentials }, newRun(), STAGE);
});

afterAll(async () => {
  operator?.close();
  if (clients !== undefined) destroyClients(clients);
  await emulator?.stop();
});

async function makeRegistry(): Promise<void> {
  await clients.documents.send(
    new CreateTableCommand({
      TableName: NAMES.registryTable,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
      AttributeDefinitions: [
        { AttributeName: "pk", AttributeType: "S" },
        { AttributeName: "sk", AttributeType: "S" },
        { AttributeName: "openFinding", AttributeType: "S" },
        { AttributeName: "firstSeenAtMs", AttributeType: "N" },
      ],
      GlobalSecondaryIndexes: [
        {
          IndexName: FINDINGS_INDEX,
          KeySchema: [
            { AttributeName: "openFinding", KeyType: "HASH" },
            { AttributeName: "firstSeenAtMs", KeyType: "RANGE" },
          ],
          Projection: { ProjectionType: "ALL" },
        },
      ],
    }),
  );
  const settings = { stage: STAGE, applicationRoleArns: [`arn:aws:iam::${emulator.accountId}:role/application`] };
  const { accountId, region } = emulator;
  await put({ pk: "STAGE", sk: "SETTINGS", settings: JSON.stringify(settings), accountId, region });
}

const put = (Item: Record<string, unknown>) =>
  clients.documents.send(new PutCommand({ TableName: NAMES.registryTable, Item }));

async function makeBusAndQueues(): Promise<void> {
  for (const QueueName of [NAMES.queue, NAMES.queueDeadLetter, NAMES.ruleDeadLetter]) {
    await clients.sqs.send(new CreateQueueCommand({ QueueName }));
  }
  const bus = { EventBusName: NAMES.bus };
  await clients.eventBridge.send(new CreateEventBusCommand({ Name: NAMES.bus }));
  const EventPattern = JSON.stringify({ source: ["tenantkeys.application"] });
  await clients.eventBridge.send(new PutRuleCommand({ ...bus, Name: NAMES.rule, EventPattern }));
  const Arn = arns().queue;
  const policy = policyDocument([
    {
      Sid: "Rule",
      Effect: "Allow",
      Principal: { Service: "events.amazonaws.com" },
      Action: "sqs:SendMessage",
      Resource: Arn,
    },
  ]);
  const Attributes = { Policy: JSON.stringify(policy) };
  await clients.sqs.send(new SetQueueAttributesCommand({ QueueUrl: await urlOf(NAMES.queue), Attributes }));
  await clients.eventBridge.send(new PutTargetsCommand({ ...bus, Rule: NAMES.rule, Targets: [{ Id: "queue", Arn }] }));
}

/** What key policies name, and the application that trust policies name. */
async function makeSystemRoles(): Promise<void> {
  const trust = policyDocument([
    {
      Sid: "Account",
      Effect: "Allow",
      Principal: { AWS: `arn:aws:iam::${emulator.accountId}:root` },
      Action: "sts:AssumeRole",
    },
  ]);
  const AssumeRolePolicyDocument = JSON.stringify(trust);
  await clients.iam.send(new CreateRoleCommand({ RoleName: "application", AssumeRolePolicyDocument }));
  for (const RoleName of [NAMES.provisionerRole, NAMES.auditorRole]) {
    await clients.iam.send(new CreateRoleCommand({ RoleName, Path: SYSTEM_PATH, AssumeRolePolicyDocument }));
  }
  const audit = [
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "kms:ListAliases",
    "tag:GetResources",
  ];
  const allow = policyDocument([{ Sid: "Audit", Effect: "Allow", Action: audit, Resource: "*" }]);
  const PolicyDocument = JSON.stringify(allow);
  const RoleName = NAMES.auditorRole;
  await clients.iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: "auditor", PolicyDocument }));
  await clients.iam.send(
    new CreatePolicyCommand({ PolicyName: NAMES.tenantBoundary, Path: SYSTEM_PATH, PolicyDocument }),
  );
}

function arns() {
  return stageArns(parseAccountId(emulator.accountId), parseRegion(emulator.region), STAGE);
}

async function urlOf(QueueName: string): Promise<string> {
  return (await clients.sqs.send(new GetQueueUrlCommand({ QueueName }))).QueueUrl ?? "";
}

/** Takes everything out of a queue for good, and gives the tenants that it named. */
async function drain(queueName: string): Promise<readonly string[]> {
  const QueueUrl = await urlOf(queueName);
  const tenants: string[] = [];
  for (let receives = 0; receives < 50; receives++) {
    const { Messages = [] } = await clients.sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
    );
    if (Messages.length === 0) return tenants.sort();
    for (const { Body, ReceiptHandle } of Messages) {
      tenants.push(JSON.parse(Body ?? "").detail.tenantId);
      await clients.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
  }
  throw new Error("the queue doesn't end");
}

/** How many messages a receive would find now, and how many are out of sight. */
async function countIn(queueName: string): Promise<string> {
  const QueueUrl = await urlOf(queueName);
  const AttributeNames = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] as const;
  const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...AttributeNames] });
  const { Attributes } = await clients.sqs.send(command);
  return AttributeNames.map((name) => Attributes?.[name]).join(" and ");
}

async function all<T>(values: AsyncIterable<T>): Promise<readonly T[]> {
  const got: T[] = [];
  for await (const value of values) got.push(value);
  return got;
}

function record(tenantId: string, keyName: string, state: LifecycleState): KeyRecord {
  return {
    tenantId: parseTenantId(tenantId),
    keyName: parseKeyName(keyName),
    state,
    generation: 1,
    profile: "default",
    attempts: [{ attemptId: parseAttemptId("attempt-1"), outcome: "open" }],
    fence: 1,
    leaseUntilMs: 0,
    eventId: "event-1",
    declaredAtMs: 1,
    updatedAtMs: 1,
  };
}

describe("connecting", () => {
  test("a stage that isn't here, or has no settings, is not deployed", async () => {
    const { endpoint, region, credentials } = emulator;
    const connect = () => connectOperator({ endpoint, region, credentials }, newRun(), parseStage("other"));
    await expect(connect()).rejects.toMatchObject({
      code: "stage_not_deployed",
      message: 'stage "other" is not deployed here: it has no registry',
    });
  });

  test("the stage's context is the one it was deployed with", () => {
    expect(operator.context).toMatchObject({ stage: STAGE, accountId: emulator.accountId, region: emulator.region });
  });
});

async function declare(kept: KeyRecord): Promise<void> {
  const registry = createRegistry(clients, NAMES.registryTable);
  const { tenantId } = kept;
  const known = { record: undefined, tenant: await registry.getTenant(newRun(), tenantId) };
  const tenant = known.tenant ?? { tenantId, version: 1, updatedAtMs: 0 };
  expect(await registry.declare(newRun(), known, { record: kept, tenant })).toEqual({ kind: "written" });
}

describe("listing keys", () => {
  const key = ({ tenantId, keyName }: KeyRecord) => `${tenantId}/${keyName}`;

  test("every page is read, other items are left out, and a state narrows it", async () => {
    for (let index = 0; index < 7; index++) {
      await declare(record(`listed-${index}`, "default", index < 2 ? "failed" : "active"));
    }
    await declare(record("listed-0", "payroll", "active"));
    const listed = await all(listKeys(clients, newRun(), NAMES.registryTable, { pageItems: 2 }));
    expect(listed.map(key).sort()).toEqual([
      "listed-0/default",
      "listed-0/payroll",
      ...[1, 2, 3, 4, 5, 6].map((index) => `listed-${index}/default`),
    ]);
    const failed = await all(operator.listKeys(newRun(), { state: "failed" }));
    expect(failed.map(key).sort()).toEqual(["listed-0/default", "listed-1/default"]);
    const ofTenant = await operator.keysOfTenant(newRun(), parseTenantId("listed-0"));
    expect(ofTenant.map(key)).toEqual(["listed-0/default", "listed-0/payroll"]);
    expect(ofTenant[0]).toEqual(record("listed-0", "default", "failed"));
  });

  test("what is declared of a tenant is read, and what stays of its keys that are gone", async () => {
    const tenantId = parseTenantId("leaving");
    const registry = createRegistry(clients, NAMES.registryTable);
    const leaving = { value: true, generation: 5, eventId: "event-5", by: "AROA:ann", reason: "ended", atMs: 1 };
    const tenant = { tenantId, version: 1, updatedAtMs: 1, leaving };
    const key = record("leaving", "default", "pending-deletion");
    await registry.declare(newRun(), { record: undefined, tenant: undefined }, { record: key, tenant });
    const destruction = {
      tenantId,
      keyName: key.keyName,
      keyArn: parseKeyArn(`arn:aws:kms:${emulator.region}:${emulator.accountId}:key/1234`),
      offboardingGeneration: 5,
      offboardingEventId: "event-5",
      approvedBy: ["AROB:bob"],
      offboardedAtMs: 1,
      scheduledAtMs: 2,
      deletionDateMs: 3,
      deletionWindowDays: 30,
      confirmedGoneAtMs: 4,
    };
    await registry.replace(newRun(), { ...key, state: "destroyed" }, key.fence, destruction);
    expect(await operator.tenant(newRun(), tenantId)).toEqual(tenant);
    expect(await operator.destructionsOfTenant(newRun(), tenantId)).toEqual([destruction]);
    expect(await operator.keysOfTenant(newRun(), tenantId)).toHaveLength(1);
    expect(await operator.tenant(newRun(), parseTenantId("nobody"))).toBeUndefined();
  });

  test("an item that tenantkeys didn't write stops the list with its name", async () => {
    await put({ pk: "TENANT#spoilt", sk: "KEY#default", entity: "TenantKey", tenantId: "spoilt" });
    await expect(operator.keysOfTenant(newRun(), parseTenantId("spoilt"))).rejects.toMatchObject({
      code: "record_invalid",
      message: expect.stringContaining("TENANT#spoilt / KEY#default"),
    });
  });
});

describe("the refused store", () => {
  const keep = (refusalId: string, receivedAtMs: number, body: string, tenantId: string) => {
    const reason = new TenantKeysError("event_invalid", "detail: bad", { tenantId, field: "detail" });
    const store = createRefusedStore(clients, NAMES.registryTable);
    return store.keep(newRun(), { refusalId, receivedAtMs, body, eventId: `event-${refusalId}` }, reason);
  };
  const ids = async (filter: object) =>
    (await operator.listRefused(newRun(), { limit: 10, ...filter })).map(({ refusalId }) => refusalId);

  test("events are listed newest first, read back whole, and settled with all their parts", async () => {
    // 11 parts, so that PART#10 stands before PART#2 in the table.
    const long = Array.from({ length: 1_050_000 }, (_, index) => String(index % 10)).join("");
    await keep("a", 1_000, "{}", "one");
    await keep("b", 3_000, long, "two");
    await keep("c", 2_000, "{}", "one");
    expect(await ids({})).toEqual(["b", "c", "a"]);
    expect(await ids({ limit: 2 })).toEqual(["b", "c"]);
    expect(await ids({ tenantId: "one" })).toEqual(["c", "a"]);
    expect(await ids({ eventId: "event-a" })).toEqual(["a"]);
    expect(await ids({ tenantId: "one", code: "event_invalid" })).toEqual(["c", "a"]);
    expect(await ids({ code: "role_taken" })).toEqual([]);
    const [kept] = await listKeptEvents(clients, newRun(), NAMES.registryTable, { limit: 1, refusalId: "b" });
    if (kept === undefined) throw new Error("not listed");
    expect(kept).toMatchObject({ code: "event_invalid", keptAtMs: 3_000, field: "detail", parts: 11 });
    expect((await operator.readRefusedBody(newRun(), kept)) === long).toBe(true);
    await operator.settleRefused(newRun(), kept);
    expect(await ids({})).toEqual(["c", "a"]);
    expect(await partitionsNamed("REFUSED#b")).toBe(0);
    await expect(operator.readRefusedBody(newRun(), kept)).rejects.toMatchObject({ code: "record_invalid" });
  });

  async function partitionsNamed(pk: string): Promise<number> {
    const { Items = [] } = await clients.documents.send(new ScanCommand({ TableName: NAMES.registryTable }));
    return Items.filter((item) => item.pk === pk).length;
  }
});

describe("publishing", () => {
  test("good events reach the queue, and one that the bus can't take is kept and listed", async () => {
    const source = "tenantkeys.application";
    const type = { source, "detail-type": "TenantSignedUp" };
    const events = [
      { ...type, detail: { version: "1", tenantId: "published" } },
      { ...type, detail: '{"tenantId":' },
    ];
    const outcomes = await operator.publish(newRun(), events, { keepRefused: true });
    expect(outcomes).toMatchObject([{ kind: "accepted" }, { kind: "refused", error: { code: "event_not_json" } }]);
    expect(await drain(NAMES.queue)).toEqual(["published"]);
    const refusalId = outcomes[1]?.kind === "refused" ? outcomes[1].refusalId : undefined;
    const [kept] = await operator.listRefused(newRun(), { limit: 1, refusalId });
    if (kept === undefined) throw new Error("not kept");
    expect(JSON.parse(await operator.readRefusedBody(newRun(), kept))).toEqual(events[1]);
  });
});

describe("dead letters", () => {
  const die = async (queueName: string, ...tenantIds: string[]) => {
    const QueueUrl = await urlOf(queueName);
    for (const tenantId of tenantIds) {
      const MessageBody = JSON.stringify({ id: `event-${tenantId}`, detail: { version: "1", tenantId } });
      await clients.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
    }
  };
  const replay = async (options: Partial<DeadLetterOptions>) => {
    const wanted = { dryRun: false, forceStage: false, limit: 1_000, ...options };
    const outcomes = await all(operator.replayDeadLetters(newRun(), wanted));
    return outcomes.map(({ kind, letter }) => `${kind} ${letter.tenantId}`).sort();
  };
  const dead = async () => [await countIn(NAMES.queueDeadLetter), await countIn(NAMES.ruleDeadLetter)];
  const many = Array.from({ length: 12 }, (_, index) => `many-${String(index).padStart(2, "0")}`);

  test("a dry run changes nothing; then a tenant's, some, and all of the rest are replayed", async () => {
    await die(NAMES.queueDeadLetter, ...many, "chosen");
    await die(NAMES.ruleDeadLetter, "chosen", "zz");
    const listed = ["chosen", "chosen", ...many, "zz"].map((tenantId) => `listed ${tenantId}`);
    expect(await replay({ dryRun: true })).toEqual(listed);
    expect(await dead()).toEqual(["13 and 0", "2 and 0"]);

    const skipped = [...many, "zz"].map((tenantId) => `skipped ${tenantId}`);
    expect(await replay({ tenantId: "chosen" })).toEqual(["replayed chosen", "replayed chosen", ...skipped]);
    expect(await dead()).toEqual(["12 and 0", "1 and 0"]);
    expect(await drain(NAMES.queue)).toEqual(["chosen", "chosen"]);

    expect(await replay({ limit: 2 })).toHaveLength(2);
    expect(await dead()).toEqual(["10 and 0", "1 and 0"]);
    expect(await replay({})).toHaveLength(11);
    expect(await dead()).toEqual(["0 and 0", "0 and 0"]);
    expect(await drain(NAMES.queue)).toEqual([...many, "zz"]);
  });

  test("a caller that stops early leaves the rest to be seen by the next", async () => {
    await die(NAMES.queueDeadLetter, "left-1", "left-2");
    for await (const { kind } of operator.replayDeadLetters(newRun(), { dryRun: true, forceStage: false, limit: 10 })) {
      expect(kind).toBe("listed");
      break;
    }
    expect(await dead()).toEqual(["2 and 0", "0 and 0"]);
    await drain(NAMES.queueDeadLetter);
  });
});

describe("dead letters of another kind", () => {
  const send = async (body: object) => {
    const QueueUrl = await urlOf(NAMES.queueDeadLetter);
    await clients.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify(body) }));
  };
  const replay = async (options: Partial<DeadLetterOptions>) => {
    const wanted = { dryRun: false, forceStage: false, limit: 1_000, ...options };
    return all(operator.replayDeadLetters(newRun(), wanted));
  };

  test("those of one error are replayed, as the registry says which event failed with which", async () => {
    const failure = { code: "access_denied", message: "", step: "", nextAction: "", failedAtMs: 1 };
    await declare({ ...record("denied", "default", "failed"), failure });
    const type = { source: "tenantkeys.application", "detail-type": "TenantSignedUp" };
    await send({ ...type, id: "event-1", detail: { version: "1", tenantId: "denied" } });
    await send({ ...type, id: "event-0", detail: { version: "1", tenantId: "denied" } });
    const wrong = await replay({ code: "throttled" });
    expect(wrong.map(({ kind }) => kind)).toEqual(["skipped", "skipped"]);
    const right = await replay({ code: "access_denied" });
    expect(right.map(({ kind, letter }) => `${kind} ${letter.eventId}`).sort()).toEqual([
      "replayed event-1",
      "skipped event-0",
    ]);
    expect(await drain(NAMES.queue)).toEqual(["denied"]);
    await drain(NAMES.queueDeadLetter);
  });

  test("one that was meant for another stage stays, unless it is forced", async () => {
    const event = { account: emulator.accountId, region: emulator.region, id: "event-1" };
    await send({ ...event, detail: { version: "1", tenantId: "moved", stage: "production" } });
    expect(await replay({})).toMatchObject([{ kind: "failed", error: { code: "stage_mismatch" } }]);
    expect(await countIn(NAMES.queueDeadLetter)).toBe("1 and 0");
    expect(await replay({ forceStage: true })).toMatchObject([{ kind: "replayed" }]);
    const QueueUrl = await urlOf(NAMES.queue);
    const { Messages = [] } = await clients.sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5 }));
    expect(JSON.parse(Messages[0]?.Body ?? "").detail).toEqual({ version: "1", tenantId: "moved", stage: "test" });
    await clients.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: Messages[0]?.ReceiptHandle }));
  });
});

describe("sending to the queue", () => {
  test("events arrive as the bus would have brought them, with the caller as their sender", async () => {
    const detail = { version: "1", tenantId: "sent" };
    const event = { source: "tenantkeys.application", "detail-type": "TenantOffboarded", detail };
    const [outcome] = await operator.sendToQueue(newRun(), [event]);
    const QueueUrl = await urlOf(NAMES.queue);
    const { Messages = [] } = await clients.sqs.send(
      new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5, MessageSystemAttributeNames: ["SenderId"] }),
    );
    const { accountId: account, region } = emulator;
    const id = outcome?.kind === "accepted" ? outcome.eventId : undefined;
    expect(JSON.parse(Messages[0]?.Body ?? "")).toMatchObject({ ...event, id, account, region });
    expect(Messages[0]?.Attributes?.SenderId).toEqual(expect.any(String));
    await clients.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: Messages[0]?.ReceiptHandle }));
  });
});

describe("the archive", () => {
  test("what it holds of a time comes to the worker's queue again, with the time that it had", async () => {
    await clients.eventBridge.send(
      new CreateArchiveCommand({ ArchiveName: NAMES.archive, EventSourceArn: arns().bus }),
    );
    const time = "2025-11-24T09:30:00Z";
    const signUp = (tenantId: string) => ({
      source: "tenantkeys.application",
      "detail-type": "TenantSignedUp",
      time,
      detail: { version: "1", tenantId },
    });
    const events = [signUp("archived"), { ...signUp("later"), time: "2025-11-24T10:30:00Z" }];
    await operator.publish(newRun(), events, { keepRefused: true });
    expect(await drain(NAMES.queue)).toEqual(["archived", "later"]);
    expect((await operator.archiveSize(newRun())).events).toBe(2);

    const window = { fromMs: Date.parse("2025-11-24T09:00:00Z"), toMs: Date.parse("2025-11-24T10:00:00Z") };
    const replayName = archiveReplayName(STAGE, 1);
    await operator.startArchiveReplay(newRun(), replayName, window);
    await expect.poll(async () => (await operator.replayProgress(newRun(), replayName)).state).toBe("COMPLETED");
    const QueueUrl = await urlOf(NAMES.queue);
    const { Messages = [] } = await clients.sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5 }));
    const replayed = JSON.parse(Messages[0]?.Body ?? "");
    expect(replayed.detail).toEqual({ version: "1", tenantId: "archived" });
    expect(Date.parse(replayed.time)).toBe(Date.parse(time));
    await clients.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: Messages[0]?.ReceiptHandle }));
    expect(await drain(NAMES.queue)).toEqual([]);
  });

  test("a replay of a name that was used already is refused", async () => {
    const window = { fromMs: 1_000, toMs: 2_000 };
    const again = operator.startArchiveReplay(newRun(), archiveReplayName(STAGE, 1), window);
    await expect(again).rejects.toMatchObject({ code: "aws_unexpected" });
  });
});

describe("planning", () => {
  const acme = parseTenantId("acme");
  const name = parseKeyName("default");

  test("a tenant that the registry doesn't know needs everything", async () => {
    const planned = await operator.planKey(newRun(), parseTenantId("nobody"), name, { asCaller: false });
    expect(planned.record).toBeUndefined();
    expect(planned.observed).toEqual({ role: undefined, alias: "absent", keys: [] });
    const steps = planned.plan.kind === "ready" ? planned.plan.steps : [];
    expect(steps.flat().map(({ kind }) => kind)).toContain("create-key");
  });

  test("a provisioned tenant needs nothing, as the auditor and as the caller see it", async () => {
    await provisionTenantKey(
      {
        clients,
        clientsIn: () => clients,
        registry: createRegistry(clients, NAMES.registryTable),
        publisher: createPublisher(clients.eventBridge, NAMES.bus),
        context: operator.context,
        profiles: operator.settings.profiles,
        approvalPrincipal: "role",
        sbtReplySource: operator.settings.sbtReplySource,
        createKeyLimiter: createRateLimiter(1_000),
        visibilityBudgetMs: 1_000,
        leaseDurationMs: 60_000,
        newAttemptId: () => "attempt-1",
      },
      newRun(),
      { tenantId: acme, keyName: name, generation: 1, profile: "default", eventId: "event-1" },
    );
    for (const asCaller of [false, true]) {
      const { plan, observed } = await operator.planKey(newRun(), acme, name, { asCaller });
      expect(plan).toMatchObject({ kind: "ready", steps: [] });
      expect(observed).toMatchObject({
        role: { arn: expect.stringContaining("tk-test-acme") },
        alias: "present",
        keys: [{ state: "Enabled", aliased: true, rotationPeriodDays: 365 }],
      });
    }
  });
});

/** Of the tenant key that planning made. */
describe("verifying", () => {
  const acme = parseTenantId("acme");
  const name = parseKeyName("default");
  const depth = { grants: true, rotations: true };
  const onUntold = () => {};
  const verify = async (options: { readonly record: boolean; readonly asCaller?: boolean }) => {
    const { verdict, changes } = await operator.verifyKey(newRun(), acme, name, {
      depth,
      asCaller: false,
      onUntold,
      ...options,
    });
    const rules = (findings: readonly { readonly ruleId: string }[]) => findings.map(({ ruleId }) => ruleId);
    return { found: rules(verdict.findings), opened: rules(changes.opened), closed: rules(changes.closed) };
  };
  const openRules = async () => {
    const open: string[] = [];
    for await (const { ruleId } of operator.openFindings(newRun())) open.push(ruleId);
    return open;
  };
  const keyArn = async () => (await operator.keysOfTenant(newRun(), acme))[0]?.keyArn;

  test("a key as it should be has no finding, as the auditor and as the caller see it", async () => {
    expect(await verify({ record: true })).toEqual({ found: [], opened: [], closed: [] });
    expect(await verify({ record: false, asCaller: true })).toEqual({ found: [], opened: [], closed: [] });
    const [status] = await operator.verifications(newRun(), acme);
    expect(status).toMatchObject({ keyName: "default", attributes: { nistState: "active", grants: 0 } });
  });

  test("grants are listed with what is thought of each, as the auditor and as the caller see them", async () => {
    const KeyId = await keyArn();
    const GranteePrincipal = `arn:aws:iam::${emulator.accountId}:role/somebody`;
    const Name = jobGrantName(1_795_478_400_000, "nightly-7");
    const { GrantId = "" } = await clients.kms.send(
      new CreateGrantCommand({ KeyId, GranteePrincipal, Operations: ["Decrypt"], Name }),
    );
    for (const asCaller of [false, true]) {
      expect(await operator.listGrants(newRun(), acme, name, { asCaller })).toMatchObject({
        keyName: "default",
        isOwnKey: false,
        grants: [
          {
            keyArn: KeyId,
            grantId: GrantId,
            granteePrincipal: GranteePrincipal,
            kind: "foreign",
            job: { jobId: "nightly-7", endsAtMs: 1_795_478_400_000 },
          },
        ],
      });
    }
    await clients.kms.send(new RevokeGrantCommand({ KeyId, GrantId }));
    expect((await operator.listGrants(newRun(), acme, name, { asCaller: false })).grants).toEqual([]);
    const unknown = operator.listGrants(newRun(), acme, parseKeyName("payroll"), { asCaller: false });
    await expect(unknown).rejects.toMatchObject({ code: "key_unknown" });
  });

  test("of a key of the tenant's own account, and of one that is gone, no grants are asked for", async () => {
    const registry = createRegistry(clients, NAMES.registryTable);
    const listed = async (changes: Partial<KeyRecord>) => {
      const record = (await registry.get(newRun(), acme, name)) as KeyRecord;
      // KMS would say that there is no such key.
      const gone = parseKeyArn(`arn:aws:kms:${emulator.region}:${emulator.accountId}:key/gone`);
      const ports = {
        settings: operator.settings,
        context: operator.context,
        observingIn: () => clients,
        registry: { ...registry, get: async () => ({ ...record, keyArn: gone, ...changes }) },
      };
      return listGrants(ports, newRun(), acme, name);
    };
    const ownKeyArn = parseKeyArn("arn:aws:kms:eu-west-1:444455556666:key/own");
    expect(await listed({ ownKeyArn })).toEqual({ keyName: "default", isOwnKey: true, grants: [] });
    expect(await listed({ state: "destroyed" })).toEqual({ keyName: "default", isOwnKey: false, grants: [] });
    await expect(listed({})).rejects.toThrow(TenantKeysError);
  });

  test("what is found while only looking is kept nowhere", async () => {
    await clients.kms.send(new DisableKeyCommand({ KeyId: await keyArn() }));
    const [before] = await operator.verifications(newRun(), acme);
    expect(await verify({ record: false })).toEqual({ found: ["key-disabled"], opened: [], closed: [] });
    expect(await openRules()).toEqual([]);
    expect(await operator.verifications(newRun(), acme)).toEqual([before]);
  });

  test("what is recorded is listed while it is so, and afterwards in the tenant's history", async () => {
    expect(await verify({ record: true })).toMatchObject({ opened: ["key-disabled"] });
    expect(await openRules()).toEqual(["key-disabled"]);
    expect(await operator.openFindingsOfTenant(newRun(), acme)).toMatchObject([{ ruleId: "key-disabled" }]);
    await clients.kms.send(new EnableKeyCommand({ KeyId: await keyArn() }));
    expect(await verify({ record: true })).toEqual({ found: [], opened: [], closed: ["key-disabled"] });
    expect(await openRules()).toEqual([]);
    expect(await operator.findingHistory(newRun(), acme, 10)).toMatchObject([
      { ruleId: "key-disabled", closedAtMs: expect.any(Number) },
    ]);
  });
});
