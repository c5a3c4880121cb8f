/** The policies for AWS services, tried: what they refuse is refused, also to roles that were given everything by mistake. */
import { CreateTableCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { CreateKeyCommand, DisableKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketPolicyCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutResourcePolicyCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import {
  type KeyArn,
  type PolicyDocument,
  parseAccountId,
  parseKeyArn,
  parseKeyName,
  parseRegion,
  parseStage,
  parseTenantId,
  policyDocument,
  stageArns,
  tenantRoleArn,
} from "@tenantkeys/core";
import { type Emulator, startEmulator } from "@tenantkeys/local";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  s3Encryption,
  secretEncryption,
  taggedItemsPolicy,
  taggedObjectsPolicy,
  taggedPrefixStatements,
  taggedSecretsPolicy,
  tenantObjectsPolicy,
  tenantPrefix,
  tenantPrefixBucketPolicy,
  tenantSecretName,
  tenantSecretPolicy,
} from "./index.ts";

const DENIED = "AccessDenied";
const STAGE = parseStage("dev");
const ACME = parseTenantId("acme");
const GLOBEX = parseTenantId("globex");
const ACCOUNT_ID = parseAccountId("000000000000");
const REGION = parseRegion("eu-west-1");
const ROOT = `arn:aws:iam::${ACCOUNT_ID}:root`;
const EVERYTHING = policyDocument([
  {
    Sid: "ByMistake",
    Effect: "Allow",
    Action: ["s3:*", "kms:*", "dynamodb:*", "secretsmanager:*"],
    Resource: "*",
  },
]);

interface Session {
  readonly s3: S3Client;
  readonly dynamodb: DynamoDBClient;
  readonly secrets: SecretsManagerClient;
}

let emulator: Emulator;
let iam: IAMClient;
let kms: KMSClient;
let root: Session;
/** Keys that the account's IAM policies decide about, as no key policy is tried here. */
let ofAcme: KeyArn;
let ofGlobex: KeyArn;

beforeAll(async () => {
  emulator = await startEmulator();
  const config = configWith(emulator.credentials);
  iam = new IAMClient(config);
  kms = new KMSClient(config);
  root = sessionWith(emulator.credentials);
  ofAcme = await newKey();
  ofGlobex = await newKey();
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

function configWith(credentials: Emulator["credentials"]) {
  return { endpoint: emulator.endpoint, region: emulator.region, credentials, maxAttempts: 1 };
}

function sessionWith(credentials: Emulator["credentials"]): Session {
  const config = configWith(credentials);
  return {
    s3: new S3Client({ ...config, forcePathStyle: true }),
    dynamodb: new DynamoDBClient(config),
    secrets: new SecretsManagerClient(config),
  };
}

async function newKey(): Promise<KeyArn> {
  const statement = { Effect: "Allow", Principal: { AWS: ROOT }, Action: "kms:*", Resource: "*" };
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({ Policy }));
  return parseKeyArn(KeyMetadata?.Arn ?? "");
}

const key = (keyArn: KeyArn) => ({ stage: STAGE, tenantId: ACME, keyName: parseKeyName("default"), keyArn });

let roles = 0;
/** A session of a role of its own, tagged with the tenant, that has these policies. */
async function sessionOf(tenant: string | undefined, policies: readonly PolicyDocument[]): Promise<Session> {
  const path = `/tenantkeys/${STAGE}/`;
  const RoleName = tenantRoleArn(ACCOUNT_ID, STAGE, parseTenantId(`role-${++roles}`))
    .split("/")
    .at(-1);
  const trust = { Effect: "Allow", Principal: { AWS: ROOT }, Action: ["sts:AssumeRole", "sts:TagSession"] };
  const AssumeRolePolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: [trust] });
  const { Role } = await iam.send(new CreateRoleCommand({ RoleName, Path: path, AssumeRolePolicyDocument }));
  for (const [index, document] of policies.entries()) {
    const PolicyDocument = JSON.stringify(document);
    await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: `policy-${index}`, PolicyDocument }));
  }
  const sts = new STSClient(configWith(emulator.credentials));
  const Tags = tenant === undefined ? undefined : [{ Key: "tenant", Value: tenant }];
  const { Credentials } = await sts.send(
    new AssumeRoleCommand({ RoleArn: Role?.Arn, RoleSessionName: "test", ...(Tags && { Tags }) }),
  );
  return sessionWith({
    accessKeyId: Credentials?.AccessKeyId ?? "",
    secretAccessKey: Credentials?.SecretAccessKey ?? "",
    sessionToken: Credentials?.SessionToken ?? "",
  } as Emulator["credentials"]);
}

