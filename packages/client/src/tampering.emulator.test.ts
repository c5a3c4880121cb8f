/** Each part of a message changed in turn, on the real format: every change ends in a typed error, none in other plaintext. */

import { Readable, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { type Emulator, startEmulator } from "@tenantkeys/local";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EmulatedTenant, makeTenant, SimpleSource } from "../../../test/support/emulated-tenants.ts";
import { createEnvelope, type Envelope } from "./envelope.ts";

const FRAME = 65_536;
const PLAINTEXT = Buffer.from(Array.from({ length: 2 * FRAME + 1_000 }, (_, at) => (at * 7 + (at >> 9)) % 256));
const CONTEXT = { document: "42" };
const REFUSED = /^(ciphertext_corrupted|ciphertext_of_another_tenant|encryption_context_invalid)$/;

let emulator: Emulator;
let acme: EmulatedTenant;
let envelope: Envelope;
let message: Buffer;

beforeAll(async () => {
  emulator = await startEmulator();
  acme = await makeTenant(emulator, "acme");
  envelope = createEnvelope(new SimpleSource([acme.access]));
  message = Buffer.from(await envelope.encrypt(acme.access, PLAINTEXT, CONTEXT));
}, 120_000);

afterAll(async () => {
  envelope?.destroy();
  await emulator?.stop();
});

/** Where each part of the message lies, by the documentation of the format and not by our own reader. */
function partsOf(bytes: Buffer): Map<string, readonly [number, number]> {
  const parts = new Map<string, readonly [number, number]>();
  let at = 0;
  const part = (name: string, length: number) => {
    parts.set(name, [at, at + length]);
    at += length;
    return at - length;
  };
  const lengthPrefixed = (name: string) => part(name, bytes.readUInt16BE(part(`the length of ${name}`, 2)));
  part("the version", 1);
  part("the algorithm suite", 2);
  part("the message id", 32);
  part("the length of the context", 2);
  const pairs = bytes.readUInt16BE(part("the number of pairs", 2));
  for (let pair = 1; pair <= pairs; pair++) {
    lengthPrefixed(`the key of pair ${pair}`);
    lengthPrefixed(`the value of pair ${pair}`);
  }
  part("the number of wrapped data keys", 2);
  lengthPrefixed("the key provider's id");
  lengthPrefixed("the key provider's information");
  lengthPrefixed("the wrapped data key");
  part("the content type", 1);
  part("the frame length", 4);
  part("the key commitment", 32);
  part("the header's tag", 16);
  for (const frame of ["frame 1", "frame 2"]) {
    part(`the sequence number of ${frame}`, 4);
    part(`the iv of ${frame}`, 12);
    part(`the ciphertext of ${frame}`, FRAME);
    part(`the tag of ${frame}`, 16);
  }
  part("the mark of the final frame", 4);
  part("the sequence number of the final frame", 4);
  part("the iv of the final frame", 12);
  part("the ciphertext of the final frame", bytes.readUInt32BE(part("the length of the final frame", 4)));
  part("the tag of the final frame", 16);
  expect(at).toBe(bytes.byteLength);
  return parts;
}

const between = (from: string, to: string): readonly [number, number] => {
  const parts = partsOf(message);
  return [parts.get(from)?.[0] ?? -1, parts.get(to)?.[1] ?? -1];
};

