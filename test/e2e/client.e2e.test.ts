/**
 * The client as an application uses it, with the application's own role and what the stage's policy gives it, through the
 * life of its tenants: each state has its own error, and none outlasts the limits.
 */
import { DynamoDBClient, GetItemCommand, QueryCommand, ScanCommand } from "@aws-sdk/client-dynamodb";
import { DescribeKeyCommand, DisableKeyCommand, EnableKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { clientConfig, createRegistry, errorName, startRun, systemClock } from "@tenantkeys/aws";
import { createTenantKeys, type TenantKeysOptions } from "@tenantkeys/client";
import {
  DAY_MS,
  type KeyRecord,
  parseKeyArn,
  parseRegion,
  parseTenantId,
  stageNames,
  TenantKeysError,
  type TenantRecord,
} from "@tenantkeys/core";
import { advanceClock, assumeRole, type LocalStage, startLocalStage } from "@tenantkeys/local";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deliver, readRecord, tapReplies } from "../support/events.ts";
import { livesOn, reviewDue, roleThatMay, untilState } from "../support/life.ts";
import { outcome } from "../support/sessions.ts";
import { sharedStage } from "../support/shared-stage.ts";

const LIMIT_MS = 60_000;

let stage: LocalStage;
let lives: ReturnType<typeof livesOn>;
const made: { destroy(): void }[] = [];

beforeAll(async () => {
  const profiles = {
    default: { watchPeriodDays: 0, deletionWindowDays: 7 },
    watched: { watchPeriodDays: 7, deletionWindowDays: 30 },
    imported: { origin: "EXTERNAL" },
  } as const;
  stage = await sharedStage({ settings: { profiles } });
  lives = livesOn(stage, await tapReplies(stage));
}, 120_000);

afterAll(() => {
  for (const one of made.splice(0)) one.destroy();
});

/** A client with a clock of its own. */
async function application(change: Partial<TenantKeysOptions> = {}, on: LocalStage = stage) {
  const clock = { aheadMs: 0 };
  const tenantKeys = createTenantKeys({
    stage: on.settings.stage,
    ...on.at,
    credentials: await on.application(),
    applicationName: "notes-api",
    nowMs: () => Date.now() + clock.aheadMs,
    ...change,
  });
  made.push(tenantKeys);
  return { tenantKeys, clock };
}

async function errorOf(call: Promise<unknown>): Promise<TenantKeysError> {
  const error: unknown = await call.then(
    () => new Error("it worked"),
    (cause: unknown) => cause,
  );
  if (error instanceof TenantKeysError) return error;
  throw error;
}

const codeOf = async (call: Promise<unknown>) => (await errorOf(call)).code;

describe("a tenant that works", () => {
  it("encrypts and decrypts under its own key, in a session that says whose it is and by whom", async () => {
    await lives.signUp("acme");
    const { tenantKeys } = await application();
    const acme = tenantKeys.for("acme");
    const message = await acme.encrypt("a tenant's secret");
    expect(await acme.decryptText(message)).toBe("a tenant's secret");
    const sts = new STSClient(clientConfig({ ...stage.at, credentials: () => acme.credentials() }));
    made.push(sts);
    const { Arn } = await sts.send(new GetCallerIdentityCommand({}));
    expect(Arn).toMatch(/:assumed-role\/.*tk-local-acme\/acme@notes-api$/);
  });

  it("is given its key's ARN and a KMS client that may use it", async () => {
    const { tenantKeys } = await application();
    const { keyArn, kms, decryptKeyArns } = await tenantKeys.for("acme").access();
    expect(keyArn).toBe((await readRecord(stage, "acme"))?.keyArn);
    expect(decryptKeyArns).toEqual([keyArn]);
    expect((await kms.send(new DescribeKeyCommand({ KeyId: keyArn }))).KeyMetadata?.Arn).toBe(keyArn);
  });

  it("has its session renewed before it ends, also for a client of another service that goes on", async () => {
    const { tenantKeys, clock } = await application();
    const acme = tenantKeys.for("acme");
    const first = await acme.credentials();
    clock.aheadMs = 50 * 60_000;
    expect((await acme.credentials()).accessKeyId).toBe(first.accessKeyId);
    clock.aheadMs = 56 * 60_000;
    const [second, same] = await Promise.all([acme.credentials(), acme.credentials()]);
    expect(second.accessKeyId).not.toBe(first.accessKeyId);
    expect(same).toEqual(second);
    const kms = new KMSClient(clientConfig({ ...stage.at, credentials: second }));
    made.push(kms);
    expect(await outcome(kms.send(new DescribeKeyCommand({ KeyId: (await acme.access()).keyArn })))).toBe("worked");
  });
});