const useKeys = (...Resource: KeyArn[]) =>
  policyDocument([{ Sid: "UseKeys", Effect: "Allow", Action: ["kms:Decrypt", "kms:GenerateDataKey"], Resource }]);

function outcome(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "worked",
    (error: Error) => error.name,
  );
}

async function bucket(Bucket: string, policy?: PolicyDocument): Promise<string> {
  await root.s3.send(new CreateBucketCommand({ Bucket }));
  if (policy) await root.s3.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify(policy) }));
  return Bucket;
}

function put({ s3 }: Session, Bucket: string, Key: string, parameters: object = {}): Promise<string> {
  return outcome(s3.send(new PutObjectCommand({ Bucket, Key, Body: "a note", ...parameters })));
}

async function get({ s3 }: Session, Bucket: string, Key: string): Promise<string> {
  try {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
    return `read: ${await Body?.transformToString()}`;
  } catch (error) {
    return (error as Error).name;
  }
}

describe("a bucket's policy by tenant", () => {
  it("refuses every key but the tenant's under its prefix to everybody, and what was put reads back", async () => {
    const where = { bucket: "by-tenant" };
    const policy = tenantPrefixBucketPolicy(where, [
      { tenantId: ACME, keyArns: [ofAcme] },
      { tenantId: GLOBEX, keyArns: [ofGlobex] },
    ]);
    const Bucket = await bucket(where.bucket, policy);
    const Key = `${tenantPrefix({}, ACME)}a`;
    const anybody = await sessionOf(undefined, [EVERYTHING]);
    const id = ofAcme.split("/").at(-1);

    expect(await put(anybody, Bucket, Key, s3Encryption(key(ofAcme)))).toBe("worked");
    expect(await get(anybody, Bucket, Key)).toBe("read: a note");
    expect(await put(anybody, Bucket, Key, s3Encryption(key(ofGlobex)))).toBe(DENIED);
    expect(await put(anybody, Bucket, Key)).toBe(DENIED);
    expect(await put(anybody, Bucket, Key, { ServerSideEncryption: "aws:kms" })).toBe(DENIED);
    expect(await put(anybody, Bucket, Key, { ServerSideEncryption: "AES256" })).toBe(DENIED);
    // The same key by its id is another text, so it is refused as well.
    expect(await put(anybody, Bucket, Key, { ServerSideEncryption: "aws:kms", SSEKMSKeyId: id })).toBe(DENIED);
    const copy = (SSEKMSKeyId: KeyArn) =>
      anybody.s3.send(
        new CopyObjectCommand({
          Bucket,
          Key: `${Key}-copy`,
          CopySource: `${Bucket}/${Key}`,
          ...s3Encryption(key(SSEKMSKeyId)),
        }),
      );
    expect(await outcome(copy(ofGlobex))).toBe(DENIED);
    expect(await outcome(copy(ofAcme))).toBe("worked");
    expect(await put(anybody, Bucket, "elsewhere/a")).toBe("worked");
  });
});

