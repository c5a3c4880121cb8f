/**
 * A key whose material the customer brings, on the real stacks: parameters out, material wrapped by OpenSSL in, used,
 * expired, imported again. And the plaintext material is nowhere: not in a log, a record, a reply or a kept event.
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CloudWatchLogsClient,
  DescribeLogGroupsCommand,
  FilterLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { GetQueueUrlCommand, ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import { ScanCommand } from "@aws-sdk/lib-dynamodb";
import { clientConfig, createRegistry } from "@tenantkeys/aws";
import { DAY_MS, type ImportParameters, stageNames } from "@tenantkeys/core";
import { advanceClock, type LocalStage } from "@tenantkeys/local";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  messagesIn,
  publish,
  type ReplyTap,
  tapReplies,
  tenantEnvelope,
  until,
  untilActive,
} from "../support/events.ts";
import {
  decrypt,
  describeKey,
  encrypt,
  type Person,
  person,
  reviewDue,
  say,
  untilState,
  workAt,
} from "../support/life.ts";
import { testRun } from "../support/provisioner.ts";
import { outcome, tenantSession } from "../support/sessions.ts";
import { sharedStage } from "../support/shared-stage.ts";

const HOUR_MS = 3_600_000;
const MATERIAL = randomBytes(32);
const OTHER_MATERIAL = randomBytes(32);

let stage: LocalStage;
let tap: ReplyTap;
let operator: Person;
let directory: string;
let keyArn: string;
let secret: Uint8Array;
/** Wrapped, of an event that ended in the refused store, and in the dead-letter queue. */
let refusedMaterial: string;
let deadMaterial: string;

