/** What happens to objects in the middle of a run, with the S3 of the local AWS. The run as a whole: test/e2e/re-encrypt.e2e.test.ts. */
import { CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { type KeyArn, parseStage } from "@tenantkeys/core";
import { type Emulator, startEmulator } from "@tenantkeys/local";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { REF } from "../test-support.ts";
import { s3CursorStore } from "./cursor-store.ts";
import { type ObjectsToMove, reEncryptObjects, tenantS3 } from "./objects.ts";

const Bucket = "notes";

let emulator: Emulator;
let kms: KMSClient;
let keys: readonly KeyArn[];
let s3: S3Client;

beforeAll(async () => {
  emulator = await startEmulator();
  const { endpoint, region, credentials } = emulator;
  kms = new KMSClient({ endpoint, region, credentials });
  keys = await Promise.all([newKey(), newKey(), newKey()]);
  s3 = client();
  await s3.send(new CreateBucketCommand({ Bucket }));
}, 60_000);

afterAll(async () => {
  s3?.destroy();
  kms?.destroy();
  await emulator?.stop();
});

let prefix = "";
let tests = 0;
beforeEach(() => {
  prefix = `test-${++tests}/`;
});

const client = () => tenantS3(emulator);
const newKey = async () => (await kms.send(new CreateKeyCommand({}))).KeyMetadata?.Arn as KeyArn;

function toMove(changes: Partial<ObjectsToMove> = {}): ObjectsToMove {
  const [newest, before] = keys as [KeyArn, KeyArn];
  const to = { ...REF, stage: parseStage("local"), keyArn: newest, decryptKeyArns: [newest, before] };
  return { s3, bucket: Bucket, prefix, to, ...changes };
}

async function put(name: string, text: string, keyArn = keys[1]) {
  const sse = keyArn === undefined ? {} : ({ ServerSideEncryption: "aws:kms", SSEKMSKeyId: keyArn } as const);
  await s3.send(new PutObjectCommand({ Bucket, Key: `${prefix}${name}`, Body: text, ...sse }));
}

async function read(name: string) {
  const { Body: body, SSEKMSKeyId: keyArn } = await s3.send(new GetObjectCommand({ Bucket, Key: `${prefix}${name}` }));
  return [await body?.transformToString(), keyArn];
}

/** Does something once, right before the first command of this name. */
function before(command: string, act: () => Promise<void>): S3Client {
  const watched = client();
  let done = false;
  watched.middlewareStack.add(
    (next, context) => async (args) => {
      if (!done && context.commandName === command) {
        done = true;
        await act();
      }
      return next(args);
    },
    { step: "initialize" },
  );
  return watched;
}

/** With another answer to HeadObject: what the local AWS can't have. */
function withHead(changes: object): S3Client {
  const watched = client();
  watched.middlewareStack.add(
    (next, context) => async (args) => {
      const answer = await next(args);
      if (context.commandName === "HeadObjectCommand") Object.assign(answer.output, changes);
      return answer;
    },
    { step: "initialize" },
  );
  return watched;
}

test("what is written in the same moment is kept, and moved as it is now", async () => {
  await put("a", "first");
  const watched = before("CopyObjectCommand", () => put("a", "second"));
  expect(await reEncryptObjects(toMove({ s3: watched }))).toMatchObject({ moved: 1, failed: 0 });
  expect(await read("a")).toEqual(["second", keys[0]]);
});

test("what is put in the same moment under another tenant's key isn't taken over", async () => {
  await put("a", "first");
  const watched = before("CopyObjectCommand", () => put("a", "second", keys[2]));
  expect(await reEncryptObjects(toMove({ s3: watched }))).toMatchObject({ moved: 0, failed: 1 });
  expect(await read("a")).toEqual(["second", keys[2]]);
});

test("what is deleted in the same moment stays deleted", async () => {
  await put("a", "first");
  const remove = async () => void (await s3.send(new DeleteObjectCommand({ Bucket, Key: `${prefix}a` })));
  expect(await reEncryptObjects(toMove({ s3: before("CopyObjectCommand", remove) }))).toMatchObject({
    moved: 0,
    skipped: 1,
    failed: 0,
  });
  await expect(s3.send(new HeadObjectCommand({ Bucket, Key: `${prefix}a` }))).rejects.toThrow();
});

test("what S3's own key encrypts comes under the tenant's", async () => {
  await s3.send(new PutObjectCommand({ Bucket, Key: `${prefix}a`, Body: "plain" }));
  expect(await reEncryptObjects(toMove())).toMatchObject({ moved: 1 });
  expect(await read("a")).toEqual(["plain", keys[0]]);
});

test("a prefix with which another tenant's begins too is refused: its objects without a key would come under this one's", async () => {
  const key = `${prefix}acme-2/a`;
  await s3.send(new PutObjectCommand({ Bucket, Key: key, Body: "of acme-2" }));
  const open = toMove({ prefix: `${prefix}acme` });
  await expect(reEncryptObjects(open)).rejects.toMatchObject({
    code: "settings_invalid",
    details: { field: "prefix" },
  });
  expect(await read("acme-2/a")).toEqual(["of acme-2", undefined]);
});

test("what is under a key that is none of the tenant's stays where it is", async () => {
  await put("a", "foreign", keys[2]);
  const report = await reEncryptObjects(toMove());
  expect(report.failures).toMatchObject([{ id: `${prefix}a`, code: "ciphertext_of_another_tenant" }]);
  expect(await read("a")).toEqual(["foreign", keys[2]]);
});

test.each([
  ["has more than S3 copies at once", { ContentLength: 5 * 1024 ** 3 + 1 }, "write it again in parts"],
  ["is archived", { StorageClass: "DEEP_ARCHIVE" }, "restore it first"],
  ["has its writer's own key", { SSECustomerAlgorithm: "AES256" }, "SSE-C"],
])("what %s is reported and stays where it is", async (_, head, reason) => {
  await put("a", "stays");
  const report = await reEncryptObjects(toMove({ s3: withHead(head) }));
  expect(report.failures).toMatchObject([{ code: "state_conflict", message: expect.stringContaining(reason) }]);
  expect(await read("a")).toEqual(["stays", keys[1]]);
});

test("a cursor in S3 is what was written last, and gone when it was cleared", async () => {
  const store = s3CursorStore(s3, Bucket, "cursors/acme.json");
  expect(await store.load()).toBeUndefined();
  await store.save("first");
  await store.save("second");
  expect(await store.load()).toBe("second");
  await store.clear();
  expect(await store.load()).toBeUndefined();
});
