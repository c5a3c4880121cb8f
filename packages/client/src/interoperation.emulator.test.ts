/** The AWS Encryption SDK for Python reads what we write, and we read what it writes, each in a session of the tenant's role. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type Emulator, startEmulator } from "@tenantkeys/local";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EmulatedTenant, makeTenant, SimpleSource } from "../../../test/support/emulated-tenants.ts";
import {
  ENCRYPTION_SDK,
  ensurePythonEnvironment,
  LOCAL_CACHE_DIR,
} from "../../local/src/emulator/python-environment.ts";
import { createEnvelope, type Envelope } from "./envelope.ts";

const UNSIGNED = "AES_256_GCM_HKDF_SHA512_COMMIT_KEY";
const SIGNED = "AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384";
const SCRIPT = join(import.meta.dirname, "../../../test/support/encryption_sdk.py");

let pythonPath: string;
let emulator: Emulator;
let acme: EmulatedTenant;
let globex: EmulatedTenant;
let envelope: Envelope;

beforeAll(async () => {
  ({ pythonPath } = await ensurePythonEnvironment({ cacheDir: LOCAL_CACHE_DIR, packages: ENCRYPTION_SDK }));
  emulator = await startEmulator();
  [acme, globex] = await Promise.all([makeTenant(emulator, "acme"), makeTenant(emulator, "globex")]);
  envelope = createEnvelope(new SimpleSource([acme.access, globex.access]));
}, 600_000);

afterAll(async () => {
  envelope?.destroy();
  await emulator?.stop();
});

interface Settings {
  readonly algorithm?: string;
  readonly frameLength?: number;
  readonly context?: Readonly<Record<string, string>>;
}

const CONTEXT = { tenant: "acme", keyName: "default", stage: "local", document: "42" };

/** @throws Error with what Python printed */
async function python(
  action: "encrypt" | "decrypt",
  tenant: EmulatedTenant,
  input: Uint8Array,
  { algorithm = UNSIGNED, frameLength = 4_096, context = CONTEXT }: Settings = {},
): Promise<Buffer> {
  const child = spawn(pythonPath, [SCRIPT, action], {
    env: {
      PATH: process.env.PATH,
      PYTHONDONTWRITEBYTECODE: "1",
      ENDPOINT: emulator.endpoint,
      REGION: emulator.region,
      SESSION: JSON.stringify(tenant.credentials),
      KEY_ARN: acme.access.keyArn,
      ALGORITHM: algorithm,
      FRAME_LENGTH: `${frameLength}`,
      CONTEXT: JSON.stringify(context),
    },
    timeout: 50_000,
  });
  child.stdin.end(input);
  const [output, errors, exitCode] = await Promise.all([
    buffer(child.stdout),
    buffer(child.stderr),
    new Promise((resolve) => child.on("close", resolve)),
  ]);
  if (exitCode !== 0) throw new Error(errors.toString());
  return output;
}

const bytes = (length: number) => Buffer.from(Array.from({ length }, (_, at) => (at * 31 + (at >> 8)) % 256));
const document = { document: "42" };

describe("the Encryption SDK for Python", () => {
  it.each([0, 1_024, 1_048_576])("reads our message of %i bytes", async (length) => {
    const message = await envelope.encrypt(acme.access, bytes(length), document);
    expect((await python("decrypt", acme, message)).equals(bytes(length))).toBe(true);
  });

  it("reads our stream", async () => {
    const stream = Readable.from([bytes(200_000)]).pipe(envelope.encryptStream(acme.access, document));
    expect((await python("decrypt", acme, await buffer(stream))).equals(bytes(200_000))).toBe(true);
  });

  it("is refused by KMS in another tenant's session", async () => {
    const message = await envelope.encrypt(acme.access, bytes(10), document);
    await expect(python("decrypt", globex, message)).rejects.toThrow(/AccessDenied/);
  });
});

describe("we read what it wrote", () => {
  it.each([
    ["unsigned", { algorithm: UNSIGNED }],
    ["signed, which is its default", { algorithm: SIGNED }],
    ["unframed", { algorithm: UNSIGNED, frameLength: 0 }],
    ["unframed and signed", { algorithm: SIGNED, frameLength: 0 }],
  ])("%s, as bytes", async (_name, settings) => {
    const message = await python("encrypt", acme, bytes(10_000), settings);
    expect(Buffer.from(await envelope.decrypt(acme.access, message, document)).equals(bytes(10_000))).toBe(true);

    // And no change or end of it goes unnoticed: the last byte is the tag's or the signature's.
    const changed = Buffer.from(message);
    changed[changed.byteLength - 1] = (changed.at(-1) as number) ^ 1;
    for (const wrong of [changed, message.subarray(0, -1), Buffer.concat([message, Buffer.of(0)])]) {
      await expect(envelope.decrypt(acme.access, wrong)).rejects.toMatchObject({ code: "ciphertext_corrupted" });
    }
  });

  it("unsigned and framed, as a stream; the others not as streams", async () => {
    const read = (message: Buffer) =>
      buffer(Readable.from([message]).pipe(envelope.decryptStream(acme.access, document)));
    const message = await python("encrypt", acme, bytes(100_000));
    expect((await read(message)).equals(bytes(100_000))).toBe(true);
    for (const settings of [{ algorithm: SIGNED }, { frameLength: 0 }]) {
      await expect(read(await python("encrypt", acme, bytes(10), settings))).rejects.toMatchObject({
        code: "ciphertext_corrupted",
        message: expect.stringContaining("decrypt it as bytes, not as a stream"),
      });
    }
  });

  it("not what names another tenant in its context, although the key is ours", async () => {
    const message = await python("encrypt", acme, bytes(10), { context: { ...CONTEXT, tenant: "globex" } });
    await expect(envelope.decrypt(acme.access, message)).rejects.toMatchObject({
      code: "ciphertext_of_another_tenant",
    });
  });
});
