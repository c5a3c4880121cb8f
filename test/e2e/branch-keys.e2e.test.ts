/** Branch keys on the real stacks: made by a control plane, used by an application, each with no more than its policy. */

import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { AttachRolePolicyCommand } from "@aws-sdk/client-iam";
import type { KMS } from "@aws-sdk/client-kms";
import { type Credentials, clientConfig } from "@tenantkeys/aws";
import { createTenantKeys, type KeyAccess, type TenantKeys } from "@tenantkeys/client";
import {
  branchKeyEnvelope,
  createBranchKey,
  createHierarchicalEnvelope,
  rewrapBranchKey,
  rotateBranchKey,
} from "@tenantkeys/client/branch-keys";
import { SYSTEM_PATH, stageNames, type TenantKeysError } from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { operatorCredentials } from "../support/command-line.ts";
import { publish, signUpEnvelope, tenantEnvelope, untilActive } from "../support/events.ts";
import { outcome } from "../support/sessions.ts";
import { sharedStage } from "../support/shared-stage.ts";

let stage: LocalStage;
let ofApplication: DynamoDBClient;
let ofMaker: DynamoDBClient;
let withBranchKeys: TenantKeys;
let withKmsKeys: TenantKeys;

beforeAll(async () => {
  stage = await sharedStage({
    settings: {
      branchKeys: true,
      profiles: { default: {}, strict: { strictEncryptionContext: true } },
      keyProfiles: { strict: "strict" },
    },
  });
  const keyNames = ["default", "documents", "strict"];
  for (const tenantId of ["acme", "globex"]) {
    await publish(stage, { ...signUpEnvelope(tenantId), detail: { version: "1", tenantId, keyNames } });
  }
  for (const tenantId of ["acme", "globex"]) for (const name of keyNames) await untilActive(stage, tenantId, name);
  await attach("sample-application", "branchKeyReaderPolicy");
  const maker = await operatorCredentials(stage, "makes-branch-keys");
  await attach("makes-branch-keys", "branchKeyMakerPolicy");
  ofApplication = dynamodb(await stage.application());
  ofMaker = dynamodb(maker);
  withBranchKeys = await client({ envelope: branchKeyEnvelope() });
  withKmsKeys = await client({ cache: false });
}, 120_000);

afterAll(() => {
  for (const one of [withBranchKeys, withKmsKeys, ofApplication, ofMaker]) one?.destroy();
});

const dynamodb = (credentials: Credentials) => new DynamoDBClient(clientConfig({ ...stage.at, credentials }));

async function client(more: Partial<Parameters<typeof createTenantKeys>[0]>): Promise<TenantKeys> {
  const credentials = await stage.application();
  return createTenantKeys({ stage: "local", ...stage.at, credentials, recordMaxAgeSeconds: 0, ...more });
}

async function attach(RoleName: string, policy: "branchKeyReaderPolicy" | "branchKeyMakerPolicy"): Promise<void> {
  const PolicyArn = `arn:aws:iam::${stage.accountId}:policy${SYSTEM_PATH}${stageNames(stage.settings.stage)[policy]}`;
  await stage.iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn }));
}

const access = (tenantId: string, keyName?: string): Promise<KeyAccess> =>
  withBranchKeys.for(tenantId, keyName).access();
const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "worked",
    ({ code, message }: TenantKeysError) => code ?? message,
  );
const texts = Array.from({ length: 100 }, (_, number) => `message ${number}`);

/** The commands that a client of KMS sends from now on. */
function commandsOf(kms: KMS): string[] {
  const commands: string[] = [];
  kms.middlewareStack.add(
    (next, context) => (args) => {
      commands.push(context.commandName ?? "");
      return next(args);
    },
    { step: "initialize" },
  );
  return commands;
}

it("has a branch key made once, also by two at the same moment", async () => {
  const acme = withBranchKeys.for("acme");
  expect(await codeOf(acme.encrypt("too early"))).toBe("key_unknown");
  const work = { access: await acme.access(), dynamodb: ofMaker };
  const both = await Promise.all([createBranchKey(work), createBranchKey(work)]);
  expect(both.filter(({ created }) => created)).toHaveLength(1);
  expect(both[0]).toMatchObject({ branchKeyId: "acme/default", version: both[1]?.version });
  expect(await createBranchKey(work)).toMatchObject({ created: false, version: both[0]?.version });
  await createBranchKey({ access: await access("globex"), dynamodb: ofMaker });
});

