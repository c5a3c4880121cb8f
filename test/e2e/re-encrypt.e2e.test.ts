/**
 * A tenant's objects are moved to another key of the tenant, by the command, on the real stacks and under the deployed
 * roles: killed half way, gone on, and nothing touched twice.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AttachRolePolicyCommand, CreatePolicyCommand } from "@aws-sdk/client-iam";
import {
  CreateBucketCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { type Credentials, clientConfig } from "@tenantkeys/aws";
import type { LocalStage } from "@tenantkeys/local";
import { afterAll, beforeAll, expect, it } from "vitest";
import { BIN, commandEnvironment, operatorCredentials, tenantkeys } from "../support/command-line.ts";
import { publish, signUpEnvelope, tenantEnvelope, until, untilActive } from "../support/events.ts";
import { type Session, tenantSession } from "../support/sessions.ts";
import { sharedStage } from "../support/shared-stage.ts";

const Bucket = "notes";
const OBJECTS = 60;
const key = (number: number) => `acme/note-${String(number).padStart(2, "0")} ü+?.txt`;

let stage: LocalStage;
let caller: Credentials;
let acme: Session;
let root: S3Client;
let folder: string;
let oldKey: string;
let newKey: string;

beforeAll(async () => {
  stage = await sharedStage({ settings: { tenantDataActions } });
  folder = await mkdtemp(join(tmpdir(), "re-encrypt-"));
  for (const tenant of ["acme", "globex"]) {
    await publish(stage, { ...signUpEnvelope(tenant), detail: { version: "1", tenantId: tenant, keyNames: KEYS } });
  }
  oldKey = (await untilActive(stage, "acme")).keyArn ?? "";
  newKey = (await untilActive(stage, "acme", "documents")).keyArn ?? "";
  const globexKey = (await untilActive(stage, "globex")).keyArn ?? "";
  caller = await callerWhoMayBeTheApplication();
  root = new S3Client({
    ...clientConfig({ ...stage.at, credentials: stage.emulator.credentials }),
    forcePathStyle: true,
  });
  await makeBucket();
  acme = await tenantSession(stage, "acme");
  for (let number = 0; number < OBJECTS; number++) await put(number, oldKey);
  // By the root user, whom the local AWS lets use any key: as if somebody had mixed up two tenants.
  await root.send(new PutObjectCommand({ Bucket, Key: "acme/of-globex", Body: "x", ...sse(globexKey) }));
}, 120_000);

afterAll(async () => {
  root?.destroy();
  await rm(folder, { recursive: true, force: true });
});

const KEYS = ["default", "documents"];
const tenantDataActions = [
  "s3:GetObject",
  "s3:GetObjectTagging",
  "s3:ListBucket",
  "s3:PutObject",
  "s3:PutObjectTagging",
];
const sse = (SSEKMSKeyId: string) => ({ ServerSideEncryption: "aws:kms", SSEKMSKeyId }) as const;

function put(number: number, keyArn: string) {
  return acme.s3.send(
    new PutObjectCommand({
      Bucket,
      Key: key(number),
      Body: `note ${number}`,
      ContentType: "text/x-note",
      CacheControl: "no-store",
      Metadata: { number: String(number) },
      Tagging: "kind=note",
      StorageClass: "STANDARD_IA",
      ...sse(keyArn),
    }),
  );
}

async function makeBucket(): Promise<void> {
  await root.send(new CreateBucketCommand({ Bucket }));
  await root.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } }));
  const Policy = JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Principal: { AWS: `arn:aws:iam::${stage.accountId}:role/tenantkeys/local/tk-local-acme` },
        Action: ["s3:GetObject*", "s3:PutObject*", "s3:ListBucket"],
        Resource: [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/acme/*`],
      },
    ],
  });
  await root.send(new PutBucketPolicyCommand({ Bucket, Policy }));
}

/** An operator whom somebody also allowed to take on the application's role. */
async function callerWhoMayBeTheApplication(): Promise<Credentials> {
  const RoleName = "moves-objects";
  const PolicyDocument = JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Action: "sts:AssumeRole",
        Resource: `arn:aws:iam::${stage.accountId}:role/sample-application`,
      },
    ],
  });
  const credentials = await operatorCredentials(stage, RoleName);
  const { Policy } = await stage.iam.send(new CreatePolicyCommand({ PolicyName: RoleName, PolicyDocument }));
  await stage.iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn: Policy?.Arn ?? "" }));
  return credentials;
}

const ARGUMENTS = ["re-encrypt", "acme", "--bucket", Bucket, "--prefix", "acme/", "--key-name", "documents"];
const MOVE = [...ARGUMENTS, "--from-key", "default", "--page-objects", "10", "--json"];

