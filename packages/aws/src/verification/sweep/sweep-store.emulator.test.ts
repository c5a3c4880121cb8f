import { CreateTableCommand } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll } from "vitest";
import { type Emulator, startEmulator } from "../../../../local/src/emulator/index.ts";
import { type Clients, createClients, destroyClients } from "../../clients.ts";
import { createSweepStore } from "./sweep-store-dynamodb.ts";
import { describeSweepStore } from "./sweep-store-promises.test-support.ts";

let emulator: Emulator;
let clients: Clients;
let tables = 0;

beforeAll(async () => {
  emulator = await startEmulator();
  const { endpoint, region, credentials } = emulator;
  clients = createClients({ endpoint, region, credentials });
});

afterAll(async () => {
  if (clients !== undefined) destroyClients(clients);
  await emulator?.stop();
});

describeSweepStore("the store in the registry's table", async () => {
  const TableName = `registry-${++tables}`;
  const attributes = ["pk", "sk"].map((AttributeName) => ({ AttributeName, AttributeType: "S" as const }));
  await clients.documents.send(
    new CreateTableCommand({
      TableName,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: attributes,
      KeySchema: [
        { AttributeName: "pk", KeyType: "HASH" },
        { AttributeName: "sk", KeyType: "RANGE" },
      ],
    }),
  );
  return createSweepStore(clients.documents, TableName);
});