describe("a tenant or a key that isn't there", () => {
  it("is told apart", async () => {
    const { tenantKeys } = await application();
    expect(await codeOf(tenantKeys.for("nobody").encrypt("x"))).toBe("tenant_unknown");
    expect(await codeOf(tenantKeys.for("acme", "payroll").encrypt("x"))).toBe("key_unknown");
  });

  it("isn't ready while its material is to be imported", async () => {
    await lives.happens("TenantSignedUp", "importer", { profile: "imported" });
    await untilState(stage, "importer", "awaiting-material");
    const { tenantKeys } = await application();
    expect(await errorOf(tenantKeys.for("importer").encrypt("x"))).toMatchObject({
      code: "key_not_active",
      retryable: true,
    });
  });
});

describe("a suspended tenant", () => {
  it("is stopped within the limit, and works again a second after it was resumed", async () => {
    await lives.signUp("paused");
    const { tenantKeys, clock } = await application();
    const paused = tenantKeys.for("paused");
    const message = await paused.encrypt("before");
    await lives.happens("TenantSuspended", "paused");
    await untilState(stage, "paused", "suspended");

    clock.aheadMs += LIMIT_MS;
    const error = await errorOf(paused.decrypt(message));
    expect(error).toMatchObject({ code: "tenant_suspended", details: { tenantId: "paused", keyName: "default" } });
    expect(await codeOf(paused.check())).toBe("tenant_suspended");
    expect(await codeOf(paused.credentials())).toBe("tenant_suspended");

    await lives.happens("TenantResumed", "paused");
    await untilState(stage, "paused", "active");
    clock.aheadMs += 1_000;
    expect(await paused.decryptText(message)).toBe("before");
  });

  it("is stopped by KMS at once where no data key is kept, with the reason that the registry has", async () => {
    await lives.signUp("stopped");
    const { tenantKeys } = await application({ cache: false });
    const stopped = tenantKeys.for("stopped");
    const message = await stopped.encrypt("before");
    await lives.happens("TenantSuspended", "stopped");
    await untilState(stage, "stopped", "suspended");
    const error = await errorOf(stopped.decrypt(message));
    expect([error.code, errorName(error.cause)]).toEqual(["tenant_suspended", "DisabledException"]);
    expect(await codeOf(stopped.encrypt("after"))).toBe("tenant_suspended");
  });

  it("is stopped by what is declared of it, before the worker has disabled its key", async () => {
    await lives.signUp("declared");
    const registry = createRegistry(stage.root, stageNames(stage.settings.stage).registryTable);
    const run = startRun(systemClock, 10_000, 1_000);
    const tenant = (await registry.getTenant(run, parseTenantId("declared"))) as TenantRecord;
    const suspension = { value: true, generation: Date.now(), eventId: "an-event", atMs: Date.now() };
    await registry.putTenant(run, { ...tenant, suspension, version: tenant.version + 1 }, tenant.version);
    expect((await readRecord(stage, "declared"))?.state).toBe("active");
    const { tenantKeys } = await application();
    expect(await codeOf(tenantKeys.for("declared").encrypt("x"))).toBe("tenant_suspended");
  });

  it("isn't what a key is that somebody disabled by hand", async () => {
    const keyArn = await lives.signUp("by-hand");
    const { tenantKeys } = await application({ cache: false });
    await stage.root.kms.send(new DisableKeyCommand({ KeyId: keyArn }));
    expect(await codeOf(tenantKeys.for("by-hand").encrypt("x"))).toBe("key_disabled");
    await stage.root.kms.send(new EnableKeyCommand({ KeyId: keyArn }));
    expect(await outcome(tenantKeys.for("by-hand").encrypt("x"))).toBe("worked");
  });
});