describe("the policy of a tenant's role", () => {
  it("by its key reaches its own prefix, and puts with its key only", async () => {
    const where = { bucket: "by-role", prefix: "attachments/" };
    const Bucket = await bucket(where.bucket);
    const acme = await sessionOf("acme", [
      tenantObjectsPolicy(where, { tenantId: ACME, keyArns: [ofAcme] }),
      useKeys(ofAcme, ofGlobex),
    ]);
    const own = `${tenantPrefix(where, ACME)}a`;
    const foreign = `${tenantPrefix(where, GLOBEX)}a`;
    await put(root, Bucket, foreign);

    expect(await put(acme, Bucket, own, s3Encryption(key(ofAcme)))).toBe("worked");
    expect(await get(acme, Bucket, own)).toBe("read: a note");
    expect(await put(acme, Bucket, own, s3Encryption(key(ofGlobex)))).toBe(DENIED);
    expect(await put(acme, Bucket, own)).toBe(DENIED);
    expect(await put(acme, Bucket, foreign, s3Encryption(key(ofAcme)))).toBe(DENIED);
    expect(await get(acme, Bucket, foreign)).toBe(DENIED);
    expect(await list(acme, Bucket, tenantPrefix(where, ACME))).toBe("worked");
    expect(await list(acme, Bucket, tenantPrefix(where, GLOBEX))).toBe(DENIED);
    expect(await list(acme, Bucket)).toBe(DENIED);
  });

  it("by tag does the same for whichever tenant the session is tagged with, with a key that is named", async () => {
    const where = { bucket: "by-tag-in-role" };
    const Bucket = await bucket(where.bucket);
    const policies = [taggedObjectsPolicy(where), useKeys(ofAcme)];
    const [acme, untagged] = [await sessionOf("acme", policies), await sessionOf(undefined, policies)];

    expect(await put(acme, Bucket, "acme/a", s3Encryption(key(ofAcme)))).toBe("worked");
    expect(await get(acme, Bucket, "acme/a")).toBe("read: a note");
    expect(await put(acme, Bucket, "acme/a", { ServerSideEncryption: "aws:kms" })).toBe(DENIED);
    expect(await put(acme, Bucket, "globex/a", s3Encryption(key(ofAcme)))).toBe(DENIED);
    expect(await put(acme, Bucket, "acme-2/a", s3Encryption(key(ofAcme)))).toBe(DENIED);
    expect(await put(untagged, Bucket, "acme/a", s3Encryption(key(ofAcme)))).toBe(DENIED);
  });
});

function list({ s3 }: Session, Bucket: string, Prefix?: string): Promise<string> {
  return outcome(s3.send(new ListObjectsV2Command({ Bucket, ...(Prefix !== undefined && { Prefix }) })));
}

describe("a bucket's policy by tag", () => {
  it("keeps a session with s3:* to its own prefix, and leaves one without a tag nothing", async () => {
    const where = { bucket: "by-tag" };
    const { tenantRoles, sharedTenantRole } = stageArns(ACCOUNT_ID, REGION, STAGE);
    const statements = taggedPrefixStatements(where, { roleArns: [tenantRoles, sharedTenantRole] });
    const Bucket = await bucket(where.bucket, policyDocument(statements));
    await put(root, Bucket, "globex/a");
    const [acme, untagged] = [await sessionOf("acme", [EVERYTHING]), await sessionOf(undefined, [EVERYTHING])];

    expect(await put(acme, Bucket, "acme/a", s3Encryption(key(ofAcme)))).toBe("worked");
    expect(await get(acme, Bucket, "acme/a")).toBe("read: a note");
    expect(await put(acme, Bucket, "acme/a")).toBe(DENIED);
    expect(await put(acme, Bucket, "globex/a", s3Encryption(key(ofAcme)))).toBe(DENIED);
    // Uploads in parts are listed with their objects' keys, and S3 has no condition on their prefix.
    expect(await outcome(acme.s3.send(new ListMultipartUploadsCommand({ Bucket })))).toBe(DENIED);
    expect(await get(acme, Bucket, "globex/a")).toBe(DENIED);
    expect([await list(acme, Bucket, "acme/"), await list(acme, Bucket, "globex/"), await list(acme, Bucket)]).toEqual([
      "worked",
      DENIED,
      DENIED,
    ]);
    expect([await get(untagged, Bucket, "acme/a"), await list(untagged, Bucket, "acme/")]).toEqual([DENIED, DENIED]);
    // Not the way around it either: the policy itself.
    expect(await outcome(acme.s3.send(new DeleteBucketPolicyCommand({ Bucket })))).toBe(DENIED);
    // People of the account aren't bound by it.
    expect(await get(root, Bucket, "globex/a")).toBe("read: a note");
  });
});

