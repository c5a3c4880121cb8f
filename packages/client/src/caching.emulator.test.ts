/** Data keys that are used again: how long, for how much, never for another tenant, and what becomes of them. */
import type { KMS } from "@aws-sdk/client-kms";
import { TenantKeysError } from "@tenantkeys/core";
import { type Emulator, startEmulator } from "@tenantkeys/local";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type EmulatedTenant, makeTenant, SimpleSource } from "../../../test/support/emulated-tenants.ts";
import { createEnvelope, type Envelope, type EnvelopeSettings } from "./envelope.ts";

const HELLO = Buffer.from("hello");

let emulator: Emulator;
let acme: EmulatedTenant;
let globex: EmulatedTenant;
let source: SimpleSource;
let envelope: Envelope;
let nowMs: number;
/** The steps that KMS was asked for, with whose key. */
let asked: string[];

beforeAll(async () => {
  emulator = await startEmulator();
  [acme, globex] = await Promise.all([makeTenant(emulator, "acme"), makeTenant(emulator, "globex")]);
}, 120_000);

afterAll(() => emulator?.stop());

/** The tenant's own way to KMS, with its calls written down. */
function listening({ access }: EmulatedTenant) {
  const { kms, tenantId } = access;
  const methods = {
    generateDataKey: {
      value: (...args: Parameters<KMS["generateDataKey"]>) => note("GenerateDataKey", kms.generateDataKey(...args)),
    },
    decrypt: { value: (...args: Parameters<KMS["decrypt"]>) => note("Decrypt", kms.decrypt(...args)) },
  };
  const note = <T>(step: string, call: T): T => {
    asked.push(`${tenantId} ${step}`);
    return call;
  };
  return { ...access, kms: Object.create(kms, methods) as KMS };
}

beforeEach(() => {
  asked = [];
  nowMs = Date.now();
  source = new SimpleSource([listening(acme), listening(globex)]);
  envelope = withSettings({});
});

afterEach(() => envelope.destroy());

const withSettings = (settings: EnvelopeSettings) => createEnvelope(source, { nowMs: () => nowMs, ...settings });
const encrypt = (times: number, tenant = acme, bytes: Uint8Array = HELLO) =>
  Array.from({ length: times }).reduce<Promise<unknown>>(
    (before) => before.then(() => envelope.encrypt(tenant.access, bytes)),
    Promise.resolve(),
  ) as Promise<Uint8Array>;

async function given(settings: EnvelopeSettings, work: () => Promise<void>) {
  envelope.destroy();
  envelope = withSettings(settings);
  await work();
}

describe("a data key is used again", () => {
  it("for messages of the same tenant, both ways, and asked for once each", async () => {
    const message = await encrypt(5);
    for (let times = 0; times < 5; times++) await envelope.decrypt(acme.access, message);
    expect(asked).toEqual(["acme GenerateDataKey", "acme Decrypt"]);
  });

  it("never for another tenant, nor for another context", async () => {
    await encrypt(2, acme);
    await encrypt(2, globex);
    expect(asked).toEqual(["acme GenerateDataKey", "globex GenerateDataKey"]);
    await envelope.encrypt(acme.access, HELLO, { document: "1" });
    await envelope.encrypt(acme.access, HELLO, { document: "2" });
    expect(asked).toHaveLength(4);
  });

  it("never with `cache: false`", () =>
    given({ cache: false }, async () => {
      const message = await encrypt(3);
      await envelope.decrypt(acme.access, message);
      await envelope.decrypt(acme.access, message);
      expect(asked).toHaveLength(5);
    }));

  it("for so many messages at most", () =>
    given({ cache: { maxMessages: 3 } }, async () => {
      await encrypt(3);
      expect(asked).toHaveLength(1);
      await encrypt(1);
      expect(asked).toHaveLength(2);
    }));

  it("for so many bytes at most, and not for a message that is longer by itself", () =>
    given({ cache: { maxBytes: 100 } }, async () => {
      await encrypt(2, acme, new Uint8Array(50));
      expect(asked).toHaveLength(1);
      await encrypt(1, acme, new Uint8Array(1));
      expect(asked).toHaveLength(2);
      await encrypt(2, acme, new Uint8Array(101));
      expect(asked).toHaveLength(4);
    }));

  it("for so many seconds at most, both ways", () =>
    given({ cache: { maxAgeSeconds: 60 } }, async () => {
      const message = await encrypt(1);
      await envelope.decrypt(acme.access, message);
      nowMs += 60_000;
      await envelope.decrypt(acme.access, await encrypt(1));
      expect(asked).toHaveLength(2);
      nowMs += 1;
      await encrypt(1);
      await envelope.decrypt(acme.access, message);
      expect(asked).toHaveLength(4);
    }));

  it("not when the clock was set back: nobody knows how old it is", async () => {
    await encrypt(1);
    nowMs -= 1;
    await encrypt(1);
    expect(asked).toHaveLength(2);
  });

  it("never for a stream, which may be of any length", async () => {
    await encrypt(1);
    for (let times = 0; times < 2; times++) {
      const stream = envelope.encryptStream(acme.access);
      stream.end(HELLO);
      await stream.toArray();
    }
    expect(asked).toHaveLength(3);
  });

  it("no more once the tenant is forgotten, and others' go on", async () => {
    await encrypt(1, acme);
    await encrypt(1, globex);
    envelope.forget("acme");
    await encrypt(1, acme);
    await encrypt(1, globex);
    expect(asked).toEqual(["acme GenerateDataKey", "globex GenerateDataKey", "acme GenerateDataKey"]);
  });

  it("not by a call that was under way when the tenant was forgotten", async () => {
    const underWay = envelope.encrypt(acme.access, HELLO);
    // KMS has been asked, and hasn't answered.
    while (asked.length === 0) await new Promise(setImmediate);
    envelope.forget("acme");
    const message = await underWay;
    await encrypt(1);
    expect(asked).toEqual(["acme GenerateDataKey", "acme GenerateDataKey"]);
    expect(Buffer.from(await envelope.decrypt(acme.access, message))).toEqual(HELLO);
  });
});