describe("a tenant that leaves", () => {
  it("is offboarded while its key is watched", async () => {
    await lives.signUp("watched", "watched");
    await lives.happens("TenantOffboarded", "watched");
    await untilState(stage, "watched", "offboarding");
    const { tenantKeys } = await application();
    expect(await codeOf(tenantKeys.for("watched").encrypt("x"))).toBe("tenant_offboarded");
  });

  it("is told the date of its key's deletion, and after that that the key is destroyed", async () => {
    await lives.signUp("leaver");
    const { tenantKeys, clock } = await application({ cache: false });
    const leaver = tenantKeys.for("leaver");
    const message = await leaver.encrypt("from before the end");
    await lives.happens("TenantOffboarded", "leaver");
    const { deletionDateMs = 0 } = await untilState(stage, "leaver", "pending-deletion");

    const error = await errorOf(leaver.decrypt(message));
    expect(error).toMatchObject({ code: "key_pending_deletion", details: { deletionDateMs } });
    expect(error.message).toContain(new Date(deletionDateMs).toISOString());

    await advanceClock(stage.emulator.endpoint, 8 * DAY_MS);
    await deliver(stage, reviewDue("leaver"));
    await untilState(stage, "leaver", "destroyed");
    clock.aheadMs += LIMIT_MS;
    expect(await codeOf(leaver.decrypt(message))).toBe("key_destroyed");
  });
});

describe("a record that somebody else wrote", () => {
  const point = (tenantId: string, field: string, value: string) =>
    stage.root.documents.send(
      new UpdateCommand({
        TableName: stageNames(stage.settings.stage).registryTable,
        Key: { pk: `TENANT#${tenantId}`, sk: "KEY#default" },
        UpdateExpression: "SET #f = :v",
        ExpressionAttributeNames: { "#f": field },
        ExpressionAttributeValues: { ":v": value },
      }),
    );

  it("leads to no other tenant's role, and to no role or key of another account", async () => {
    await Promise.all([lives.signUp("globex"), lives.signUp("poisoned")]);
    const [globex, own] = [await readRecord(stage, "globex"), await readRecord(stage, "poisoned")];
    const strangers = [
      ["roleArn", globex?.roleArn ?? ""],
      ["roleArn", (own?.roleArn ?? "").replace(stage.accountId, "999999999999")],
      ["keyArn", (own?.keyArn ?? "").replace(stage.accountId, "999999999999")],
    ] as const;
    for (const [field, value] of strangers) {
      await point("poisoned", field, value);
      const { tenantKeys } = await application();
      expect(await codeOf(tenantKeys.for("poisoned").encrypt("x"))).toBe("record_invalid");
      await point("poisoned", field, own?.[field] ?? "");
    }
  });

  it("that leads to another tenant's key is refused by AWS", async () => {
    const globex = await readRecord(stage, "globex");
    await point("poisoned", "keyArn", globex?.keyArn ?? "");
    const { tenantKeys } = await application();
    const error = await errorOf(tenantKeys.for("poisoned").encrypt("x"));
    expect([error.code, errorName(error.cause)]).toEqual(["access_denied", "AccessDeniedException"]);
  });
});