describe("an object's encryption", () => {
  it("has what a key of a strict profile asks for, to write and to read", async () => {
    const strict = await newKey();
    const condition = {
      StringEquals: { "kms:EncryptionContext:tenant": "acme", "kms:EncryptionContext:stage": "dev" },
    };
    const [use] = useKeys(strict).Statement;
    const policies = [
      policyDocument([{ Sid: "S3", Effect: "Allow", Action: ["s3:GetObject", "s3:PutObject"], Resource: "*" }]),
      policyDocument(use === undefined ? [] : [{ ...use, Condition: condition }]),
    ];
    const acme = await sessionOf("acme", policies);
    const Bucket = await bucket("strict");

    expect(await put(acme, Bucket, "a", s3Encryption(key(strict)))).toBe("worked");
    expect(await get(acme, Bucket, "a")).toBe("read: a note");
    expect(await put(acme, Bucket, "b", { ...s3Encryption(key(strict)), SSEKMSEncryptionContext: undefined })).toBe(
      DENIED,
    );
    const ofAnother = s3Encryption({ ...key(strict), tenantId: GLOBEX });
    expect(await put(acme, Bucket, "b", ofAnother)).toBe(DENIED);
  });

  it("with a key that was disabled is refused, in words of KMS's", async () => {
    const disabled = await newKey();
    const Bucket = await bucket("disabled");
    expect(await put(root, Bucket, "a", s3Encryption(key(disabled)))).toBe("worked");
    await kms.send(new DisableKeyCommand({ KeyId: disabled }));
    expect(await put(root, Bucket, "b", s3Encryption(key(disabled)))).toBe("KMS.DisabledException");
    expect(await get(root, Bucket, "a")).toBe("KMS.DisabledException");
  });
});

it("a policy for a shared table keeps a session to its tenant's items", async () => {
  const TableName = "notes";
  await root.dynamodb.send(
    new CreateTableCommand({
      TableName,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }],
      KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
    }),
  );
  const tableArns = [`arn:aws:dynamodb:${REGION}:${ACCOUNT_ID}:table/${TableName}`];
  const exact = await sessionOf("acme", [taggedItemsPolicy({ tableArns, partitionKeyPrefix: "TENANT#" })]);
  const separated = await sessionOf("acme", [taggedItemsPolicy({ tableArns, partitionKeySeparator: "#" })]);
  const putItem = ({ dynamodb }: Session, pk: string) =>
    outcome(dynamodb.send(new PutItemCommand({ TableName, Item: { pk: { S: pk } } })));
  const getItem = ({ dynamodb }: Session, pk: string) =>
    outcome(dynamodb.send(new GetItemCommand({ TableName, Key: { pk: { S: pk } } })));

  expect([await putItem(exact, "TENANT#acme"), await getItem(exact, "TENANT#acme")]).toEqual(["worked", "worked"]);
  expect([await putItem(exact, "TENANT#globex"), await getItem(exact, "TENANT#globex")]).toEqual(
    Array(2).fill("AccessDeniedException"),
  );
  expect([await putItem(separated, "acme"), await putItem(separated, "acme#1")]).toEqual(["worked", "worked"]);
  expect(await putItem(separated, "acme-2#1")).toBe("AccessDeniedException");
});

describe("policies for secrets", () => {
  it("give a secret's value to sessions of its tenant only, also where everything is allowed", async () => {
    const SecretId = tenantSecretName({ prefix: "notes/" }, ACME, "smtp");
    await root.secrets.send(
      new CreateSecretCommand({ Name: SecretId, SecretString: "a secret", ...secretEncryption(key(ofAcme)) }),
    );
    const ResourcePolicy = JSON.stringify(tenantSecretPolicy(ACME));
    await root.secrets.send(new PutResourcePolicyCommand({ SecretId, ResourcePolicy }));
    const read = async (tenant: string | undefined, ...policies: readonly PolicyDocument[]) => {
      const { secrets } = await sessionOf(tenant, policies);
      return outcome(secrets.send(new GetSecretValueCommand({ SecretId })));
    };
    const byTag = taggedSecretsPolicy({ accountId: ACCOUNT_ID, region: REGION, prefix: "notes/" });

    expect(await read("acme", byTag, useKeys(ofAcme))).toBe("worked");
    // The key's use is the caller's own.
    expect(await read("acme", byTag)).toBe("AccessDeniedException");
    expect(await read("globex", byTag, useKeys(ofAcme))).toBe("AccessDeniedException");
    expect(await read("globex", EVERYTHING)).toBe("AccessDeniedException");
    expect(await read(undefined, EVERYTHING)).toBe("AccessDeniedException");
  });
});
