/**
 * What a message of the AWS Encryption SDK says before any of it is decrypted: whose it is, and which key wrapped its data
 * key. None of it is to be believed until the message's own tag was checked, but all of it can be refused at once.
 */
import {
  type AlgorithmSuiteIdentifier,
  CommitmentPolicy,
  CommitmentPolicySuites,
  NodeAlgorithmSuite,
} from "@aws-crypto/client-node";
import { ContentType, deserializeFactory } from "@aws-crypto/serialize";
import { branchKeyId, type KeyArn, regionOfKey, TenantKeysError } from "@tenantkeys/core";
import { type FurtherContext, requireContext, shown } from "./encryption-context.ts";
import type { KeyAccess, TenantKeyRef } from "./key-access.ts";

/** KMS's 8 KiB of encryption context, one wrapped data key and 100 bytes more fit several times. */
export const HEADER_BYTES_MAX = 32_768;
/** How the SDK's keyring marks a data key that AWS KMS wrapped. */
const KMS_PROVIDER = "aws-kms";
/** And one that a branch key wrapped. */
export const HIERARCHY_PROVIDER = "aws-kms-hierarchy";

/** What the body's length follows from. */
export interface BodyForm {
  /** With its tag. */
  readonly headerBytes: number;
  readonly framed: boolean;
  readonly frameBytes: number;
  readonly ivBytes: number;
  readonly tagBytes: number;
  readonly signed: boolean;
}

export interface MessageHead extends BodyForm {
  readonly encryptionContext: Readonly<Record<string, string | undefined>>;
  readonly wrappedBy: readonly { readonly providerId: string; readonly providerInfo: string }[];
}

const toUtf8 = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
/** Each of the eleven suites once: to make one costs as much as the rest of reading a header. */
const suites = new Map<AlgorithmSuiteIdentifier, NodeAlgorithmSuite>();
function keptSuite(id: AlgorithmSuiteIdentifier): NodeAlgorithmSuite {
  const suite = suites.get(id) ?? new NodeAlgorithmSuite(id);
  suites.set(id, suite);
  return suite;
}
// Called with `new`, which gives what a function returns.
const { deserializeMessageHeader } = deserializeFactory(toUtf8, keptSuite as unknown as typeof NodeAlgorithmSuite);

/**
 * @param bytes a message, or its beginning
 * @returns undefined when the header isn't whole yet
 * @throws TenantKeysError `ciphertext_corrupted` when it can't be a message, or is of a suite without key commitment: the
 *   same bytes could then be made to open with two different data keys
 */
export function readHead(bytes: Uint8Array): MessageHead | undefined {
  const known = sameAsLast(bytes);
  if (known !== undefined) return known;
  const header = parsed(bytes.subarray(0, HEADER_BYTES_MAX));
  if (header === false) {
    if (bytes.byteLength >= HEADER_BYTES_MAX) throw corrupted(`its header is longer than ${HEADER_BYTES_MAX} bytes`);
    return undefined;
  }
  const { messageHeader, algorithmSuite, headerLength, headerAuth } = header;
  const head: MessageHead = {
    headerBytes: headerLength + headerAuth.headerAuthLength,
    framed: messageHeader.contentType === ContentType.FRAMED_DATA,
    frameBytes: messageHeader.frameLength,
    ivBytes: algorithmSuite.ivLength,
    tagBytes: algorithmSuite.tagLength / 8,
    signed: algorithmSuite.signatureCurve !== undefined,
    encryptionContext: messageHeader.encryptionContext,
    wrappedBy: messageHeader.encryptedDataKeys,
  };
  const form = bytes.slice(0, FORM_BYTES);
  last = { form, rest: bytes.slice(ID_END, headerLength - COMMITMENT_BYTES), head };
  return head;
}

/** Version and suite; then the message's id; then all that a head is read from; then the commitment, and the tag. */
const FORM_BYTES = 3;
const ID_END = FORM_BYTES + 32;
const COMMITMENT_BYTES = 32;

/**
 * The head that was read last. Messages of one data key differ in their ids and commitments only, of which a head has
 * nothing: for each but the first it is enough to compare bytes.
 */
let last: { readonly form: Uint8Array; readonly rest: Uint8Array; readonly head: MessageHead } | undefined;

