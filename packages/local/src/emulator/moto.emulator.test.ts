import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import {
  CreateKeyCommand,
  DecryptCommand,
  EncryptCommand,
  KMSClient,
  ListKeyRotationsCommand,
  RotateKeyOnDemandCommand,
} from "@aws-sdk/client-kms";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LOCAL_CREDENTIALS, LOCAL_REGION } from "./emulator.ts";
import { isAnswering } from "./health.ts";
import { startMoto } from "./moto.ts";
import { outcome } from "./test-support.ts";

let moto: Awaited<ReturnType<typeof startMoto>>;
let kms: KMSClient;

beforeAll(async () => {
  moto = await startMoto();
  kms = new KMSClient({
    endpoint: moto.endpoint,
    region: LOCAL_REGION,
    credentials: LOCAL_CREDENTIALS,
    maxAttempts: 1,
  });
});

afterAll(async () => {
  await moto?.stop();
});

async function newKey(): Promise<string> {
  const made = await kms.send(new CreateKeyCommand({}));
  return made.KeyMetadata?.Arn as string;
}

describe("moto has the calls that ministack lacks", () => {
  test("RotateKeyOnDemand leaves old ciphertext readable, and ListKeyRotations tells of it", async () => {
    const KeyId = await newKey();
    const { CiphertextBlob } = await kms.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from("hello") }));
    expect((await kms.send(new ListKeyRotationsCommand({ KeyId }))).Rotations).toEqual([]);
    await kms.send(new RotateKeyOnDemandCommand({ KeyId }));
    await kms.send(new RotateKeyOnDemandCommand({ KeyId }));
    const { Rotations, Truncated } = await kms.send(new ListKeyRotationsCommand({ KeyId }));
    expect(Truncated).toBe(false);
    expect(Rotations?.map(({ RotationType }) => RotationType)).toEqual(["ON_DEMAND", "ON_DEMAND"]);
    expect(Rotations?.every(({ RotationDate }) => RotationDate instanceof Date)).toBe(true);
    const { Plaintext } = await kms.send(new DecryptCommand({ CiphertextBlob }));
    expect(Buffer.from(Plaintext as Uint8Array).toString()).toBe("hello");
  });

  test("a key that doesn't exist isn't rotated", async () => {
    const rotate = new RotateKeyOnDemandCommand({ KeyId: "00000000-0000-4000-8000-000000000000" });
    expect(await outcome(kms.send(rotate))).toBe("NotFoundException");
  });
});

test("moto ends with the process that started it, even one that was killed", async () => {
  const program = `
    import { startMoto } from ${JSON.stringify(join(import.meta.dirname, "moto.ts"))};
    console.log((await startMoto()).endpoint);
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [line] = await once(parent.stdout, "data");
    const endpoint = String(line).trim();
    expect(await isAnswering(endpoint)).toBe(true);
    parent.kill("SIGKILL");
    await expect.poll(() => isAnswering(endpoint), { timeout: 10_000 }).toBe(false);
  } finally {
    parent.kill("SIGKILL");
  }
});