it("encrypts and decrypts a hundred messages with two calls of KMS", async () => {
  const acme = withBranchKeys.for("acme");
  const commands = commandsOf((await acme.access()).kms);
  const messages = await Promise.all(texts.map((text) => acme.encrypt(text, { context: { kind: "note" } })));
  expect(commands).toEqual(["DecryptCommand"]);
  const read = await Promise.all(messages.map((message) => acme.decryptText(message, { context: { kind: "note" } })));
  expect([read, commands]).toEqual([texts, ["DecryptCommand", "DecryptCommand"]]);
  const other = messages[0] ?? new Uint8Array();
  expect(await codeOf(acme.decrypt(other, { context: { kind: "bill" } }))).toBe("encryption_context_invalid");
  const changed = Uint8Array.from(other, (byte, at) => (at === other.length - 20 ? byte ^ 1 : byte));
  expect(await codeOf(acme.decrypt(changed))).toBe("ciphertext_corrupted");
  // Whoever sends rubbish costs no call of KMS: that says nothing of whether the tenant may work.
  await acme.encrypt("another");
  expect(commands).toHaveLength(2);
});

it("opens in a process of another language what this one encrypted: the pairs are in one order", async () => {
  const acme = withBranchKeys.for("acme");
  // After `tenant` in English, before it in Estonian. Other implementations go by bytes.
  const context = { zone: "7", Zone: "8" };
  const message = await acme.encrypt("a note", { context });
  const { compare } = new Intl.Collator("et");
  const inEstonian = vi.spyOn(String.prototype, "localeCompare").mockImplementation(function (this: string, other) {
    return compare(this, other);
  });
  const read = await acme.decryptText(message, { context }).finally(() => inEstonian.mockRestore());
  expect(read).toBe("a note");
});

it("encrypts and decrypts streams as well, and reads what KMS keys encrypted", async () => {
  const acme = withBranchKeys.for("acme");
  const source = Buffer.alloc(300_000, "a stream of text ");
  const there = acme.encryptStream();
  const back = acme.decryptStream();
  const [read] = await Promise.all([buffer(back), pipeline(Readable.from([source]), there, back)]);
  expect(read.equals(source)).toBe(true);
  const ofKms = await withKmsKeys.for("acme").encrypt("by KMS");
  expect(await acme.decryptText(ofKms)).toBe("by KMS");
  const ofBranchKey = await acme.encrypt("by the branch key");
  expect(await codeOf(withKmsKeys.for("acme").decrypt(ofBranchKey))).toBe("settings_invalid");
});

async function itemOf(tenantId: string) {
  const Key = { "branch-key-id": { S: `${tenantId}/default` }, type: { S: "branch:ACTIVE" } };
  const { branchKeyTable: TableName } = stageNames(stage.settings.stage);
  return (await ofMaker.send(new GetItemCommand({ TableName, Key }))).Item ?? {};
}

it("is refused by KMS to another tenant, whatever the table gives", async () => {
  const message = await withBranchKeys.for("acme").encrypt("of acme");
  expect(await codeOf(withBranchKeys.for("globex").decrypt(message))).toBe("ciphertext_of_another_tenant");
  const { enc, ...attributes } = await itemOf("acme");
  const EncryptionContext = Object.fromEntries([
    ...Object.entries(attributes).map(([name, { S, N }]) => [name, S ?? N ?? ""]),
    ["tablename", stageNames(stage.settings.stage).branchKeyTable],
  ]);
  const { kms } = await access("globex");
  const opening = { CiphertextBlob: enc?.B, EncryptionContext };
  expect(await outcome(kms.decrypt(opening))).toBe("AccessDeniedException");
  expect(await outcome((await access("acme")).kms.decrypt(opening))).toBe("worked");
});