async function outcomeOf(changed: Uint8Array): Promise<string> {
  try {
    const plaintext = await envelope.decrypt(acme.access, changed, CONTEXT);
    return Buffer.compare(plaintext, PLAINTEXT) === 0 ? "as it was" : "changed";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

/** As a stream, in small pieces. What comes out before the error must be a beginning of the true plaintext. */
async function outcomeOfStream(changed: Uint8Array): Promise<string> {
  const out: Buffer[] = [];
  const pieces = function* () {
    for (let at = 0; at < changed.byteLength; at += 10_007) yield changed.subarray(at, at + 10_007);
  };
  const sink = new Writable({
    write(chunk, _encoding, done) {
      out.push(chunk);
      done();
    },
  });
  let ended = "as it was";
  try {
    await pipeline(Readable.from(pieces()), envelope.decryptStream(acme.access, CONTEXT), sink);
  } catch (error) {
    ended = (error as { code?: string }).code ?? String(error);
  }
  const released = Buffer.concat(out);
  const isBeginning = Buffer.compare(released, PLAINTEXT.subarray(0, released.byteLength)) === 0;
  return isBeginning ? ended : "changed";
}

async function expectRefused(changed: Uint8Array): Promise<void> {
  expect(await outcomeOf(changed)).toMatch(REFUSED);
  expect(await outcomeOfStream(changed)).toMatch(REFUSED);
}

it("the untouched message is read, as bytes and as a stream", async () => {
  expect(await outcomeOf(message)).toBe("as it was");
  expect(await outcomeOfStream(message)).toBe("as it was");
});

// The names are known only when the message is made, so one test goes through all parts and reports those that failed.
it("a change of the first, a middle or the last byte of any part is refused", async () => {
  const parts = partsOf(message);
  expect(parts.size).toBe(46);
  const notRefused: string[] = [];
  for (const [name, [start, end]] of parts) {
    for (const at of new Set([start, (start + end) >> 1, end - 1])) {
      const changed = Buffer.from(message);
      changed[at] = (changed[at] as number) ^ 0x01;
      for (const outcome of [await outcomeOf(changed), await outcomeOfStream(changed)]) {
        if (!REFUSED.test(outcome)) notRefused.push(`${name}, byte ${at - start}: ${outcome}`);
      }
    }
  }
  expect(notRefused).toEqual([]);
});

describe("refused, as bytes and as a stream:", () => {
  it("a message cut short anywhere", async () => {
    const ends = [...partsOf(message).values()].map(([start]) => start);
    for (const end of [...ends, message.byteLength - 1]) await expectRefused(message.subarray(0, end));
  });

  it("bytes after the end", async () => {
    await expectRefused(Buffer.concat([message, Buffer.of(0)]));
    await expectRefused(Buffer.concat([message, message]));
  });

  it("a frame left out, twice there, or in another place", async () => {
    const [first, second] = [1, 2].map((frame) =>
      message.subarray(...between(`the sequence number of frame ${frame}`, `the tag of frame ${frame}`)),
    ) as [Buffer, Buffer];
    const head = message.subarray(0, partsOf(message).get("the sequence number of frame 1")?.[0]);
    const final = message.subarray(partsOf(message).get("the mark of the final frame")?.[0]);
    expect(await outcomeOf(Buffer.concat([head, first, second, final]))).toBe("as it was");
    await expectRefused(Buffer.concat([head, second, final]));
    await expectRefused(Buffer.concat([head, first, final]));
    await expectRefused(Buffer.concat([head, first, first, second, final]));
    await expectRefused(Buffer.concat([head, second, first, final]));
    await expectRefused(Buffer.concat([head, final]));
  });

  it("a body of another message of the same tenant, under the same data key", async () => {
    const other = Buffer.from(await envelope.encrypt(acme.access, PLAINTEXT, CONTEXT));
    const wrapped = partsOf(message).get("the wrapped data key") as [number, number];
    expect(other.subarray(...wrapped)).toEqual(message.subarray(...wrapped));
    const head = message.subarray(0, partsOf(message).get("the sequence number of frame 1")?.[0]);
    const body = other.subarray(partsOf(other).get("the sequence number of frame 1")?.[0]);
    await expectRefused(Buffer.concat([head, body]));
  });

  it("the wrapped data key of another message of the same tenant", async () => {
    const other = createEnvelope(new SimpleSource([acme.access]));
    const theirs = Buffer.from(await other.encrypt(acme.access, PLAINTEXT, CONTEXT));
    other.destroy();
    const [start, end] = partsOf(message).get("the wrapped data key") as [number, number];
    const [from, to] = partsOf(theirs).get("the wrapped data key") as [number, number];
    await expectRefused(Buffer.concat([message.subarray(0, start), theirs.subarray(from, to), message.subarray(end)]));
  });

  it.each([0, 1, 100])("%i bytes that are no message", async (length) => {
    await expectRefused(Buffer.alloc(length, 0x5a));
  });

  it("a header that never ends", async () => {
    const endless = Buffer.alloc(200_000, 0xff);
    // Its context says it has 65,535 bytes, and its wrapped data keys as many as they can.
    message.copy(endless, 0, 0, 35);
    await expectRefused(endless);
  });
});

it("a stream with frames larger than it holds in memory is refused before KMS is asked", async () => {
  const [at] = partsOf(message).get("the frame length") as [number, number];
  const changed = Buffer.from(message);
  changed.writeUInt32BE(1_048_577, at);
  await expect(buffer(Readable.from([changed]).pipe(envelope.decryptStream(acme.access)))).rejects.toMatchObject({
    code: "ciphertext_corrupted",
    message: expect.stringContaining("frames are larger than 1048576 bytes"),
  });
});
