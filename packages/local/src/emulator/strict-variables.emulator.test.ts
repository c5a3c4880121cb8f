import {
  BatchWriteItemCommand,
  CreateTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
} from "@aws-sdk/client-dynamodb";
import { CreateKeyCommand, DisableKeyCommand } from "@aws-sdk/client-kms";
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { AssumeRoleCommand } from "@aws-sdk/client-sts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Emulator, startEmulator } from "./emulator.ts";
import {
  ACCOUNT_ROOT,
  type Caller,
  callerWith,
  keyPolicy,
  makeRole,
  outcome,
  policy,
  type Statement,
} from "./test-support.ts";

const Bucket = "shared";
const TableName = "shared";
const TABLE = `arn:aws:dynamodb:eu-west-1:000000000000:table/${TableName}`;
const TENANT = "${aws:PrincipalTag/tenant}";

interface Session extends Caller {
  readonly db: DynamoDBClient;
  readonly secrets: SecretsManagerClient;
}

let emulator: Emulator;
let root: Caller;

beforeAll(async () => {
  emulator = await startEmulator();
  root = callerWith(emulator, emulator.credentials);
  await root.s3.send(new CreateBucketCommand({ Bucket }));
  for (const Key of ["acme/a", "globex/a"]) await root.s3.send(new PutObjectCommand({ Bucket, Key, Body: "hello" }));
  const text = (AttributeName: string) => ({ AttributeName, AttributeType: "S" as const });
  const byOwner = [{ AttributeName: "owner", KeyType: "HASH" as const }];
  await session(emulator.credentials).db.send(
    new CreateTableCommand({
      TableName,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [text("pk"), text("owner")],
      KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
      GlobalSecondaryIndexes: [{ IndexName: "owners", KeySchema: byOwner, Projection: { ProjectionType: "ALL" } }],
    }),
  );
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

function session(credentials: Parameters<typeof callerWith>[1]): Session {
  const config = { endpoint: emulator.endpoint, region: emulator.region, credentials, maxAttempts: 1 };
  return {
    ...callerWith(emulator, credentials),
    db: new DynamoDBClient(config),
    secrets: new SecretsManagerClient(config),
  };
}

async function sessionOf(role: string, tenant: string | undefined, allow: readonly Statement[]): Promise<Session> {
  const RoleArn = await makeRole(root, role, { allow });
  const Tags = tenant === undefined ? [] : [{ Key: "tenant", Value: tenant }];
  const { Credentials } = await root.sts.send(
    new AssumeRoleCommand({ RoleArn, RoleSessionName: "test", ...(Tags.length > 0 && { Tags }) }),
  );
  return session({
    accessKeyId: Credentials?.AccessKeyId as string,
    secretAccessKey: Credentials?.SecretAccessKey as string,
    sessionToken: Credentials?.SessionToken as string,
  });
}

describe("a policy variable", () => {
  const read = async (of: Session, Key: string) => outcome(of.s3.send(new GetObjectCommand({ Bucket, Key })));
  const onObjects = (rest: Partial<Statement>): Statement => ({
    Effect: "Allow",
    Action: "s3:GetObject",
    Resource: `arn:aws:s3:::${Bucket}/*`,
    ...rest,
  });

  test("in a resource is what the session is tagged with, and nothing where it has no such tag", async () => {
    const allow = [onObjects({ Resource: `arn:aws:s3:::${Bucket}/${TENANT}/*` })];
    const acme = await sessionOf("resource-acme", "acme", allow);
    const untagged = await sessionOf("resource-untagged", undefined, allow);
    expect([await read(acme, "acme/a"), await read(acme, "globex/a")]).toEqual(["ok", "AccessDenied"]);
    expect(await read(untagged, "acme/a")).toBe("AccessDenied");
  });

  test("whose value holds a wildcard matches nothing", async () => {
    const anybody = await sessionOf("wildcard", "acm?", [
      onObjects({ Resource: `arn:aws:s3:::${Bucket}/${TENANT}/*` }),
    ]);
    expect(await read(anybody, "acme/a")).toBe("AccessDenied");
  });

  test("without a value is its default, where it has one", async () => {
    const guests = onObjects({ Resource: `arn:aws:s3:::${Bucket}/\${aws:PrincipalTag/tenant, 'acme'}/*` });
    expect(await read(await sessionOf("defaults", undefined, [guests]), "acme/a")).toBe("ok");
  });

  test("in a condition's value is compared as what it stands for", async () => {
    const allow = [onObjects({ Condition: { StringEquals: { "aws:PrincipalTag/tenant": [TENANT] } } })];
    expect(await read(await sessionOf("condition", "acme", allow), "globex/a")).toBe("ok");
    expect(await read(await sessionOf("condition-untagged", undefined, allow), "globex/a")).toBe("AccessDenied");
  });

  test("in NotResource of a bucket's policy denies all but the tenant's, and everything without a tag", async () => {
    const guarded = "guarded";
    await root.s3.send(new CreateBucketCommand({ Bucket: guarded }));
    for (const Key of ["acme/a", "globex/a"])
      await root.s3.send(new PutObjectCommand({ Bucket: guarded, Key, Body: "a" }));
    const document = {
      Version: "2012-10-17",
      Statement: [
        {
          Effect: "Deny",
          Principal: { AWS: ACCOUNT_ROOT },
          Action: "s3:GetObject",
          NotResource: `arn:aws:s3:::${guarded}/${TENANT}/*`,
        },
      ],
    };
    await root.s3.send(new PutBucketPolicyCommand({ Bucket: guarded, Policy: JSON.stringify(document) }));
    const all: Statement = { Effect: "Allow", Action: "s3:*", Resource: "*" };
    const get = (of: Session, Key: string) => outcome(of.s3.send(new GetObjectCommand({ Bucket: guarded, Key })));
    const acme = await sessionOf("not-resource", "acme", [all]);
    const untagged = await sessionOf("not-resource-untagged", undefined, [all]);
    expect([await get(acme, "acme/a"), await get(acme, "globex/a")]).toEqual(["ok", "AccessDenied"]);
    expect(await get(untagged, "acme/a")).toBe("AccessDenied");
  });
});

describe("dynamodb:LeadingKeys", () => {
  let acme: Session;
  const item = (tenant: string) => ({ pk: { S: tenant }, owner: { S: tenant } });
  const onItems = (Action: string[]): Statement => ({
    Effect: "Allow",
    Action,
    Resource: [TABLE, `${TABLE}/index/owners`],
    Condition: {
      "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": [TENANT] },
      Null: { "dynamodb:LeadingKeys": "false" },
    },
  });

  beforeAll(async () => {
    acme = await sessionOf("leading-keys", "acme", [
      onItems(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:BatchWriteItem"]),
    ]);
  });

  const put = (tenant: string) => outcome(acme.db.send(new PutItemCommand({ TableName, Item: item(tenant) })));
  const get = (tenant: string) => outcome(acme.db.send(new GetItemCommand({ TableName, Key: { pk: { S: tenant } } })));
  const query = (tenant: string, IndexName?: string) =>
    outcome(
      acme.db.send(
        new QueryCommand({
          TableName,
          ...(IndexName !== undefined && { IndexName }),
          KeyConditionExpression: "#key = :key",
          ExpressionAttributeNames: { "#key": IndexName === undefined ? "pk" : "owner" },
          ExpressionAttributeValues: { ":key": { S: tenant } },
        }),
      ),
    );

  test("are the partition keys of items and of queries, of an index its own", async () => {
    expect([await put("acme"), await get("acme"), await query("acme"), await query("acme", "owners")]).toEqual(
      Array(4).fill("ok"),
    );
    expect([await put("globex"), await get("globex"), await query("globex"), await query("globex", "owners")]).toEqual(
      Array(4).fill("AccessDeniedException"),
    );
  });

  test("of a batch are those of all its items", async () => {
    const batch = (...tenants: string[]) =>
      outcome(
        acme.db.send(
          new BatchWriteItemCommand({
            RequestItems: { [TableName]: tenants.map((tenant) => ({ PutRequest: { Item: item(tenant) } })) },
          }),
        ),
      );
    expect([await batch("acme"), await batch("acme", "globex")]).toEqual(["ok", "AccessDeniedException"]);
  });

  test("of a scan aren't there, so that it is refused where there must be some", async () => {
    expect(await outcome(acme.db.send(new ScanCommand({ TableName })))).toBe("AccessDeniedException");
  });
});

describe("Secrets Manager uses a key in its caller's name", () => {
  const ALL: Statement = { Effect: "Allow", Action: "secretsmanager:*", Resource: "*" };
  const newKey = async () => {
    const { KeyMetadata } = await root.kms.send(new CreateKeyCommand({ Policy: keyPolicy() }));
    return KeyMetadata?.Arn as string;
  };

  test("writing needs kms:GenerateDataKey and kms:Decrypt, reading kms:Decrypt, with its own context", async () => {
    const KmsKeyId = await newKey();
    const use = (Action: string[], Condition?: unknown): Statement => ({
      Effect: "Allow",
      Action,
      Resource: KmsKeyId,
      Condition,
    });
    const via = { StringEquals: { "kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com" } };
    const tenantInContext = { StringEquals: { "kms:EncryptionContext:tenant": "acme" } };
    const both = ["kms:GenerateDataKey", "kms:Decrypt"];
    const create = async (role: string, ...allow: readonly Statement[]) => {
      const caller = await sessionOf(role, "acme", [ALL, ...allow]);
      const Name = `secret-${role}`;
      const made = await outcome(caller.secrets.send(new CreateSecretCommand({ Name, KmsKeyId, SecretString: "a" })));
      return { Name, made };
    };
    const { Name, made } = await create("secret-writer", use(both, via));
    expect(made).toBe("ok");
    expect((await create("secret-half-writer", use(["kms:GenerateDataKey"]))).made).toBe("AccessDeniedException");
    expect((await create("secret-no-context", use(both, tenantInContext))).made).toBe("AccessDeniedException");
    const read = async (role: string, ...allow: readonly Statement[]) => {
      const caller = await sessionOf(role, "acme", [ALL, ...allow]);
      return outcome(caller.secrets.send(new GetSecretValueCommand({ SecretId: Name })));
    };
    expect(await read("secret-reader", use(["kms:Decrypt"]))).toBe("ok");
    expect(await read("secret-no-reader")).toBe("AccessDeniedException");
  });

  test("a disabled key gives no value and takes none", async () => {
    const KmsKeyId = await newKey();
    const { secrets } = session(emulator.credentials);
    const SecretId = "of-disabled-key";
    await secrets.send(new CreateSecretCommand({ Name: SecretId, KmsKeyId, SecretString: "a" }));
    await root.kms.send(new DisableKeyCommand({ KeyId: KmsKeyId }));
    expect(await outcome(secrets.send(new GetSecretValueCommand({ SecretId })))).toBe("DecryptionFailure");
    const write = secrets.send(new PutSecretValueCommand({ SecretId, SecretString: "b" }));
    expect(await outcome(write)).toBe("EncryptionFailure");
  });
});

test("a part of an upload and its completion go by the key that the upload's own request named", async () => {
  const [right, wrong] = await Promise.all(
    ["right", "wrong"].map(async () => {
      const { KeyMetadata } = await root.kms.send(new CreateKeyCommand({ Policy: keyPolicy() }));
      return KeyMetadata?.Arn as string;
    }),
  );
  const parts = "in-parts";
  await root.s3.send(new CreateBucketCommand({ Bucket: parts }));
  const document = policy({
    Effect: "Deny",
    Principal: { AWS: "*" },
    Action: "s3:PutObject",
    Resource: `arn:aws:s3:::${parts}/*`,
    Condition: { StringNotEquals: { "s3:x-amz-server-side-encryption-aws-kms-key-id": right } },
  });
  await root.s3.send(new PutBucketPolicyCommand({ Bucket: parts, Policy: document }));
  const { s3 } = await sessionOf("uploader", "acme", [{ Effect: "Allow", Action: ["s3:*", "kms:*"], Resource: "*" }]);
  const of = { Bucket: parts, Key: "big" };
  const begin = (SSEKMSKeyId: string) =>
    s3.send(new CreateMultipartUploadCommand({ ...of, ServerSideEncryption: "aws:kms", SSEKMSKeyId }));

  expect(await outcome(begin(wrong as string))).toBe("AccessDenied");
  const { UploadId } = await begin(right as string);
  const { ETag } = await s3.send(new UploadPartCommand({ ...of, UploadId, PartNumber: 1, Body: "hello" }));
  await s3.send(
    new CompleteMultipartUploadCommand({ ...of, UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }),
  );
  const { Body } = await s3.send(new GetObjectCommand(of));
  expect(await Body?.transformToString()).toBe("hello");
});