describe("a tenant that may not work any more", () => {
  it("is stopped although its data key is there, and has none there afterwards", async () => {
    const message = await encrypt(1);
    await envelope.decrypt(acme.access, message);
    source.refusing.set("acme", new TenantKeysError("tenant_suspended", "acme is suspended."));
    await expect(encrypt(1)).rejects.toMatchObject({ code: "tenant_suspended" });
    await expect(envelope.decrypt(acme.access, message)).rejects.toMatchObject({ code: "tenant_suspended" });
    source.refusing.clear();
    await envelope.decrypt(acme.access, await encrypt(1));
    expect(asked).toHaveLength(4);
  });

  it("keeps its data keys when it is only unknown for now whether it may", async () => {
    await encrypt(1);
    source.refusing.set("acme", new TenantKeysError("registry_unavailable", "The registry can't be read."));
    await expect(encrypt(1)).rejects.toMatchObject({ code: "registry_unavailable" });
    source.refusing.clear();
    await encrypt(1);
    expect(asked).toHaveLength(1);
  });
});

describe("so many data keys are kept at most:", () => {
  it("per tenant key by `capacity`", () =>
    given({ cache: { capacity: 2 } }, async () => {
      const document = (name: string) => envelope.encrypt(acme.access, HELLO, { name });
      for (const name of ["a", "b", "a", "c", "a"]) await document(name);
      expect(asked).toHaveLength(3);
      await document("b");
      expect(asked).toHaveLength(4);
    }));

  it("of so many tenant keys by `cachedKeysMax`", () =>
    given({ cachedKeysMax: 1 }, async () => {
      for (const tenant of [acme, globex, globex, acme]) await encrypt(1, tenant);
      expect(asked).toEqual(["acme GenerateDataKey", "globex GenerateDataKey", "acme GenerateDataKey"]);
    }));
});

it.each([
  [{ cache: { maxAgeSeconds: 0 } }, "cache.maxAgeSeconds"],
  [{ cache: { maxAgeSeconds: 3_601 } }, "cache.maxAgeSeconds"],
  [{ cache: { maxMessages: 1.5 } }, "cache.maxMessages"],
  [{ cache: { maxBytes: 2 ** 40 + 1 } }, "cache.maxBytes"],
  [{ cache: { capacity: 0 } }, "cache.capacity"],
  [{ cachedKeysMax: 0 }, "cachedKeysMax"],
])("%j is refused", (settings, field) => {
  expect(() => withSettings(settings)).toThrow(
    expect.objectContaining({ code: "settings_invalid", details: expect.objectContaining({ field }) }),
  );
});
