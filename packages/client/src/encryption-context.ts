/** The pairs that every ciphertext is bound to: the tenant's own always, further ones if the application gives some. */
import { TenantKeysError, tenantEncryptionContext } from "@tenantkeys/core";
import type { TenantKeyRef } from "./key-access.ts";

/**
 * Further pairs that a ciphertext is bound to. Not secret: they are in the message and in CloudTrail, readable by whoever
 * sees those. For decrypting, what is given must be in the message with the same value; it may be fewer pairs than the
 * message has, and none is fine. A raw data key opens with exactly the pairs that it was made with.
 */
export type FurtherContext = Readonly<Record<string, string>>;

/** AWS KMS takes no more, in UTF-8, with our own pairs. */
const CONTEXT_BYTES_MAX = 8_192;
/** Of a value in a message of ours: whoever made the ciphertext chose it. */
const SHOWN_CHARACTERS_MAX = 64;
/** What the Encryption SDK keeps for itself, such as the public key of a signed message. */
const RESERVED_PREFIX = "aws-crypto-";

/**
 * What is given to KMS and stands in the message.
 * @throws TenantKeysError `encryption_context_invalid` when a further pair would take the place of one of the tenant's
 */
export function encryptionContextOf(ref: TenantKeyRef, further: FurtherContext = {}): Record<string, string> {
  const own = tenantEncryptionContext(ref.stage, ref.tenantId, ref.keyName);
  for (const [key, value] of Object.entries(further)) {
    if (Object.hasOwn(own, key)) throw invalid(ref, `"${key}" is set by tenantkeys`);
    if (key.startsWith(RESERVED_PREFIX))
      throw invalid(ref, `${shown(key)}: the Encryption SDK keeps ${RESERVED_PREFIX}*`);
    if (key === "" || key === "__proto__") throw invalid(ref, `${shown(key)} can't be the name of a pair`);
    if (typeof value !== "string" || value === "") throw invalid(ref, `${shown(key)} needs a value that is a string`);
    // Half of a surrogate pair becomes U+FFFD in UTF-8: the same pair wouldn't open what it encrypted, and two such names
    // would be one, which nothing opens any more.
    if (!(key.isWellFormed() && value.isWellFormed())) throw invalid(ref, `${shown(key)} is no whole Unicode text`);
  }
  const context = { ...own, ...further };
  const bytes = Object.entries(context).reduce((sum, pair) => sum + Buffer.byteLength(pair.join("")), 0);
  if (bytes > CONTEXT_BYTES_MAX) throw invalid(ref, `it has ${bytes} bytes, KMS takes ${CONTEXT_BYTES_MAX}`);
  return context;
}

/**
 * Whether a message is this tenant key's, and bound to the further pairs that were given.
 * @throws TenantKeysError `ciphertext_of_another_tenant`, `encryption_context_invalid`
 */
export function requireContext(
  ref: TenantKeyRef,
  found: Readonly<Record<string, string | undefined>>,
  further: FurtherContext = {},
): void {
  const own = tenantEncryptionContext(ref.stage, ref.tenantId, ref.keyName);
  if (!holds(found, own)) {
    throw new TenantKeysError(
      "ciphertext_of_another_tenant",
      `The ciphertext is ${ownerOf(found)}, not of tenant "${ref.tenantId}", key "${ref.keyName}", stage "${ref.stage}".`,
      { tenantId: ref.tenantId, keyName: ref.keyName },
    );
  }
  for (const [key, value] of Object.entries(further)) {
    if (!holds(found, { [key]: value })) {
      const has = found[key] === undefined ? "doesn't have it" : `has ${shown(found[key])}`;
      throw invalid(ref, `${shown(key)} is ${shown(value)} here, and the ciphertext ${has}`);
    }
  }
}

function holds(found: Readonly<Record<string, string | undefined>>, pairs: FurtherContext): boolean {
  return Object.entries(pairs).every(([key, value]) => Object.hasOwn(found, key) && found[key] === value);
}

function ownerOf({ tenant, keyName, stage }: Readonly<Record<string, string | undefined>>): string {
  if (tenant === undefined) return "of nobody that it names";
  return `of tenant ${shown(tenant)}, key ${shown(keyName)}, stage ${shown(stage)}`;
}

/** Quoted, without control characters, and not too long. */
export function shown(value: string | undefined): string {
  if (value === undefined) return "unnamed";
  const short = value.length > SHOWN_CHARACTERS_MAX ? `${value.slice(0, SHOWN_CHARACTERS_MAX)}…` : value;
  return JSON.stringify(short);
}

function invalid({ tenantId, keyName }: TenantKeyRef, why: string): TenantKeysError {
  return new TenantKeysError("encryption_context_invalid", `The encryption context can't be used: ${why}.`, {
    tenantId,
    keyName,
    field: "context",
  });
}