function sameAsLast(bytes: Uint8Array): MessageHead | undefined {
  if (last === undefined || bytes.byteLength < last.head.headerBytes) return undefined;
  const { form, rest, head } = last;
  const isSame =
    Buffer.compare(bytes.subarray(0, FORM_BYTES), form) === 0 &&
    Buffer.compare(bytes.subarray(ID_END, ID_END + rest.byteLength), rest) === 0;
  return isSame ? head : undefined;
}

function parsed(bytes: Uint8Array) {
  try {
    const header = deserializeMessageHeader(bytes, { maxEncryptedDataKeys: false });
    if (header === false) return false;
    const { suiteId, contentType } = header.messageHeader;
    const policy = CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT;
    CommitmentPolicySuites.isDecryptEnabled(policy, suiteId, "of this ciphertext");
    if (ContentType[contentType] === undefined) throw corrupted(`its content type ${contentType} isn't known`);
    return header;
  } catch (error) {
    if (error instanceof TenantKeysError) throw error;
    throw corrupted("it isn't a message of the AWS Encryption SDK with key commitment", error);
  }
}

/**
 * Whether the message is this tenant key's, by what it says itself. Asks nobody.
 * @returns the key to decrypt with, in the Region of the session
 * @throws TenantKeysError `ciphertext_of_another_tenant`, `encryption_context_invalid`, `key_unknown`; of a branch key
 *   `settings_invalid`
 */
export function requireOwnMessage(head: MessageHead, access: KeyAccess, further?: FurtherContext): KeyArn {
  requireContext(access, head.encryptionContext, further);
  const [wrapped, ...more] = head.wrappedBy;
  if (wrapped === undefined || more.length > 0) {
    throw ofAnother(access, `has ${head.wrappedBy.length} wrapped data keys: somebody else could open it too`);
  }
  if (
    wrapped.providerId === HIERARCHY_PROVIDER &&
    wrapped.providerInfo === branchKeyId(access.tenantId, access.keyName)
  ) {
    throw ofBranchKey(access);
  }
  const keyArn = access.decryptKeyArns.find((arn) => arn === wrapped.providerInfo);
  if (wrapped.providerId !== KMS_PROVIDER || keyArn === undefined) {
    throw ofAnother(access, `is wrapped by ${shown(wrapped.providerInfo)}, which isn't one of the tenant's keys`);
  }
  return usableHere(keyArn, access);
}

/**
 * The key itself, or its replica in the session's Region: KMS answers for keys of its own Region only, and replicas of one
 * key open the same ciphertexts.
 */
export function usableHere(keyArn: KeyArn, access: KeyAccess): KeyArn {
  const here = regionOfKey(access.keyArn);
  if (regionOfKey(keyArn) === here) return keyArn;
  const keyId = keyIdOf(keyArn);
  const replica = access.decryptKeyArns.find((arn) => regionOfKey(arn) === here && keyIdOf(arn) === keyId);
  if (keyId.startsWith("mrk-") && replica !== undefined) return replica;
  throw new TenantKeysError(
    "key_unknown",
    `The ciphertext is wrapped by ${keyArn}, and that key has no replica in ${here}.`,
    { tenantId: access.tenantId, keyName: access.keyName },
  );
}

const keyIdOf = (keyArn: KeyArn): string => keyArn.slice(keyArn.lastIndexOf("/") + 1);

/** No other tenant's: this client was only not told of branch keys. */
function ofBranchKey({ tenantId, keyName }: TenantKeyRef): TenantKeysError {
  const message = `The ciphertext is wrapped by the branch key of tenant ${tenantId}, key "${keyName}": it is opened where createTenantKeys has envelope: branchKeyEnvelope().`;
  return new TenantKeysError("settings_invalid", message, { tenantId, keyName, field: "envelope" });
}

function ofAnother({ tenantId, keyName }: TenantKeyRef, why: string): TenantKeysError {
  return new TenantKeysError(
    "ciphertext_of_another_tenant",
    `The ciphertext says it is of "${tenantId}", but ${why}.`,
    {
      tenantId,
      keyName,
    },
  );
}

export function corrupted(why: string, cause?: unknown): TenantKeysError {
  return new TenantKeysError("ciphertext_corrupted", `The ciphertext can't be decrypted: ${why}.`, { cause });
}
