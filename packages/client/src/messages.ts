/** Whole messages of the Encryption SDK, in memory. */
import { asTenantKeysError } from "@tenantkeys/core";
import { encryptionContextOf, type FurtherContext, requireContext } from "./encryption-context.ts";
import type { TenantKeyRef } from "./key-access.ts";
import { FRAME_BYTES, type KeyUse, SUITE, sdk } from "./key-use.ts";
import { createMessageEnd } from "./message-end.ts";
import { corrupted, type MessageHead, readHead } from "./message-header.ts";

export async function encryptMessage(
  use: KeyUse,
  ref: TenantKeyRef,
  plaintext: Uint8Array,
  further: FurtherContext | undefined,
): Promise<Uint8Array> {
  const encryptionContext = encryptionContextOf(ref, further);
  const access = await use.open(ref);
  const materials = use.materials(access, access.keyArn);
  try {
    const options = { suiteId: SUITE, encryptionContext, frameLength: FRAME_BYTES };
    const { result } = await sdk.encrypt(materials.manager, plaintext, options);
    return isolated(result);
  } catch (error) {
    throw await use.explained(ref, materials.refusal(), error, asTenantKeysError);
  } finally {
    materials.wipe();
  }
}

export async function decryptMessage(
  use: KeyUse,
  ref: TenantKeyRef,
  message: Uint8Array,
  further: FurtherContext | undefined,
): Promise<Uint8Array> {
  const head = wholeMessage(message);
  // Asked of the tenant's own record only: whose the message is must be known before KMS is asked to open it.
  const access = await use.open(ref);
  const materials = use.materialsToDecrypt(access, head, further);
  try {
    const { plaintext, messageHeader } = await sdk.decrypt(materials.manager, message);
    // What was checked above was the header's word; now its tag was checked too, and this is what it was.
    requireContext(ref, messageHeader.encryptionContext, further);
    return isolated(plaintext);
  } catch (error) {
    throw await use.explained(ref, materials.refusal(), error, (cause) => corrupted("it was changed", cause));
  } finally {
    materials.wipe();
  }
}

/** @throws TenantKeysError `ciphertext_corrupted` */
function wholeMessage(message: Uint8Array): MessageHead {
  const head = readHead(message);
  if (head === undefined) throw corrupted("it was cut short");
  const end = createMessageEnd(head);
  end.take(message.subarray(head.headerBytes));
  end.requireReached();
  return head;
}

/** With memory of its own: a small Buffer shares its memory with others, which `.buffer` would show. */
function isolated(bytes: Buffer): Uint8Array {
  if (bytes.byteLength === bytes.buffer.byteLength) return new Uint8Array(bytes.buffer);
  const copy = new Uint8Array(bytes);
  bytes.fill(0);
  return copy;
}
