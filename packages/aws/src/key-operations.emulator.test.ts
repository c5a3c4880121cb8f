/**
 * Rotation on demand, against a second emulator: in the local AWS the two calls are rules of our own. moto checks no
 * permissions and no key states; those the local AWS does (test/e2e), and the order of things the unit tests do.
 */
import { CreateKeyCommand, ListKeyRotationsCommand } from "@aws-sdk/client-kms";
import { parseKeyArn } from "@tenantkeys/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startMoto } from "../../local/src/emulator/moto.ts";
import { type Clients, createClients, destroyClients } from "./clients.ts";
import { readLastUse, rotateOnDemand, wasRotatedSince } from "./key-operations.ts";
import { startRun, systemClock } from "./run.ts";

let moto: Awaited<ReturnType<typeof startMoto>>;
let clients: Clients;

beforeAll(async () => {
  moto = await startMoto();
  const credentials = { accessKeyId: "test", secretAccessKey: "test" };
  clients = createClients({ region: "eu-west-1", endpoint: moto.endpoint, credentials });
}, 240_000);

afterAll(async () => {
  if (clients !== undefined) destroyClients(clients);
  await moto?.stop();
});

const newRun = () => startRun(systemClock, 30_000, 1_000);

async function newKey() {
  const { KeyMetadata } = await clients.kms.send(new CreateKeyCommand({}));
  return parseKeyArn(KeyMetadata?.Arn ?? "");
}

test("a key that was rotated on demand is seen as rotated since then, and not since later", async () => {
  const keyArn = await newKey();
  const startedAtMs = Date.now();
  expect(await wasRotatedSince(clients, newRun(), keyArn, startedAtMs)).toBe(false);
  await rotateOnDemand(clients, newRun(), keyArn);
  expect(await wasRotatedSince(clients, newRun(), keyArn, startedAtMs)).toBe(true);
  expect(await wasRotatedSince(clients, newRun(), keyArn, startedAtMs + 3_600_000)).toBe(false);
});

test("each call is one rotation", async () => {
  const keyArn = await newKey();
  for (let rotation = 0; rotation < 3; rotation++) await rotateOnDemand(clients, newRun(), keyArn);
  const { Rotations } = await clients.kms.send(new ListKeyRotationsCommand({ KeyId: keyArn }));
  expect(Rotations?.map(({ RotationType }) => RotationType)).toEqual(["ON_DEMAND", "ON_DEMAND", "ON_DEMAND"]);
});

test("a key that isn't there is refused with AWS's own reason", async () => {
  const gone = parseKeyArn("arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-4000-8000-000000000000");
  await expect(rotateOnDemand(clients, newRun(), gone)).rejects.toMatchObject({
    message: expect.stringContaining("NotFoundException"),
    details: { step: "kms:RotateKeyOnDemand" },
  });
});

test("a last use that can't be asked for is unknown, and no error", async () => {
  expect(await readLastUse(clients, newRun(), await newKey())).toBeUndefined();
});
