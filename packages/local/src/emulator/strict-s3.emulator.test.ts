import { CreateKeyCommand, DisableKeyCommand, EnableKeyCommand, ScheduleKeyDeletionCommand } from "@aws-sdk/client-kms";
import {
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketEncryptionCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Emulator, startEmulator } from "./emulator.ts";
import {
  ACCOUNT_ROOT,
  assume,
  type Caller,
  callerWith,
  keyPolicy,
  makeRole,
  outcome,
  policy,
  type Statement,
} from "./test-support.ts";

const Bucket = "documents";
const ALL_S3: Statement = { Effect: "Allow", Action: "s3:*", Resource: "*" };
const VIA_S3 = { StringEquals: { "kms:ViaService": "s3.eu-west-1.amazonaws.com" } };

let emulator: Emulator;
let root: Caller;

beforeAll(async () => {
  emulator = await startEmulator();
  root = callerWith(emulator, emulator.credentials);
  await root.s3.send(new CreateBucketCommand({ Bucket }));
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

async function newKey(document = keyPolicy()): Promise<string> {
  const made = await root.kms.send(new CreateKeyCommand({ Policy: document }));
  return made.KeyMetadata?.Arn as string;
}

async function sessionOf(name: string, ...allow: readonly Statement[]): Promise<Caller> {
  return assume(emulator, root, await makeRole(root, name, { allow }));
}

function put(caller: Caller, Key: string, SSEKMSKeyId: string, context?: Record<string, string>) {
  return caller.s3.send(
    new PutObjectCommand({
      Bucket,
      Key,
      Body: "hello",
      ServerSideEncryption: "aws:kms",
      SSEKMSKeyId,
      ...(context && { SSEKMSEncryptionContext: Buffer.from(JSON.stringify(context)).toString("base64") }),
    }),
  );
}

function get(caller: Caller, Key: string) {
  return caller.s3.send(new GetObjectCommand({ Bucket, Key }));
}

describe("S3 uses a key in its caller's name", () => {
  test("a write needs kms:GenerateDataKey and a read kms:Decrypt", async () => {
    const key = await newKey();
    const allow = (name: string, Action: string) => sessionOf(name, ALL_S3, { Effect: "Allow", Action, Resource: key });
    const writer = await allow("writer", "kms:GenerateDataKey");
    const reader = await allow("reader", "kms:Decrypt");
    expect(await outcome(put(writer, "a", key))).toBe("ok");
    expect(await outcome(put(reader, "b", key))).toBe("AccessDenied");
    expect(await outcome(get(reader, "a"))).toBe("ok");
    expect(await outcome(get(writer, "a"))).toBe("AccessDenied");
    expect(await outcome(writer.s3.send(new HeadObjectCommand({ Bucket, Key: "a" })))).toBe("ok");
    const copy = (to: string) => writer.s3.send(new CopyObjectCommand({ Bucket, Key: to, CopySource: `${Bucket}/a` }));
    expect(await outcome(copy("c"))).toBe("AccessDenied");
  });

  test("the tenant's key policy keeps out a role with s3:* and kms:* on everything", async () => {
    const tenant = await makeRole(root, "tenant", { path: "/tenantkeys/dev/", allow: [ALL_S3] });
    const use = {
      Effect: "Allow",
      Principal: { AWS: tenant },
      Action: ["kms:GenerateDataKey", "kms:Decrypt"],
    } as const;
    const key = await newKey(policy({ ...use, Resource: "*" }));
    const stranger = await sessionOf("stranger", ALL_S3, { Effect: "Allow", Action: "kms:*", Resource: "*" });
    const owner = await assume(emulator, root, tenant);
    expect(await outcome(put(owner, "owned", key))).toBe("ok");
    expect(await outcome(get(owner, "owned"))).toBe("ok");
    expect(await outcome(get(stranger, "owned"))).toBe("AccessDenied");
    expect(await outcome(put(stranger, "owned", key))).toBe("AccessDenied");
  });

  test("kms:ViaService and the encryption context are S3's", async () => {
    const useOf = async (name: string, condition: unknown) => {
      const key = await newKey();
      const kms: Statement = { Effect: "Allow", Action: "kms:*", Resource: key, Condition: condition };
      const caller = await sessionOf(name, ALL_S3, kms);
      return [await outcome(put(caller, name, key, { tenant: "acme" })), await outcome(get(caller, name))];
    };
    expect(await useOf("via-s3", VIA_S3)).toEqual(["ok", "ok"]);
    const viaQueue = { StringEquals: { "kms:ViaService": "sqs.eu-west-1.amazonaws.com" } };
    expect((await useOf("via-sqs", viaQueue))[0]).toBe("AccessDenied");
    const object = (name: string) => ({
      StringEquals: { "kms:EncryptionContext:aws:s3:arn": `arn:aws:s3:::${Bucket}/${name}` },
    });
    expect(await useOf("context-hit", object("context-hit"))).toEqual(["ok", "ok"]);
    expect((await useOf("context-miss", object("another")))[0]).toBe("AccessDenied");
    const tenant = (id: string) => ({ StringEquals: { "kms:EncryptionContext:tenant": id } });
    expect(await useOf("tenant-hit", tenant("acme"))).toEqual(["ok", "ok"]);
    expect((await useOf("tenant-miss", tenant("umbrella")))[0]).toBe("AccessDenied");
  });

  test("a multipart upload needs both permissions, and a bucket's default key counts", async () => {
    const key = await newKey();
    const byDefault = "by-default";
    await root.s3.send(new CreateBucketCommand({ Bucket: byDefault }));
    const rule = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "aws:kms" as const, KMSMasterKeyID: key } };
    await root.s3.send(
      new PutBucketEncryptionCommand({
        Bucket: byDefault,
        ServerSideEncryptionConfiguration: { Rules: [rule] },
      }),
    );
    const may = await sessionOf("default-may", ALL_S3, { Effect: "Allow", Action: "kms:*", Resource: key });
    const mayNot = await sessionOf("default-may-not", ALL_S3);
    const write = (caller: Caller) =>
      outcome(caller.s3.send(new PutObjectCommand({ Bucket: byDefault, Key: "a", Body: "hello" })));
    expect(await write(may)).toBe("ok");
    expect(await write(mayNot)).toBe("AccessDenied");
    const start = (caller: Caller) =>
      outcome(caller.s3.send(new CreateMultipartUploadCommand({ Bucket: byDefault, Key: "big" })));
    expect(await start(may)).toBe("ok");
    expect(await start(mayNot)).toBe("AccessDenied");
  });

  test("a disabled key, and one that is pending deletion, read and write nothing, even for the root", async () => {
    const key = await newKey();
    expect(await outcome(put(root, "state", key))).toBe("ok");
    await root.kms.send(new DisableKeyCommand({ KeyId: key }));
    expect(await outcome(get(root, "state"))).toBe("KMS.DisabledException");
    expect(await outcome(put(root, "state", key))).toBe("KMS.DisabledException");
    await root.kms.send(new EnableKeyCommand({ KeyId: key }));
    expect(await outcome(get(root, "state"))).toBe("ok");
    await root.kms.send(new ScheduleKeyDeletionCommand({ KeyId: key }));
    expect(await outcome(get(root, "state"))).toBe("KMS.KMSInvalidStateException");
    expect(await outcome(put(root, "none", "00000000-0000-4000-8000-000000000000"))).toBe("KMS.NotFoundException");
  });
});

