/** What is left of a data key after its use: in the Encryption SDK's material, in KMS's answers, and in the whole process. */
import { execFile } from "node:child_process";
import { createSecretKey } from "node:crypto";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import {
  AlgorithmSuiteIdentifier,
  CommitmentPolicy,
  NodeAlgorithmSuite,
  type NodeEncryptionMaterial,
} from "@aws-crypto/client-node";
import type { KMS } from "@aws-sdk/client-kms";
import { type Emulator, startEmulator } from "@tenantkeys/local";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type EmulatedTenant, makeTenant, SimpleSource } from "../../../test/support/emulated-tenants.ts";
import { createDataKeyCaches, dataKeyCacheSettings } from "./data-key-caches.ts";
import { createEnvelope } from "./envelope.ts";
import type { KeyAccess } from "./key-access.ts";
import { materialsFor } from "./materials.ts";

let emulator: Emulator;
let acme: EmulatedTenant;

beforeAll(async () => {
  emulator = await startEmulator();
  acme = await makeTenant(emulator, "acme");
}, 120_000);

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

afterAll(() => emulator?.stop());

const SUITE_ID = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY;
const REQUEST = {
  suite: new NodeAlgorithmSuite(SUITE_ID),
  commitmentPolicy: CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT,
  encryptionContext: { tenant: "acme" },
  plaintextLength: 1,
};

/** Every plaintext that KMS answered with: the very bytes that the SDK was given. */
function listening(access: KeyAccess, plaintexts: Uint8Array[]): KeyAccess {
  const note = async <T extends { readonly Plaintext?: Uint8Array | undefined }>(call: Promise<T>): Promise<T> => {
    const answer = await call;
    if (answer.Plaintext !== undefined) plaintexts.push(answer.Plaintext);
    return answer;
  };
  const { kms } = access;
  const methods = {
    generateDataKey: { value: (request: Parameters<KMS["generateDataKey"]>[0]) => note(kms.generateDataKey(request)) },
    decrypt: { value: (request: Parameters<KMS["decrypt"]>[0]) => note(kms.decrypt(request)) },
  };
  return { ...access, kms: Object.create(kms, methods) as KMS };
}

const isZero = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);
const cachesWith = (nowMs: () => number) => {
  const settings = dataKeyCacheSettings({}, undefined, nowMs);
  return { settings, caches: createDataKeyCaches(settings) };
};

describe("after its use a data key is zeroed", () => {
  it("in KMS's answers and in what the SDK exports of it, for messages and streams, also where they fail", async () => {
    const plaintexts: Uint8Array[] = [];
    const exports = vi.spyOn(Object.getPrototypeOf(createSecretKey(new Uint8Array(32))), "export");
    const envelope = createEnvelope(new SimpleSource([listening(acme.access, plaintexts)]));
    for (let times = 0; times < 3; times++) {
      const message = await envelope.encrypt(acme.access, Buffer.from("hello"));
      await envelope.decrypt(acme.access, message);
      const through = [envelope.encryptStream(acme.access), envelope.decryptStream(acme.access)] as const;
      await pipeline(Readable.from([Buffer.from("hello")]), ...through, new PassThrough().resume());
      message[message.byteLength - 1] = (message.at(-1) as number) ^ 1;
      await expect(envelope.decrypt(acme.access, message)).rejects.toMatchObject({ code: "ciphertext_corrupted" });
    }
    envelope.destroy();
    expect(plaintexts.length).toBe(8);
    expect(plaintexts.every(isZero)).toBe(true);
    const exported = exports.mock.results.map(({ value }) => value as Buffer);
    expect(exported.length).toBeGreaterThan(20);
    expect(exported.every(isZero)).toBe(true);
  });

  it("in the SDK's material", async () => {
    const materials = materialsFor(acme.access, acme.access.keyArn, undefined);
    const material = await materials.manager.getEncryptionMaterials(REQUEST);
    expect(material.hasUnencryptedDataKey).toBe(true);
    materials.wipe();
    expect(material.hasUnencryptedDataKey).toBe(false);
  });
});

