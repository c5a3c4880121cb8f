/** Streams under tenants' keys, with KMS and real sessions of two tenants' roles. Changed messages: tampering.emulator.test.ts. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type Duplex, PassThrough, Readable, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { setImmediate as turn } from "node:timers/promises";
import { promisify } from "node:util";
import { TenantKeysError } from "@tenantkeys/core";
import { type Emulator, startEmulator } from "@tenantkeys/local";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type EmulatedTenant, makeTenant, SimpleSource } from "../../../test/support/emulated-tenants.ts";
import { createEnvelope, type Envelope } from "./envelope.ts";

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

afterEach(() => source.refusing.clear());

afterAll(async () => {
  envelope?.destroy();
  await emulator?.stop();
});

const bytes = (length: number) => Buffer.from(Array.from({ length }, (_, at) => (at * 31 + (at >> 8)) % 256));

function* inPieces(whole: Uint8Array, size: number) {
  for (let at = 0; at < whole.byteLength; at += size) yield whole.subarray(at, at + size);
}

const encrypted = (plaintext: Uint8Array, size = 10_000) =>
  buffer(Readable.from(inPieces(plaintext, size)).pipe(envelope.encryptStream(acme.access)));

describe("a stream", () => {
  it.each([0, 1, 1_024, 65_536, 200_000, 1_048_576])("of %i bytes comes back as it was", async (length) => {
    const plaintext = bytes(length);
    const message = await encrypted(plaintext);
    const out = await buffer(Readable.from(inPieces(message, 7_001)).pipe(envelope.decryptStream(acme.access)));
    expect(out.equals(plaintext)).toBe(true);
  });

  it("and bytes are the same message: each reads the other's", async () => {
    const plaintext = bytes(100_000);
    expect(Buffer.from(await envelope.decrypt(acme.access, await encrypted(plaintext))).equals(plaintext)).toBe(true);
    const message = await envelope.encrypt(acme.access, plaintext);
    expect((await buffer(Readable.from([message]).pipe(envelope.decryptStream(acme.access)))).equals(plaintext)).toBe(
      true,
    );
  });

  it("is read byte by byte too", async () => {
    const message = await encrypted(bytes(500));
    const out = await buffer(Readable.from(inPieces(message, 1)).pipe(envelope.decryptStream(acme.access)));
    expect(out.equals(bytes(500))).toBe(true);
  });

  it("takes text as UTF-8", async () => {
    const stream = envelope.encryptStream(acme.access);
    stream.end("a tenant’s data");
    expect(Buffer.from(await envelope.decrypt(acme.access, await buffer(stream))).toString()).toBe("a tenant’s data");
  });

  it("waits for its reader: what goes in is held back until something comes out", async () => {
    let taken = 0;
    const endless = new Readable({
      read() {
        taken += 65_536;
        this.push(Buffer.alloc(65_536));
      },
    });
    const unread = new PassThrough();
    const done = pipeline(endless, envelope.encryptStream(acme.access), envelope.decryptStream(acme.access), unread);
    await new Promise((resolve) => unread.once("readable", resolve));
    // Until nothing moves any more: the loop turns without more being taken.
    for (let before = -1, calm = 0; calm < 200; before = taken) {
      await new Promise(setImmediate);
      calm = before === taken ? calm + 1 : 0;
    }
    expect(taken).toBeLessThan(8 * 2 ** 20);
    unread.destroy();
    await expect(done).rejects.toMatchObject({ code: "ERR_STREAM_PREMATURE_CLOSE" });
  });

  it("of 100 MiB, there and back, takes less than 100 MiB of memory", async () => {
    const { endpoint, region } = emulator;
    const { kms: _kms, credentials: _credentials, ...access } = acme.access;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(import.meta.dirname, "../../../test/support/stream-in-little-memory.ts")],
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
    const { same, grownMiB } = JSON.parse(stdout);
    expect(same).toBe(true);
    expect(grownMiB).toBeLessThan(100);
  });
});

describe("a stream fails with a typed error", () => {
  const failure = (message: Uint8Array, tenant: EmulatedTenant, context?: Readonly<Record<string, string>>) =>
    pipeline(Readable.from([message]), envelope.decryptStream(tenant.access, context), new PassThrough().resume());

  it("for the wrong tenant, before anything comes out", async () => {
    const message = await encrypted(bytes(10));
    const out: Buffer[] = [];
    const sink = new Writable({
      write(chunk, _encoding, done) {
        out.push(chunk);
        done();
      },
    });
    await expect(pipeline(Readable.from([message]), envelope.decryptStream(globex.access), sink)).rejects.toMatchObject(
      { code: "ciphertext_of_another_tenant" },
    );
    expect(out).toEqual([]);
  });

  it("for another context", async () => {
    const message = await encrypted(bytes(10));
    await expect(failure(message, acme, { file: "1" })).rejects.toMatchObject({ code: "encryption_context_invalid" });
    const encrypting = pipeline(
      Readable.from(["x"]),
      envelope.encryptStream(acme.access, { tenant: "globex" }),
      new PassThrough().resume(),
    );
    await expect(encrypting).rejects.toMatchObject({ code: "encryption_context_invalid" });
  });

  it("for a suspended tenant, both ways", async () => {
    const message = await encrypted(bytes(10));
    source.refusing.set("acme", new TenantKeysError("tenant_suspended", "acme is suspended."));
    await expect(failure(message, acme)).rejects.toMatchObject({ code: "tenant_suspended" });
    await expect(encrypted(bytes(10))).rejects.toMatchObject({ code: "tenant_suspended" });
  });

  it("for KMS's own refusal, both ways", async () => {
    const message = await encrypted(bytes(10));
    source.accesses.set("acme", { ...acme.access, kms: globex.access.kms });
    await expect(failure(message, acme)).rejects.toMatchObject({ code: "access_denied" });
    await expect(encrypted(bytes(10))).rejects.toMatchObject({ code: "access_denied" });
    source.accesses.set("acme", acme.access);
  });

  it("and one that its source broke off fails with the source's own error", async () => {
    const message = await encrypted(bytes(300_000));
    const broken = async function* () {
      yield message.subarray(0, 150_000);
      throw new Error("the connection was lost");
    };
    for (const stream of [envelope.decryptStream(acme.access), envelope.encryptStream(acme.access)]) {
      await expect(pipeline(Readable.from(broken()), stream, new PassThrough().resume())).rejects.toThrow(
        "the connection was lost",
      );
    }
  });
});

describe("a stream that is given up in the middle", () => {
  /** What nobody could catch; in a process that doesn't listen it is the end of it. */
  const uncaught: unknown[] = [];
  const note = (error: unknown) => void uncaught.push(error);
  beforeAll(() => void process.on("uncaughtException", note).on("unhandledRejection", note));
  afterAll(() => void process.off("uncaughtException", note).off("unhandledRejection", note));

  /** Its first bytes are read, and it is destroyed: as where a client of ours goes away. */
  async function giveUp(stream: Duplex, input: Uint8Array): Promise<void> {
    stream.write(input);
    await once(stream, "data");
    const closed = new Promise((resolve) => stream.once("close", resolve));
    stream.destroy();
    await closed;
    // What it had begun would go on now.
    for (let turns = 0; turns < 100; turns++) await turn();
  }

  it("ends nothing but itself: not the process, in which other tenants' calls run", async () => {
    const plaintext = bytes(2_000_000);
    await giveUp(envelope.encryptStream(acme.access), plaintext);
    await giveUp(envelope.decryptStream(acme.access), await encrypted(plaintext));
    expect(uncaught).toEqual([]);
  });
});