describe("the application's own role", () => {
  const table = () => stageNames(stage.settings.stage).registryTable;
  const key = (pk: string, sk: string) => ({ pk: { S: pk }, sk: { S: sk } });

  it("reads what the client reads, and nothing else of the registry", async () => {
    const dynamodb = new DynamoDBClient(clientConfig({ ...stage.at, credentials: await stage.application() }));
    made.push(dynamodb);
    const TableName = table();
    const get = (Key: ReturnType<typeof key>, ProjectionExpression?: string) =>
      outcome(dynamodb.send(new GetItemCommand({ TableName, Key, ProjectionExpression })));
    expect(await get(key("TENANT#acme", "KEY#default"), "keyArn, roleArn")).toBe("worked");
    const denied = "AccessDeniedException";
    expect(await get(key("TENANT#acme", "KEY#default"))).toBe(denied);
    expect(await get(key("TENANT#acme", "KEY#default"), "keyArn, failure")).toBe(denied);
    expect(await get(key("FINDINGS#acme", "KEY#default"), "keyArn")).toBe(denied);
    expect(await get(key("STAGE", "SETTINGS"), "keyArn")).toBe(denied);
    expect(await outcome(dynamodb.send(new ScanCommand({ TableName, ProjectionExpression: "keyArn" })))).toBe(denied);
    const query = new QueryCommand({
      TableName,
      KeyConditionExpression: "pk = :pk",
      ExpressionAttributeValues: { ":pk": { S: "TENANT#acme" } },
      ProjectionExpression: "keyArn",
    });
    expect(await outcome(dynamodb.send(query))).toBe(denied);
  });

  it("without the stage's policy works for nobody, and says that the registry can't be read", async () => {
    const roleArn = await roleThatMay(stage, "without-the-policy", "s3:ListAllMyBuckets");
    const credentials = await assumeRole(stage.at, stage.emulator.credentials, roleArn);
    const { tenantKeys } = await application({ credentials });
    const error = await errorOf(tenantKeys.for("acme").encrypt("x"));
    expect([error.code, errorName(error.cause)]).toEqual(["registry_unavailable", "AccessDeniedException"]);
  });

  it("of another stage finds no registry of this one's", async () => {
    const { tenantKeys } = await application({ stage: "elsewhere", credentials: stage.emulator.credentials });
    const error = await errorOf(tenantKeys.for("acme").encrypt("x"));
    expect([error.code, errorName(error.cause)]).toEqual(["registry_unavailable", "ResourceNotFoundException"]);
  });
});

it("reads every field that it needs as the worker's registry writes it", async () => {
  const registry = createRegistry(stage.root, stageNames(stage.settings.stage).registryTable);
  const run = startRun(systemClock, 10_000, 1_000);
  await lives.signUp("rich");
  const record = (await readRecord(stage, "rich")) as KeyRecord;
  const tenant = (await registry.getTenant(run, parseTenantId("rich"))) as TenantRecord;
  const arn = (region: string, id: string) => parseKeyArn(`arn:aws:kms:${region}:${stage.accountId}:key/${id}`);
  const previousKeyArns = [arn(stage.region, "oldest"), arn(stage.region, "old")];
  const replicas = [{ region: parseRegion("eu-central-1"), keyArn: arn("eu-central-1", "replica") }];
  await registry.replace(run, { ...record, previousKeyArns, replicas }, record.fence);
  const over = { value: false, generation: Date.now(), eventId: "an-event", by: "AROA:one", reason: "over", atMs: 1 };
  const changed = { ...tenant, suspension: over, leaving: over, endedGeneration: 1, version: tenant.version + 1 };
  await registry.putTenant(run, changed, tenant.version);

  const { tenantKeys } = await application();
  const { keyArn, decryptKeyArns, roleArn } = await tenantKeys.for("rich").access();
  expect([keyArn, roleArn]).toEqual([record.keyArn, record.roleArn]);
  expect(decryptKeyArns).toEqual([keyArn, arn("eu-central-1", "replica"), ...previousKeyArns]);
});

it("works in a stage whose tenants share one role", async () => {
  const shared = await startLocalStage({
    stage: "shared",
    settings: { roleMode: "session-tag" },
    emulator: stage.emulator,
  });
  try {
    for (const tenantId of ["acme", "globex"]) {
      await livesOn(shared, await tapReplies(shared)).signUp(tenantId);
    }
    const { tenantKeys } = await application({}, shared);
    const message = await tenantKeys.for("acme").encrypt("of the shared role");
    expect(await tenantKeys.for("acme").decryptText(message)).toBe("of the shared role");
    expect(await codeOf(tenantKeys.for("globex").decrypt(message))).toBe("ciphertext_of_another_tenant");
  } finally {
    await shared.stop();
  }
});
