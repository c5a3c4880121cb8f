/** Raw data keys, with KMS and real sessions of two tenants' roles. */
import { inspect } from "node:util";
import type { GenerateDataKeyCommandOutput } from "@aws-sdk/client-kms";
import { type Emulator, startEmulator } from "@tenantkeys/local";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type EmulatedTenant,
  makeTenant,
  makeTenantKey,
  rootOf,
  SimpleSource,
} from "../../../test/support/emulated-tenants.ts";
import { createEnvelope, type DataKey, type Envelope } from "./envelope.ts";

let emulator: Emulator;
let acme: EmulatedTenant;
let globex: EmulatedTenant;
let source: SimpleSource;
let envelope: Envelope;

beforeAll(async () => {
  emulator = await startEmulator();
  [acme, globex] = await Promise.all([makeTenant(emulator, "acme"), makeTenant(emulator, "globex")]);
  source = new SimpleSource([acme.access, globex.access]);
  envelope = createEnvelope(source);
}, 120_000);

afterEach(() => {
  source.accesses.set("acme", acme.access);
});

afterAll(async () => {
  envelope?.destroy();
  await emulator?.stop();
});

/** @returns the wrapped key, and a copy of its plaintext */
const newDataKey = (context?: Readonly<Record<string, string>>) =>
  envelope.withDataKey(
    acme.access,
    async ({ plaintext, wrapped }) => ({ wrapped, copy: new Uint8Array(plaintext) }),
    context,
  );

const ZEROS = new Uint8Array(32);
const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

describe("a data key", () => {
  it("has 32 bytes, is another each time, and is opened again from its wrapped form", async () => {
    const { wrapped, copy } = await newDataKey();
    const other = await newDataKey();
    expect(copy.byteLength).toBe(32);
    expect(same(copy, other.copy)).toBe(false);
    expect(await envelope.openDataKey(acme.access, wrapped, async (plaintext) => same(plaintext, copy))).toBe(true);
  });

  it("names the KMS key that wrapped it", async () => {
    const keyArn = await envelope.withDataKey(acme.access, async (key) => key.keyArn);
    expect(keyArn).toBe(acme.access.keyArn);
  });

  it("is zeroed when the function has ended, also by an error, which comes through as it is", async () => {
    const held: Uint8Array[] = [];
    const { wrapped } = await envelope.withDataKey(acme.access, async (key) => {
      held.push(key.plaintext);
      expect(same(key.plaintext, ZEROS)).toBe(false);
      return key;
    });
    const bug = new Error("a bug of the application's");
    const fail = async (plaintext: Uint8Array) => {
      held.push(plaintext);
      throw bug;
    };
    await expect(envelope.withDataKey(acme.access, ({ plaintext }) => fail(plaintext))).rejects.toBe(bug);
    await expect(envelope.openDataKey(acme.access, wrapped, fail)).rejects.toBe(bug);
    expect(held.map((plaintext) => same(plaintext, ZEROS))).toEqual([true, true, true]);
  });

  it("is in memory of its own, and KMS's answer is zeroed before the function runs", async () => {
    const answers: GenerateDataKeyCommandOutput[] = [];
    const { kms } = acme.access;
    const generateDataKey = async (...request: Parameters<typeof kms.generateDataKey>) => {
      const answer = (await kms.generateDataKey(...request)) as unknown as GenerateDataKeyCommandOutput;
      answers.push(answer);
      return answer;
    };
    const watched = Object.create(kms, { generateDataKey: { value: generateDataKey } });
    source.accesses.set("acme", { ...acme.access, kms: watched });
    await envelope.withDataKey(acme.access, async ({ plaintext }) => {
      expect(plaintext.buffer.byteLength).toBe(32);
      expect(same(answers[0]?.Plaintext ?? plaintext, ZEROS)).toBe(true);
    });
    expect(answers).toHaveLength(1);
  });

  it("shows no bytes where it is printed or made JSON of, nor does its plaintext", async () => {
    await envelope.withDataKey(acme.access, async (key: DataKey) => {
      const shown = [inspect(key), inspect({ key }, { depth: 9, showHidden: true }), JSON.stringify({ key })];
      shown.push(inspect(key.plaintext), JSON.stringify({ plaintext: key.plaintext }), `${key}`);
      const bytes = Buffer.from(key.plaintext);
      for (const text of shown) {
        expect(text).not.toContain(bytes.toString("hex").slice(0, 8));
        expect(text).not.toContain(bytes.toString("base64").slice(0, 8));
        expect(text).not.toContain([...bytes.subarray(0, 4)].join(","));
        expect(text).not.toContain([...bytes.subarray(0, 4)].join(", "));
      }
      expect(inspect(key)).toContain(key.keyArn);
      expect(JSON.stringify({ key })).toBe(JSON.stringify({ key: { keyArn: key.keyArn } }));
    });
  });
});

describe("a wrapped data key is refused", () => {
  const use = async () => "opened";

  it("to another tenant", async () => {
    const { wrapped } = await newDataKey();
    await expect(envelope.openDataKey(globex.access, wrapped, use)).rejects.toMatchObject({
      code: "ciphertext_of_another_tenant",
      message: 'The data key isn\'t wrapped by a key of tenant "globex" for "default".',
    });
  });

  it("to another tenant by KMS itself, where its record names the other's key", async () => {
    const { wrapped } = await newDataKey();
    source.accesses.set("acme", { ...acme.access, kms: globex.access.kms });
    await expect(envelope.openDataKey(acme.access, wrapped, use)).rejects.toMatchObject({ code: "access_denied" });
  });

  it("with another context than it was made with", async () => {
    const { wrapped } = await newDataKey({ file: "1" });
    expect(await envelope.openDataKey(acme.access, wrapped, use, { file: "1" })).toBe("opened");
    for (const context of [undefined, { file: "2" }]) {
      await expect(envelope.openDataKey(acme.access, wrapped, use, context)).rejects.toMatchObject({
        code: "ciphertext_corrupted",
        message: expect.stringContaining("not for this context"),
      });
    }
  });

  it.each([0, 10, 6_145])("when it is %i bytes of something else", async (length) => {
    const wrapped = new Uint8Array(length).fill(7);
    await expect(envelope.openDataKey(acme.access, wrapped, use)).rejects.toMatchObject({
      code: "ciphertext_corrupted",
    });
  });

  it("when it was changed", async () => {
    const { wrapped } = await newDataKey();
    const changed = new Uint8Array(wrapped);
    // Of the local AWS's form only the beginning is guarded; of KMS's own every byte is.
    changed[40] = (changed[40] as number) ^ 1;
    await expect(envelope.openDataKey(acme.access, changed, use)).rejects.toMatchObject({
      code: "ciphertext_corrupted",
    });
  });
});

it("a data key that a replaced key wrapped is opened by that key", async () => {
  const { wrapped, copy } = await newDataKey();
  const keyArn = await makeTenantKey(rootOf(emulator), acme.access.roleArn);
  source.accesses.set("acme", { ...acme.access, keyArn, decryptKeyArns: [keyArn, acme.access.keyArn] });
  expect(await envelope.openDataKey(acme.access, wrapped, async (plaintext) => same(plaintext, copy))).toBe(true);
});