describe("a data key that is kept", () => {
  /** @returns the material in the cache, and the caches */
  async function kept(nowMs: () => number = Date.now) {
    const caching = cachesWith(nowMs);
    const put = vi.spyOn(caching.caches.of(acme.access), "putEncryptionMaterial");
    const materials = materialsFor(acme.access, acme.access.keyArn, caching);
    const used = await materials.manager.getEncryptionMaterials(REQUEST);
    materials.wipe();
    expect(used.hasUnencryptedDataKey).toBe(false);
    const material = put.mock.calls[0]?.[1] as NodeEncryptionMaterial;
    expect(material.hasUnencryptedDataKey).toBe(true);
    return { material, caches: caching.caches };
  }

  it("is zeroed at once when its tenant is forgotten, and not when another is", async () => {
    const { material, caches } = await kept();
    caches.forget("globex");
    expect(material.hasUnencryptedDataKey).toBe(true);
    caches.forget("acme");
    expect(material.hasUnencryptedDataKey).toBe(false);
    caches.destroy();
  });

  it("is zeroed when everything ends", async () => {
    const { material, caches } = await kept();
    caches.destroy();
    expect(material.hasUnencryptedDataKey).toBe(false);
  });

  it("is zeroed when it is too old, although nobody asks for it", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    let nowMs = Date.now();
    const { material, caches } = await kept(() => nowMs);
    nowMs += 60_000;
    vi.advanceTimersByTime(10_000);
    expect(material.hasUnencryptedDataKey).toBe(true);
    nowMs += 1;
    vi.advanceTimersByTime(10_000);
    expect(material.hasUnencryptedDataKey).toBe(false);
    caches.destroy();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is zeroed when it came after its tenant was forgotten", async () => {
    const caching = cachesWith(Date.now);
    const put = vi.spyOn(caching.caches.of(acme.access), "putEncryptionMaterial");
    const materials = materialsFor(acme.access, acme.access.keyArn, caching);
    const underWay = materials.manager.getEncryptionMaterials(REQUEST);
    caching.caches.forget("acme");
    const used = await underWay;
    expect(used.hasUnencryptedDataKey).toBe(true);
    const late = put.mock.calls[0]?.[1] as NodeEncryptionMaterial;
    expect(late.hasUnencryptedDataKey).toBe(false);
    materials.wipe();
    caching.caches.destroy();
  });
});

it("nothing in the process refers to a data key: no text of it, and no bytes outlast the garbage they lie in", async () => {
  const { endpoint, region } = emulator;
  const { kms: _kms, credentials: _credentials, ...access } = acme.access;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(import.meta.dirname, "../../../test/support/data-keys-left.ts")],
    {
      env: {
        ...process.env,
        NODE_OPTIONS: "",
        ENDPOINT: endpoint,
        REGION: region,
        SESSION: JSON.stringify({ ...acme.credentials, expiration: undefined }),
        TENANT_ACCESS: JSON.stringify(access),
      },
    },
  );
  const found = JSON.parse(stdout);
  // 6 with no cache; with one 1 for messages, and 2 streams and 2 raw ones again; and the one that was kept.
  expect(found.dataKeys).toBe(6 + 5 + 1);
  expect(found.afterUse.text).toBe(0);
  expect([0, "unknown"]).toContain(found.afterUse.bytes);
  // Looking does find what is there.
  expect(found.withOneKept.text).toBe(1);
  if (found.withOneKept.bytes !== "unknown") expect(found.withOneKept.bytes).toBeGreaterThan(0);
});

it("caches keep no process alive", async () => {
  const client = JSON.stringify(join(import.meta.dirname, "envelope.ts"));
  const program = `import { createEnvelope } from ${client}; createEnvelope({}); console.log("made");`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program], {
    env: { ...process.env, NODE_OPTIONS: "" },
    timeout: 30_000,
  });
  expect(stdout).toBe("made\n");
});
