/**
 * Where a message ends. The Encryption SDK reads an unsigned message to its final frame and keeps whatever follows in
 * memory without looking at it: bytes after the end would go unnoticed, and without a bound. So they are counted here.
 */
import { type BodyForm, corrupted } from "./message-header.ts";

const SEQUENCE_BYTES = 4;
const FINAL_FRAME = 0xffffffff;
const FRAME_LENGTH_BYTES = 4;
const CONTENT_LENGTH_BYTES = 8;
const SIGNATURE_LENGTH_BYTES = 2;

export interface MessageEnd {
  /**
   * Takes the body's next bytes.
   * @throws TenantKeysError `ciphertext_corrupted` when some are after the end
   */
  take(bytes: Uint8Array): void;
  /** @throws TenantKeysError `ciphertext_corrupted` when the end hasn't come yet */
  requireReached(): void;
}

/** So many bytes, and what comes after them. `field`: the bytes are looked at to know that. */
interface Part {
  readonly bytes: number;
  readonly field: boolean;
  readonly next: (field: DataView) => Part | undefined;
}

/** Follows the body of a message, from behind its header. See the SDK's documentation, "message body format". */
export function createMessageEnd(form: BodyForm): MessageEnd {
  let part: Part | undefined = form.framed ? frame(form) : unframed(form);
  let passed = 0;
  // The longest field that is looked at has 4 + 12 + 4 bytes.
  const field = new Uint8Array(64);
  return {
    take(bytes) {
      for (let at = 0; at < bytes.byteLength; ) {
        if (part === undefined) throw corrupted("bytes follow its end");
        const taken = bytes.subarray(at, at + part.bytes - passed);
        if (part.field) field.set(taken, passed);
        at += taken.byteLength;
        passed += taken.byteLength;
        while (part !== undefined && passed === part.bytes) {
          part = part.next(new DataView(field.buffer));
          passed = 0;
        }
      }
    },
    requireReached() {
      if (part !== undefined) throw corrupted("it was cut short");
    },
  };
}

function frame(form: BodyForm): Part {
  const contentAndTag = form.frameBytes + form.tagBytes;
  return read(SEQUENCE_BYTES, (sequence) =>
    sequence.getUint32(0) === FINAL_FRAME ? finalFrame(form) : pass(form.ivBytes + contentAndTag, () => frame(form)),
  );
}

function finalFrame(form: BodyForm): Part {
  const lengthAt = SEQUENCE_BYTES + form.ivBytes;
  return read(lengthAt + FRAME_LENGTH_BYTES, (fields) =>
    pass(fields.getUint32(lengthAt) + form.tagBytes, footer(form)),
  );
}

function unframed(form: BodyForm): Part {
  return read(form.ivBytes + CONTENT_LENGTH_BYTES, (fields) =>
    pass(Number(fields.getBigUint64(form.ivBytes)) + form.tagBytes, footer(form)),
  );
}

function footer(form: BodyForm): () => Part | undefined {
  if (!form.signed) return () => undefined;
  return () => read(SIGNATURE_LENGTH_BYTES, (length) => pass(length.getUint16(0), () => undefined));
}

const read = (bytes: number, next: Part["next"]): Part => ({ bytes, field: true, next });
const pass = (bytes: number, next: Part["next"]): Part => ({ bytes, field: false, next });
