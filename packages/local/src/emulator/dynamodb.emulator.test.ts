import {
  BatchGetItemCommand,
  CreateTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
} from "@aws-sdk/client-dynamodb";
import { AssumeRoleCommand } from "@aws-sdk/client-sts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Emulator, startEmulator } from "./emulator.ts";
import { type Caller, callerWith, makeRole, outcome, type Statement } from "./test-support.ts";

const TableName = "registry";
const TABLE = `arn:aws:dynamodb:eu-west-1:000000000000:table/${TableName}`;
const tenant = { pk: { S: "TENANT#acme" }, sk: { S: "TENANT" } };
const key = { pk: { S: "TENANT#acme" }, sk: { S: "KEY#default" } };

let emulator: Emulator;
let root: Caller;

beforeAll(async () => {
  emulator = await startEmulator();
  root = callerWith(emulator, emulator.credentials);
  const text = (AttributeName: string) => ({ AttributeName, AttributeType: "S" as const });
  await clientWith(emulator.credentials).send(
    new CreateTableCommand({
      TableName,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [
        text("pk"),
        text("sk"),
        text("due"),
        { AttributeName: "nextCheckAtMs", AttributeType: "N" },
      ],
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
      GlobalSecondaryIndexes: [
        {
          IndexName: "due",
          KeySchema: [
            { AttributeName: "due", KeyType: "HASH" },
            { AttributeName: "nextCheckAtMs", KeyType: "RANGE" },
          ],
          Projection: { ProjectionType: "ALL" },
        },
      ],
    }),
  );
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

function clientWith(credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }) {
  return new DynamoDBClient({ endpoint: emulator.endpoint, region: emulator.region, credentials, maxAttempts: 1 });
}

async function clientOf(name: string, ...allow: readonly Statement[]): Promise<DynamoDBClient> {
  const RoleArn = await makeRole(root, name, { allow });
  const { Credentials } = await root.sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: "test" }));
  return clientWith({
    accessKeyId: Credentials?.AccessKeyId as string,
    secretAccessKey: Credentials?.SecretAccessKey as string,
    sessionToken: Credentials?.SessionToken as string,
  });
}

/** Puts a key record and checks the tenant record, both only under a condition. */
function claim(client: DynamoDBClient, putCondition: string, checkCondition: string) {
  return client.send(
    new TransactWriteItemsCommand({
      TransactItems: [
        {
          Put: {
            TableName,
            Item: { ...key, state: { S: "active" } },
            ConditionExpression: putCondition,
            ReturnValuesOnConditionCheckFailure: "ALL_OLD",
          },
        },
        {
          ConditionCheck: {
            TableName,
            Key: tenant,
            ConditionExpression: checkCondition,
            ReturnValuesOnConditionCheckFailure: "ALL_OLD",
          },
        },
      ],
    }),
  );
}

describe("TransactWriteItems", () => {
  test("checks the permission of each item: dynamodb:PutItem and dynamodb:ConditionCheckItem are enough, and needed", async () => {
    const allow = (...actions: string[]): Statement => ({ Effect: "Allow", Action: actions, Resource: TABLE });
    const both = await clientOf("both", allow("dynamodb:PutItem", "dynamodb:ConditionCheckItem"));
    const putOnly = await clientOf("put-only", allow("dynamodb:PutItem"));
    const checkOnly = await clientOf("check-only", allow("dynamodb:ConditionCheckItem"));
    const asNamed = await clientOf("as-named", allow("dynamodb:TransactWriteItems"));
    const use = (client: DynamoDBClient) =>
      outcome(claim(client, "attribute_exists(pk) OR attribute_not_exists(pk)", "attribute_not_exists(pk)"));
    expect([await use(both), await use(putOnly), await use(checkOnly), await use(asNamed)]).toEqual([
      "ok",
      "AccessDeniedException",
      "AccessDeniedException",
      "AccessDeniedException",
    ]);
  });

  test("gives the item that made a condition fail, of a Put and of a ConditionCheck", async () => {
    const db = clientWith(emulator.credentials);
    await db.send(new PutItemCommand({ TableName, Item: { ...tenant, generation: { N: "7" } } }));
    await db.send(new PutItemCommand({ TableName, Item: { ...key, state: { S: "failed" } } }));
    const role = await clientOf("claimer", {
      Effect: "Allow",
      Action: ["dynamodb:PutItem", "dynamodb:ConditionCheckItem"],
      Resource: TABLE,
    });
    const reasons = async (put: string, check: string) => {
      const failed = await claim(role, put, check).catch((cause: unknown) => cause);
      expect(failed).toBeInstanceOf(TransactionCanceledException);
      return (failed as TransactionCanceledException).CancellationReasons?.map(({ Code, Item }) => [Code, Item]);
    };
    const keyItem = { ...key, state: { S: "failed" } };
    const tenantItem = { ...tenant, generation: { N: "7" } };
    expect(await reasons("attribute_not_exists(pk)", "attribute_exists(pk)")).toEqual([
      ["ConditionalCheckFailed", keyItem],
      ["None", undefined],
    ]);
    expect(await reasons("attribute_exists(pk)", "attribute_not_exists(pk)")).toEqual([
      ["None", undefined],
      ["ConditionalCheckFailed", tenantItem],
    ]);
    expect(await reasons("attribute_not_exists(pk)", "attribute_not_exists(pk)")).toEqual([
      ["ConditionalCheckFailed", keyItem],
      ["ConditionalCheckFailed", tenantItem],
    ]);
    const kept = await db.send(new GetItemCommand({ TableName, Key: key }));
    expect(kept.Item).toEqual(keyItem);
  });
});

