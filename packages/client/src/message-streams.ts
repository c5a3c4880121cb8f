/** Messages of the Encryption SDK as they come: with back-pressure, and never more than a frame or two in memory. */
import { once } from "node:events";
import { Duplex, PassThrough, Readable } from "node:stream";
import { asTenantKeysError } from "@tenantkeys/core";
import { encryptionContextOf, type FurtherContext, requireContext } from "./encryption-context.ts";
import type { TenantKeyRef } from "./key-access.ts";
import { FRAME_BYTES, type KeyUse, SUITE, sdk } from "./key-use.ts";
import { createMessageEnd } from "./message-end.ts";
import { corrupted, type MessageHead, readHead } from "./message-header.ts";

/** A frame is held in memory until its tag was checked: a message that names huge ones isn't read as a stream. */
const STREAM_FRAME_BYTES_MAX = 1_048_576;

type Bytes = AsyncIterable<Uint8Array>;

export function encryptingStream(use: KeyUse, ref: TenantKeyRef, further: FurtherContext | undefined): Duplex {
  return duplexOf(async function* (plaintext) {
    const encryptionContext = encryptionContextOf(ref, further);
    const access = await use.open(ref);
    const materials = use.materials(access, access.keyArn);
    try {
      const options = { suiteId: SUITE, encryptionContext, frameLength: FRAME_BYTES };
      yield* through(sdk.encryptStream(materials.manager, options), plaintext);
    } catch (error) {
      throw await use.explained(ref, materials.refusal(), error, asTenantKeysError);
    } finally {
      materials.wipe();
    }
  });
}

export function decryptingStream(use: KeyUse, ref: TenantKeyRef, further: FurtherContext | undefined): Duplex {
  return duplexOf(async function* (message) {
    const { head, whole } = await begin(message);
    requireReadableAsStream(head);
    const access = await use.open(ref);
    const materials = use.materialsToDecrypt(access, head, further);
    try {
      const reading = sdk.decryptUnsignedMessageStream(materials.manager, { maxBodySize: STREAM_FRAME_BYTES_MAX });
      reading.once("MessageHeader", ({ encryptionContext }) => requireContext(ref, encryptionContext, further));
      yield* through(reading, whole);
    } catch (error) {
      throw await use.explained(ref, materials.refusal(), error, (cause) => corrupted("it was changed", cause));
    } finally {
      materials.wipe();
    }
  });
}

function duplexOf(work: (source: Bytes) => AsyncGenerator<Uint8Array>): Duplex {
  const writable = new PassThrough();
  // A failure has to reach the reader as itself: ending the writable first would make an AbortError of it.
  const readable = Readable.from(work(writable.iterator({ destroyOnReturn: false })), { objectMode: false });
  // The Duplex tells of their errors. By themselves they'd end the process when it no longer listens.
  for (const end of [writable, readable]) end.on("error", () => {});
  const duplex = Duplex.from({ writable, readable });
  // Given up by `destroy()` it would emit an AbortError, which no other stream does, and nobody listens for.
  const destroy = duplex._destroy.bind(duplex);
  duplex._destroy = (reason, callback) =>
    destroy(reason, (error) => callback(reason === null ? null : (error ?? null)));
  return duplex;
}

/**
 * The source's bytes through a stream of the SDK. That one is never destroyed, not even when nobody reads on: it would emit
 * errors of streams inside it that nobody can listen to, and end the process. For the same reason it is brought to its end
 * before anybody wipes its data key: what it has taken it works on by itself, and missing its key it would throw where
 * nobody can catch it.
 */
async function* through(transform: Duplex, source: Bytes): AsyncGenerator<Uint8Array> {
  const out = new PassThrough();
  const fail = (error: Error) => void out.destroy(error);
  const over = new Promise<void>((resolve) => {
    for (const end of ["end", "error", "close"]) transform.once(end, () => resolve());
  });
  transform.on("error", fail).pipe(out);
  const ended = new AbortController();
  feed(source, transform, ended.signal).catch(fail);
  try {
    for await (const chunk of out) yield chunk;
  } finally {
    ended.abort();
    transform.unpipe(out);
    transform.end();
    transform.resume();
    await over;
  }
}

async function feed(source: Bytes, transform: Duplex, signal: AbortSignal): Promise<void> {
  for await (const chunk of source) {
    // In pieces, so that little is under way when nobody reads on.
    for (let at = 0; at < chunk.byteLength; at += FRAME_BYTES) {
      if (signal.aborted) return;
      if (!transform.write(chunk.subarray(at, at + FRAME_BYTES))) await once(transform, "drain", { signal });
    }
  }
  if (!signal.aborted) transform.end();
}

/** The header, and the message from its beginning with its end watched. */
async function begin(message: Bytes): Promise<{ readonly head: MessageHead; readonly whole: Bytes }> {
  const chunks = message[Symbol.asyncIterator]();
  let begun: Uint8Array = new Uint8Array();
  for (;;) {
    const { done, value } = await chunks.next();
    if (done === true) throw corrupted("it was cut short");
    begun = Buffer.concat([begun, value]);
    const head = readHead(begun);
    if (head !== undefined) return { head, whole: watched(begun, { [Symbol.asyncIterator]: () => chunks }, head) };
  }
}

async function* watched(begun: Uint8Array, rest: Bytes, head: MessageHead): Bytes & AsyncGenerator<Uint8Array> {
  const end = createMessageEnd(head);
  end.take(begun.subarray(head.headerBytes));
  yield begun;
  for await (const chunk of rest) {
    end.take(chunk);
    yield chunk;
  }
  end.requireReached();
}

/** @throws TenantKeysError `ciphertext_corrupted` */
function requireReadableAsStream(head: MessageHead): void {
  if (head.signed)
    throw corrupted("it is signed, which is known at its end only: decrypt it as bytes, not as a stream");
  if (!head.framed || head.frameBytes > STREAM_FRAME_BYTES_MAX) {
    throw corrupted(`its frames are larger than ${STREAM_FRAME_BYTES_MAX} bytes: decrypt it as bytes, not as a stream`);
  }
}