it("takes no branch key of another that somebody put in its place", async () => {
  const { branchKeyTable: TableName } = stageNames(stage.settings.stage);
  const own = await itemOf("globex");
  const put = (Item: Record<string, object>) => ofMaker.send(new PutItemCommand({ TableName, Item: Item as never }));
  const fresh = await client({ envelope: branchKeyEnvelope() });
  await put({ ...(await itemOf("acme")), "branch-key-id": { S: "globex/default" } });
  expect(await codeOf(fresh.for("globex").encrypt("x"))).toBe("record_invalid");
  await put({ ...own, "create-time": { S: "2026-01-01T00:00:00.000000Z" } });
  expect(await codeOf(fresh.for("globex").encrypt("x"))).toBe("record_invalid");
  await put(own);
  expect(await codeOf(fresh.for("globex").encrypt("x"))).toBe("worked");
  fresh.destroy();
});

it("lets the application read branch keys and write none", async () => {
  const { branchKeyTable: TableName } = stageNames(stage.settings.stage);
  const Item = await itemOf("acme");
  expect(await outcome(ofApplication.send(new PutItemCommand({ TableName, Item })))).toBe("AccessDeniedException");
  const work = { access: await access("acme"), dynamodb: ofApplication };
  expect(await codeOf(rotateBranchKey(work))).toBe("access_denied");
  const another = { access: await access("acme", "documents"), dynamodb: ofApplication };
  expect(await codeOf(createBranchKey(another))).toBe("access_denied");
});

it("reads old messages after a rotation, which is done once though it is asked for twice", async () => {
  const acme = withBranchKeys.for("acme");
  const old = await acme.encrypt("before");
  const work = { access: await acme.access(), dynamodb: ofMaker };
  const { version: from } = await createBranchKey(work);
  const both = await Promise.all([rotateBranchKey({ ...work, from }), rotateBranchKey({ ...work, from })]);
  expect(both.filter(({ rotated }) => rotated)).toHaveLength(1);
  expect(await rotateBranchKey({ ...work, from })).toMatchObject({ rotated: false });
  withBranchKeys.forget("acme");
  const commands = commandsOf((await acme.access()).kms);
  const now = await acme.encrypt("after");
  expect([await acme.decryptText(old), await acme.decryptText(now)]).toEqual(["before", "after"]);
  expect(commands).toHaveLength(3);
});

it("needs the old KMS key no more once the branch key is wrapped with the one that replaced it", async () => {
  const before = await access("globex");
  const { keyArn } = await access("globex", "documents");
  const replaced: KeyAccess = { ...before, keyArn, decryptKeyArns: [keyArn, before.keyArn] };
  const alone: KeyAccess = { ...before, keyArn, decryptKeyArns: [keyArn] };
  const message = await withBranchKeys.for("globex").encrypt("of the old key");
  const work = { access: replaced, dynamodb: ofMaker };
  const rewrapped = await rewrapBranchKey(work);
  expect(rewrapped.moved).toBe(rewrapped.seen);
  expect(await rewrapBranchKey(work)).toEqual({ seen: rewrapped.seen, moved: 0 });
  expect(await rotateBranchKey({ ...work, access: alone })).toMatchObject({ rotated: true });
  const source = { open: async () => alone, explain: async (_: unknown, error: unknown) => error as TenantKeysError };
  const envelope = createHierarchicalEnvelope(source, { dynamodb: ofApplication });
  expect(Buffer.from(await envelope.decrypt(alone, message)).toString()).toBe("of the old key");
  envelope.destroy();
});

it("says of a key with a strict encryption context that it can have no branch key", async () => {
  const work = { access: await access("acme", "strict"), dynamodb: ofMaker };
  const error: unknown = await createBranchKey(work).catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: "state_conflict", message: expect.stringContaining("strictEncryptionContext") });
});

it("stops a suspended tenant although its branch key is in memory", async () => {
  const acme = withBranchKeys.for("acme");
  const message = await acme.encrypt("still there");
  await publish(stage, tenantEnvelope("TenantSuspended", { tenantId: "acme" }));
  await expect.poll(() => codeOf(acme.decrypt(message)), { timeout: 20_000 }).toBe("tenant_suspended");
  expect(await codeOf(acme.encrypt("no more"))).toBe("tenant_suspended");
  expect(await codeOf(withBranchKeys.for("globex").encrypt("goes on"))).toBe("worked");
});