async function run(...more: readonly string[]) {
  const { exitCode, stdout, stderr } = await tenantkeys(stage, caller, [...MOVE, ...more]);
  return { exitCode, stderr, report: JSON.parse(stdout === "" ? "{}" : stdout) };
}

async function heads() {
  const read = async (number: number) => acme.s3.send(new HeadObjectCommand({ Bucket, Key: key(number) }));
  return Promise.all(Array.from({ length: OBJECTS }, (_, number) => read(number)));
}

it("says in a dry run what would be moved, and moves nothing", async () => {
  const { exitCode, report } = await run("--dry-run");
  expect([exitCode, report.dryRun, report.moved, report.failed]).toEqual([2, true, OBJECTS, 1]);
  expect(new Set((await heads()).map((head) => head.SSEKMSKeyId))).toEqual(new Set([oldKey]));
});

it("refuses what is under a key that wasn't named", async () => {
  const { exitCode, stdout } = await tenantkeys(stage, caller, [...ARGUMENTS, "--dry-run", "--json"]);
  const report = JSON.parse(stdout);
  expect([exitCode, report.moved, report.failures[0].code]).toEqual([2, 0, "ciphertext_of_another_tenant"]);
});

it("goes on where it was killed, and moves each object once", async () => {
  const cursor = join(folder, "cursor.json");
  const child = spawn(process.execPath, [BIN, ...MOVE, "--cursor", cursor, "--concurrency", "1"], {
    env: commandEnvironment(stage, caller),
    stdio: "ignore",
  });
  const closed = once(child, "close");
  await until("two pages to be moved", async () =>
    /"seen":[2-9]\d/.test(await readFile(cursor, "utf8").catch(() => "")),
  );
  child.kill("SIGKILL");
  expect((await closed)[1]).toBe("SIGKILL");
  const between = await heads();
  const moved = between.filter((head) => head.SSEKMSKeyId === newKey).length;
  expect(moved).toBeGreaterThan(0);
  expect(moved).toBeLessThan(OBJECTS);

  const { exitCode, report } = await run("--cursor", cursor);
  expect(exitCode).toBe(2);
  expect(report).toMatchObject({ seen: OBJECTS + 1, failed: 1, end: "complete" });
  expect(report.moved + report.skipped).toBe(OBJECTS);
  expect(report.failures).toMatchObject([{ id: "acme/of-globex", code: "ciphertext_of_another_tenant" }]);
  const after = await heads();
  expect(new Set(after.map((head) => head.SSEKMSKeyId))).toEqual(new Set([newKey]));
  const untouched = after.filter((head, number) => head.VersionId === between[number]?.VersionId);
  expect(untouched).toHaveLength(moved);
  expect(await readdir(folder)).toEqual([]);
});

it("keeps what an object is, and its bytes", async () => {
  const Key = key(7);
  const { Body, ...object } = await acme.s3.send(new GetObjectCommand({ Bucket, Key }));
  expect(await Body?.transformToString()).toBe("note 7");
  expect(object).toMatchObject({
    ContentType: "text/x-note",
    CacheControl: "no-store",
    Metadata: { number: "7" },
    StorageClass: "STANDARD_IA",
    SSEKMSKeyId: newKey,
  });
  const { TagSet } = await root.send(new GetObjectTaggingCommand({ Bucket, Key }));
  expect(TagSet).toEqual([{ Key: "kind", Value: "note" }]);
});

it("lists the versions that need the old key still", async () => {
  await put(0, oldKey);
  const { report } = await run();
  expect(report).toMatchObject({ moved: 1, skipped: OBJECTS - 1, leftBehind: 1 });
  const [Key = "", VersionId] = report.leftBehindIds[0].split("?versionId=");
  expect(Key).toBe(key(0));
  const old = await root.send(new HeadObjectCommand({ Bucket, Key: key(0), VersionId }));
  expect(old.SSEKMSKeyId).toBe(oldKey);
});

it("touches nothing when all of it is there", async () => {
  const before = await heads();
  expect((await run()).report).toMatchObject({ moved: 0, skipped: OBJECTS });
  expect((await heads()).map((head) => head.VersionId)).toEqual(before.map((head) => head.VersionId));
});

it("moves nothing of a suspended tenant", async () => {
  await publish(stage, tenantEnvelope("TenantSuspended", { tenantId: "acme" }));
  await until("the suspension", async () => {
    const { stderr } = await run();
    return stderr.includes("key_not_active");
  });
  expect((await run()).exitCode).toBe(1);
});
