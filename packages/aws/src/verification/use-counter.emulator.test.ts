/** That the counter's conditions hold in DynamoDB, where many functions count at the same time. */
import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import { GetCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../../../local/src/emulator/index.ts";
import { type Clients, createClients, destroyClients } from "../clients.ts";
import { ACME, DEFAULT_KEY, FakeClock, runOn } from "../test-support.ts";
import { createUseCounter } from "./use-counter.ts";

const TABLE = "uses";
const KEY = { tenantId: ACME, keyName: DEFAULT_KEY };
const FUNCTIONS = 4;
const USES_EACH = 25;
const MINUTE_MS = 60_000;

/** Stands still, so that no minute ends in between. */
const clock = new FakeClock();
let emulator: Emulator;
let functions: Clients[] = [];

beforeAll(async () => {
  emulator = await startEmulator();
  const { endpoint, region, credentials } = emulator;
  functions = Array.from({ length: FUNCTIONS }, () => createClients({ endpoint, region, credentials }));
  await functions[0]?.documents.send(
    new CreateTableCommand({
      TableName: TABLE,
      BillingMode: "PAY_PER_REQUEST",
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
      AttributeDefinitions: [
        { AttributeName: "pk", AttributeType: "S" },
        { AttributeName: "sk", AttributeType: "S" },
      ],
    }),
  );
});

afterAll(async () => {
  functions.forEach(destroyClients);
  await emulator?.stop();
});

/** Every function counts at once; each number from 1 on is given to one of them. */
async function countTogether(atMs: number): Promise<readonly (number | undefined)[]> {
  const run = runOn(clock);
  const counts = functions.flatMap((clients) => {
    const counter = createUseCounter(clients, TABLE);
    return Array.from({ length: USES_EACH }, () => counter.count(run, KEY, atMs));
  });
  return (await Promise.all(counts)).toSorted((a, b) => Number(a) - Number(b));
}

test("several functions that count at once give each number once, also where the minute's slot was another's", async () => {
  const everyNumber = Array.from({ length: FUNCTIONS * USES_EACH }, (_, index) => index + 1);
  expect(await countTogether(clock.nowMs() - 31 * MINUTE_MS)).toEqual(everyNumber);
  expect(await countTogether(clock.nowMs() + MINUTE_MS)).toEqual(everyNumber);
  const { Item: item = {} } = (await functions[0]?.documents.send(
    new GetCommand({ TableName: TABLE, Key: { pk: "CHECKS#acme", sk: "USES#default" } }),
  )) ?? { Item: {} };
  expect(Object.keys(item)).toHaveLength(4);
});