describe("a policy's condition", () => {
  test("on dynamodb:LeadingKeys keeps a role to its partitions", async () => {
    const db = await clientOf("of-tenants", {
      Effect: "Allow",
      Action: ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:BatchGetItem"],
      Resource: TABLE,
      Condition: { "ForAllValues:StringLike": { "dynamodb:LeadingKeys": ["TENANT#*"] } },
    });
    const other = { pk: { S: "FINDINGS#acme" }, sk: { S: "TENANT" } };
    const query = (pk: string) =>
      db.send(
        new QueryCommand({
          TableName,
          KeyConditionExpression: "#p = :p",
          ExpressionAttributeNames: { "#p": "pk" },
          ExpressionAttributeValues: { ":p": { S: pk } },
        }),
      );
    const tries = (item: typeof tenant) => [
      outcome(db.send(new GetItemCommand({ TableName, Key: item }))),
      outcome(db.send(new PutItemCommand({ TableName, Item: item }))),
      outcome(query(item.pk.S)),
      outcome(db.send(new BatchGetItemCommand({ RequestItems: { [TableName]: { Keys: [item] } } }))),
    ];
    expect(await Promise.all(tries(tenant))).toEqual(["ok", "ok", "ok", "ok"]);
    expect(await Promise.all(tries(other))).toEqual(Array(4).fill("AccessDeniedException"));
    const both = { RequestItems: { [TableName]: { Keys: [tenant, other] } } };
    expect(await outcome(db.send(new BatchGetItemCommand(both)))).toBe("AccessDeniedException");
  });
});

describe("a sparse index", () => {
  test("holds only the items that have its keys, in order, and loses one whose key is removed", async () => {
    const db = clientWith(emulator.credentials);
    const put = (id: string, dueAtMs?: number) =>
      db.send(
        new PutItemCommand({
          TableName,
          Item: {
            pk: { S: `TENANT#${id}` },
            sk: { S: "KEY#default" },
            ...(dueAtMs !== undefined && { due: { S: "due" }, nextCheckAtMs: { N: String(dueAtMs) } }),
          },
        }),
      );
    await Promise.all([put("a", 300), put("b", 100), put("c"), put("d", 200), put("e", 900)]);
    const dueBy = async (ms: number, client = db) => {
      const found = await client.send(
        new QueryCommand({
          TableName,
          IndexName: "due",
          KeyConditionExpression: "due = :due AND nextCheckAtMs <= :now",
          ExpressionAttributeValues: { ":due": { S: "due" }, ":now": { N: String(ms) } },
        }),
      );
      return found.Items?.map((item) => item.pk?.S);
    };
    expect(await dueBy(300)).toEqual(["TENANT#b", "TENANT#d", "TENANT#a"]);
    await put("d");
    expect(await dueBy(300)).toEqual(["TENANT#b", "TENANT#a"]);
    const reader = await clientOf("due-reader", {
      Effect: "Allow",
      Action: "dynamodb:Query",
      Resource: `${TABLE}/index/due`,
    });
    expect(await dueBy(300, reader)).toEqual(["TENANT#b", "TENANT#a"]);
    const tableOnly = await clientOf("table-reader", { Effect: "Allow", Action: "dynamodb:Query", Resource: TABLE });
    expect(await outcome(dueBy(300, tableOnly))).toBe("AccessDeniedException");
  });
});