describe("bucket policies", () => {
  test("a bucket policy lets a role in by its whole ARN only", async () => {
    const arn = await makeRole(root, "visitor", { path: "/guests/" });
    const visitor = await assume(emulator, root, arn);
    const readAs = async (principal: string) => {
      const document = policy({
        Effect: "Allow",
        Principal: { AWS: principal },
        Action: "s3:GetObject",
        Resource: "arn:aws:s3:::open/*",
      });
      await root.s3.send(new PutBucketPolicyCommand({ Bucket: "open", Policy: document }));
      return outcome(visitor.s3.send(new GetObjectCommand({ Bucket: "open", Key: "a" })));
    };
    await root.s3.send(new CreateBucketCommand({ Bucket: "open" }));
    await root.s3.send(new PutObjectCommand({ Bucket: "open", Key: "a", Body: "hello" }));
    expect(await readAs(arn)).toBe("ok");
    expect(await readAs("arn:aws:iam::000000000000:role/visitor")).toBe("AccessDenied");
    expect(await readAs("arn:aws:iam::000000000000:role/hosts/visitor")).toBe("AccessDenied");
  });

  test("a bucket policy can deny every key but one", async () => {
    const [right, wrong] = [await newKey(), await newKey()];
    const guarded = "guarded";
    await root.s3.send(new CreateBucketCommand({ Bucket: guarded }));
    const document = policy({
      Effect: "Deny",
      Principal: { AWS: ACCOUNT_ROOT },
      Action: "s3:PutObject",
      Resource: `arn:aws:s3:::${guarded}/*`,
      Condition: { StringNotEquals: { "s3:x-amz-server-side-encryption-aws-kms-key-id": right } },
    });
    await root.s3.send(new PutBucketPolicyCommand({ Bucket: guarded, Policy: document }));
    const caller = await sessionOf("bucket-user", ALL_S3, { Effect: "Allow", Action: "kms:*", Resource: "*" });
    const write = (SSEKMSKeyId?: string) =>
      outcome(
        caller.s3.send(
          new PutObjectCommand({
            Bucket: guarded,
            Key: "a",
            Body: "hello",
            ...(SSEKMSKeyId && { ServerSideEncryption: "aws:kms", SSEKMSKeyId }),
          }),
        ),
      );
    expect(await write(right)).toBe("ok");
    expect(await write(wrong)).toBe("AccessDenied");
    expect(await write()).toBe("AccessDenied");
  });
});