beforeAll(async () => {
  const profiles = { default: {}, byok: { origin: "EXTERNAL" as const } };
  stage = await sharedStage({ settings: { profiles, receivesMax: 2, retryDelaySeconds: 1 } });
  tap = await tapReplies(stage);
  operator = await person(stage, "operator");
  directory = mkdtempSync(join(tmpdir(), "tenantkeys-byok-"));
}, 120_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** As docs/byok.md tells a customer to. */
function wrap({ publicKey }: ImportParameters, material: Buffer): string {
  const [key, plain, wrapped] = ["key.der", "plain.bin", "wrapped.bin"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(key, Buffer.from(publicKey, "base64"));
  writeFileSync(plain, material);
  const padding = ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"];
  const options = padding.flatMap((option) => ["-pkeyopt", option]);
  const files = ["-in", plain, "-out", wrapped, "-inkey", key, "-keyform", "DER", "-pubin"];
  execFileSync("openssl", ["pkeyutl", "-encrypt", ...files, ...options]);
  return readFileSync(wrapped).toString("base64");
}

async function parametersOf(tenantId: string): Promise<ImportParameters> {
  const { importParameters } = await untilState(stage, tenantId, "awaiting-material");
  if (importParameters === undefined) throw new Error("the record has no import parameters");
  return importParameters;
}

interface Supplied {
  readonly tenantId?: string;
  /** Default: those of the record. */
  readonly parameters?: ImportParameters | undefined;
  readonly expiresAt?: string;
}

/** @returns the wrapped material */
async function supply(material: Buffer, { tenantId = "bringer", parameters, expiresAt }: Supplied = {}) {
  const used = parameters ?? (await parametersOf(tenantId));
  const encryptedKeyMaterial = wrap(used, material);
  const { importToken } = used;
  const detail = { tenantId, encryptedKeyMaterial, importToken, expiresAt };
  await say(operator, stage, "TenantKeyMaterialSupplied", detail);
  return encryptedKeyMaterial;
}

const replyOf = (detailType: string, tenantId = "bringer") =>
  tap.next(
    `${detailType} about ${tenantId}`,
    (reply) => reply.detailType === detailType && reply.detail.tenantId === tenantId,
  );

it("waits for its material after the sign-up, and says how it is to be wrapped", async () => {
  await publish(stage, tenantEnvelope("TenantSignedUp", { tenantId: "bringer", profile: "byok" }));
  const record = await untilState(stage, "bringer", "awaiting-material");
  keyArn = record.keyArn ?? "";
  expect(record).toMatchObject({ waitingFor: "material", importParameters: { wrappingKeySpec: "RSA_4096" } });
  expect(await describeKey(stage, keyArn)).toMatchObject({ KeyState: "PendingImport", Origin: "EXTERNAL" });
  const { detail } = await replyOf("TenantKeyAwaitingMaterial");
  expect(detail).toMatchObject({ keyArn, wrappingAlgorithm: "RSAES_OAEP_SHA_256" });
  expect(JSON.stringify(detail)).not.toContain(record.importParameters?.importToken);
});

it("is used by its tenant once the material that OpenSSL wrapped is in", async () => {
  const expiresAt = new Date(Date.now() + 10 * DAY_MS);
  await supply(MATERIAL, { expiresAt: expiresAt.toISOString() });
  const record = await untilState(stage, "bringer", "active");
  // AWS keeps whole seconds.
  expect(Math.abs((record.materialExpiresAtMs ?? 0) - expiresAt.getTime())).toBeLessThan(1_000);
  expect(record.nextCheckAtMs).toBe(record.materialExpiresAtMs);
  expect(record.importParameters).toBeUndefined();
  await replyOf("TenantKeyMaterialImported");
  secret = await encrypt(await tenantSession(stage, "bringer"), keyArn, "under the customer's key");
  expect(await decrypt(await tenantSession(stage, "bringer"), keyArn, secret)).toBe("under the customer's key");
});

it("waits again when the material has expired, and takes the same material only", async () => {
  await advanceClock(stage.emulator.endpoint, 11 * DAY_MS);
  expect(await outcome(decrypt(await tenantSession(stage, "bringer"), keyArn, secret))).toBe(
    "KMSInvalidStateException",
  );
  await workAt(stage, reviewDue("bringer"), 0);
  await replyOf("TenantKeyAwaitingMaterial");

  refusedMaterial = await supply(OTHER_MATERIAL);
  const refused = await replyOf("TenantKeyMaterialImportFailed");
  expect(refused.detail).toMatchObject({ code: "material_mismatch", keptIn: "refused store", keyName: "default" });
  expect(refused.detail.message).toContain("IncorrectKeyMaterialException");

  await supply(MATERIAL);
  const { materialExpiresAtMs } = await untilState(stage, "bringer", "active");
  expect(materialExpiresAtMs).toBeUndefined();
  expect(await decrypt(await tenantSession(stage, "bringer"), keyArn, secret)).toBe("under the customer's key");
});

it("isn't taken for a key whose material AWS made", async () => {
  await publish(stage, tenantEnvelope("TenantSignedUp", { tenantId: "ordinary" }));
  await untilActive(stage, "ordinary");
  const material = { encryptedKeyMaterial: "AAAA", importToken: "AAAA" };
  await say(operator, stage, "TenantKeyMaterialSupplied", { tenantId: "ordinary", ...material });
  const { detail } = await replyOf("TenantKeyMaterialImportFailed", "ordinary");
  expect(detail).toMatchObject({ code: "origin_mismatch", keptIn: "refused store" });
});

it("isn't taken with a token older than a day, and a review hands out parameters that are", async () => {
  await publish(stage, tenantEnvelope("TenantSignedUp", { tenantId: "late", profile: "byok" }));
  const old = await parametersOf("late");
  const aheadMs = await advanceClock(stage.emulator.endpoint, DAY_MS + HOUR_MS);
  await supply(MATERIAL, { tenantId: "late", parameters: old });
  const { detail } = await replyOf("TenantKeyMaterialImportFailed", "late");
  expect(detail).toMatchObject({ code: "import_token_expired", keptIn: "refused store" });
  expect(await describeKey(stage, String((await untilState(stage, "late", "awaiting-material")).keyArn))).toMatchObject(
    {
      KeyState: "PendingImport",
    },
  );

  await workAt(stage, reviewDue("late"), aheadMs);
  const renewed = await parametersOf("late");
  expect(renewed.importToken).not.toBe(old.importToken);
  expect(renewed.expiresAtMs).toBeGreaterThan(old.expiresAtMs + DAY_MS);
  await supply(MATERIAL, { tenantId: "late" });
  await untilState(stage, "late", "active");
});

it("of a suspended tenant is imported and then disabled, and used once the tenant is resumed", async () => {
  await publish(stage, tenantEnvelope("TenantSignedUp", { tenantId: "shut", profile: "byok" }));
  const { keyArn: shutArn = "" } = await untilState(stage, "shut", "awaiting-material");
  await publish(stage, tenantEnvelope("TenantSuspended", { tenantId: "shut" }));
  await replyOf("TenantSuspensionCompleted", "shut");
  await supply(MATERIAL, { tenantId: "shut" });
  expect((await replyOf("TenantKeyMaterialImported", "shut")).detail).toMatchObject({ state: "suspended" });
  expect(await describeKey(stage, shutArn)).toMatchObject({ KeyState: "Disabled" });
  expect(await outcome(encrypt(await tenantSession(stage, "shut"), shutArn, "x"))).toBe("DisabledException");

  await publish(stage, tenantEnvelope("TenantResumed", { tenantId: "shut" }));
  await untilState(stage, "shut", "active");
  expect(await outcome(encrypt(await tenantSession(stage, "shut"), shutArn, "x"))).toBe("worked");
});

it("that can't be worked on goes to the dead letters as it came", async () => {
  await publish(stage, tenantEnvelope("TenantSignedUp", { tenantId: "busy", profile: "byok" }));
  const record = await untilState(stage, "busy", "awaiting-material");
  const registry = createRegistry(stage.root, stageNames(stage.settings.stage).registryTable);
  await registry.replace(testRun(), { ...record, leaseUntilMs: Date.now() + HOUR_MS }, record.fence);
  deadMaterial = await supply(OTHER_MATERIAL, { tenantId: "busy", parameters: record.importParameters });
  const { detail } = await replyOf("TenantKeyMaterialImportFailed", "busy");
  expect(detail).toMatchObject({ code: "lease_taken", keptIn: "dead-letter queue" });
});

it("leaves the plaintext material nowhere: not in a log, a record, a reply, a dead letter or a refused event", async () => {
  const places = {
    logs: await everyLog(),
    items: await everyItem(),
    "dead letters": await everyDeadLetter(),
    replies: tap.bodies().join("\n"),
  };
  // That these texts are the ones to look in: the wrapped material is found where it is kept, and events where they are logged.
  expect(places.logs).toContain("TenantKeyMaterialSupplied");
  expect(places.items).toContain(refusedMaterial);
  expect(places["dead letters"]).toContain(deadMaterial);
  expect(places.replies).toContain("TenantKeyMaterialImported");

  const found = Object.entries(places).flatMap(([place, text]) =>
    [MATERIAL, OTHER_MATERIAL].flatMap(spellings).flatMap((spelling) => (text.includes(spelling) ? [place] : [])),
  );
  expect(found).toEqual([]);
});

/** The bytes as somebody might write them by mistake: raw, encoded, or as JSON writes a Buffer. */
function spellings(material: Buffer): readonly string[] {
  const raw = material.toString("latin1");
  const encoded = (["hex", "base64", "base64url"] as const).map((encoding) => material.toString(encoding));
  const hex = material.toString("hex").toUpperCase();
  return [...encoded, hex, raw, JSON.stringify(raw).slice(1, -1), material.toString(), material.join(",")];
}

/** Pages of anything that a test reads whole. */
const PAGES_MAX = 100;

async function pagesOf<Page>(read: (token: string | undefined) => Promise<readonly [Page, string | undefined]>) {
  const pages: Page[] = [];
  let token: string | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const [content, next] = await read(token);
    pages.push(content);
    // CloudWatch Logs gives its last token again where there is no more.
    if (next === undefined || next === token) return pages;
    token = next;
  }
  throw new Error(`more than ${PAGES_MAX} pages`);
}

async function everyLog(): Promise<string> {
  const logs = new CloudWatchLogsClient(clientConfig({ ...stage.at, credentials: stage.emulator.credentials }));
  try {
    const groups = await pagesOf(async (nextToken) => {
      const answer = await logs.send(new DescribeLogGroupsCommand({ nextToken }));
      return [answer.logGroups ?? [], answer.nextToken] as const;
    });
    const messages = groups.flat().map(({ logGroupName }) =>
      pagesOf(async (nextToken) => {
        const answer = await logs.send(new FilterLogEventsCommand({ logGroupName, nextToken }));
        return [(answer.events ?? []).map(({ message }) => message), answer.nextToken] as const;
      }),
    );
    return (await Promise.all(messages)).flat(2).join("\n");
  } finally {
    logs.destroy();
  }
}

async function everyItem(): Promise<string> {
  const TableName = stageNames(stage.settings.stage).registryTable;
  const pages = await pagesOf(async (token) => {
    const ExclusiveStartKey = token === undefined ? undefined : JSON.parse(token);
    const { Items, LastEvaluatedKey } = await stage.root.documents.send(
      new ScanCommand({ TableName, ExclusiveStartKey }),
    );
    return [JSON.stringify(Items), LastEvaluatedKey === undefined ? undefined : JSON.stringify(LastEvaluatedKey)];
  });
  return pages.join("\n");
}

/** Read as the queue holds them: hidden from the next receive, and not deleted. */
async function everyDeadLetter(): Promise<string> {
  const { queueDeadLetter: QueueName, ruleDeadLetter } = stageNames(stage.settings.stage);
  expect(await messagesIn(stage, ruleDeadLetter)).toBe(0);
  const count = await until("the dead letter", async () => (await messagesIn(stage, QueueName)) || undefined);
  const { QueueUrl } = await stage.root.sqs.send(new GetQueueUrlCommand({ QueueName }));
  const { Messages = [] } = await stage.root.sqs.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 600 }),
  );
  expect(Messages).toHaveLength(count);
  return Messages.map(({ Body }) => Body).join("\n");
}
