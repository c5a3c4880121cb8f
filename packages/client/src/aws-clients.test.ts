import { ListTablesCommand } from "@aws-sdk/client-dynamodb";
import { GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { expect, it } from "vitest";
import { createApplicationClients } from "./aws-clients.ts";

const credentials = { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "secret" };

/** The clients, with a network that refuses each request and remembers where it was to go. */
function clientsWithoutNetwork() {
  const clients = createApplicationClients({ region: "eu-west-1", credentials });
  const hosts: string[] = [];
  for (const client of [clients.sts, clients.dynamodb]) {
    client.config.requestHandler.handle = async (request: { readonly hostname: string }) => {
      hosts.push(request.hostname);
      throw Object.assign(new Error("refused"), { name: "TimeoutError" });
    };
  }
  return { clients, hosts };
}

it("asks the Region's STS, never a global one, and gives up after three attempts", async () => {
  const { clients, hosts } = clientsWithoutNetwork();
  await expect(clients.sts.send(new GetCallerIdentityCommand({}))).rejects.toThrow("refused");
  expect(hosts).toEqual(Array(3).fill("sts.eu-west-1.amazonaws.com"));
});

it("has one set of connections for all clients, which is closed once", async () => {
  const { clients, hosts } = clientsWithoutNetwork();
  expect(clients.dynamodb.config.requestHandler).toBe(clients.sts.config.requestHandler);
  expect(clients.config.requestHandler).toBe(clients.sts.config.requestHandler);
  await expect(clients.dynamodb.send(new ListTablesCommand({}))).rejects.toThrow("refused");
  expect(new Set(hosts)).toEqual(new Set(["dynamodb.eu-west-1.amazonaws.com"]));
});
