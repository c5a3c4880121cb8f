/** Messages of the Encryption SDK under tenants' keys, with KMS and real sessions of two tenants' roles. */
import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  KmsKeyringNode,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
} from "@aws-crypto/client-node";
import { CreateKeyCommand, DisableKeyCommand, EnableKeyCommand, KMS, ReplicateKeyCommand } from "@aws-sdk/client-kms";
import { type KeyArn, TenantKeysError } from "@tenantkeys/core";
import { type Emulator, readCalls, resetCalls, startEmulator } from "@tenantkeys/local";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type EmulatedTenant,
  makeTenant,
  makeTenantKey,
  rootOf,
  SimpleSource,
} from "../../../test/support/emulated-tenants.ts";
import { ACCOUNT_ROOT, policy } from "../../local/src/emulator/test-support.ts";
import { createEnvelope, type Envelope } from "./envelope.ts";
import type { KeyAccess } from "./key-access.ts";

const HELLO = Buffer.from("hello");

let emulator: Emulator;
let acme: EmulatedTenant;
let globex: EmulatedTenant;
let source: SimpleSource;
let envelope: Envelope;

beforeAll(async () => {
  emulator = await startEmulator();
  [acme, globex] = await Promise.all([makeTenant(emulator, "acme"), makeTenant(emulator, "globex")]);
  source = new SimpleSource([acme.access, globex.access]);
  envelope = createEnvelope(source, { cache: false });
}, 120_000);

afterEach(() => {
  source.refusing.clear();
  source.accesses.set("acme", acme.access);
});

afterAll(async () => {
  envelope?.destroy();
  await emulator?.stop();
});

const bytes = (length: number) => Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 8)) % 256);

async function kmsCalls(): Promise<number> {
  const calls = await readCalls(emulator.endpoint);
  return calls.filter(({ action }) => action.startsWith("kms:")).reduce((sum, { count }) => sum + count, 0);
}

/** The bare SDK, in a session of a tenant, without any of our checks. */
function bareSdk({ kms }: KeyAccess, commitment = CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT) {
  const sdk = buildClient(commitment);
  const clientProvider = () => kms as never;
  const keyring = (...keyIds: string[]) => new KmsKeyringNode({ clientProvider, keyIds });
  const generating = (generatorKeyId: string, keyIds: string[] = []) =>
    new KmsKeyringNode({ clientProvider, generatorKeyId, keyIds });
  return { sdk, keyring, generating };
}

const contextOf = ({ access }: EmulatedTenant) => ({ tenant: access.tenantId, keyName: "default", stage: "local" });

describe("a message", () => {
  it.each([0, 1, 1_024, 65_535, 65_536, 65_537, 1_048_576])("of %i bytes comes back as it was", async (length) => {
    const plaintext = bytes(length);
    const message = await envelope.encrypt(acme.access, plaintext);
    expect(Buffer.compare(await envelope.decrypt(acme.access, message), plaintext)).toBe(0);
  });

  it("shares its memory with nothing else", async () => {
    const message = await envelope.encrypt(acme.access, HELLO);
    const plaintext = await envelope.decrypt(acme.access, message);
    expect(message.buffer.byteLength).toBe(message.byteLength);
    expect(plaintext.buffer.byteLength).toBe(plaintext.byteLength);
  });

  it("is of the committing suite without a signature, and bound to tenant, key name and stage", async () => {
    const message = await envelope.encrypt(acme.access, HELLO);
    const { sdk, keyring } = bareSdk(acme.access);
    const { messageHeader } = await sdk.decrypt(keyring(acme.access.keyArn), message);
    expect(messageHeader.suiteId).toBe(AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY);
    expect({ ...messageHeader.encryptionContext }).toEqual(contextOf(acme));
  });

  it("of the SDK's default suite, which is signed, is read too", async () => {
    const { sdk, generating } = bareSdk(acme.access);
    const { result } = await sdk.encrypt(generating(acme.access.keyArn), HELLO, { encryptionContext: contextOf(acme) });
    expect(Buffer.from(await envelope.decrypt(acme.access, result))).toEqual(HELLO);
  });
});

it("a message of a suite without key commitment is refused, before KMS is asked", async () => {
  const { sdk, generating } = bareSdk(acme.access, CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT);
  const { result } = await sdk.encrypt(generating(acme.access.keyArn), HELLO, { encryptionContext: contextOf(acme) });
  await resetCalls(emulator.endpoint);
  await expect(envelope.decrypt(acme.access, result)).rejects.toMatchObject({
    code: "ciphertext_corrupted",
    message: expect.stringContaining("with key commitment"),
  });
  expect(await kmsCalls()).toBe(0);
});

describe("the wrong tenant", () => {
  it("is told whose the message is, before KMS is asked", async () => {
    const message = await envelope.encrypt(acme.access, HELLO);
    await resetCalls(emulator.endpoint);
    await expect(envelope.decrypt(globex.access, message)).rejects.toMatchObject({
      code: "ciphertext_of_another_tenant",
      message:
        'The ciphertext is of tenant "acme", key "default", stage "local", not of tenant "globex", key "default", stage "local".',
    });
    expect(await kmsCalls()).toBe(0);
  });

  it("is refused by KMS itself where nothing of ours is asked", async () => {
    const message = await envelope.encrypt(acme.access, HELLO);
    const { sdk, keyring } = bareSdk(globex.access);
    await expect(sdk.decrypt(keyring(acme.access.keyArn), message)).rejects.toThrow(/AccessDeniedException/);
  });

  it("is refused by KMS, and told so, where its record names the other tenant's key", async () => {
    const message = await envelope.encrypt(acme.access, HELLO);
    // As a bug or an attack would have it: acme's key and name, with the session of globex's role.
    source.accesses.set("acme", { ...acme.access, kms: globex.access.kms });
    await expect(envelope.decrypt(acme.access, message)).rejects.toMatchObject({ code: "access_denied" });
    await expect(envelope.encrypt(acme.access, HELLO)).rejects.toMatchObject({ code: "access_denied" });
    expect(source.explained.slice(-2)).toEqual([
      { name: "AccessDeniedException", step: "kms:Decrypt" },
      { name: "AccessDeniedException", step: "kms:GenerateDataKey" },
    ]);
  });

  it("gets nothing by a message that names it, and is wrapped by another key", async () => {
    const { sdk, generating } = bareSdk(acme.access);
    const options = { encryptionContext: contextOf(globex) };
    const { result } = await sdk.encrypt(generating(acme.access.keyArn), HELLO, options);
    await expect(envelope.decrypt(globex.access, result)).rejects.toMatchObject({
      code: "ciphertext_of_another_tenant",
      message: expect.stringContaining("isn't one of the tenant's keys"),
    });
  });

  it("nor by one that two keys wrapped, of which one is its own", async () => {
    const other = await makeTenantKey(rootOf(emulator), globex.access.roleArn);
    const { sdk, generating } = bareSdk(globex.access);
    const keyring = generating(globex.access.keyArn, [other]);
    // The key's policy lets the role encrypt, so the bare SDK makes such a message.
    const { result } = await sdk.encrypt(keyring, HELLO, { encryptionContext: contextOf(globex) });
    await expect(envelope.decrypt(globex.access, result)).rejects.toMatchObject({
      code: "ciphertext_of_another_tenant",
      message: expect.stringContaining("2 wrapped data keys"),
    });
  });

  it("nor by one that names nobody, or whose data key no KMS wrapped", async () => {
    const { sdk, generating } = bareSdk(acme.access);
    const { result: unnamed } = await sdk.encrypt(generating(acme.access.keyArn), HELLO);
    await expect(envelope.decrypt(acme.access, unnamed)).rejects.toMatchObject({
      code: "ciphertext_of_another_tenant",
      message: expect.stringContaining("of nobody that it names"),
    });
    const raw = new RawAesKeyringNode({
      keyName: acme.access.keyArn,
      keyNamespace: "mine",
      unencryptedMasterKey: new Uint8Array(32),
      wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
    });
    const { result } = await sdk.encrypt(raw, HELLO, { encryptionContext: contextOf(acme) });
    await expect(envelope.decrypt(acme.access, result)).rejects.toMatchObject({ code: "ciphertext_of_another_tenant" });
  });
});

describe("the encryption context", () => {
  it("takes further pairs, of which decrypting may name some, all or none", async () => {
    const message = await envelope.encrypt(acme.access, HELLO, { document: "7", kind: "note" });
    for (const context of [undefined, {}, { document: "7" }, { kind: "note", document: "7" }]) {
      expect(Buffer.from(await envelope.decrypt(acme.access, message, context))).toEqual(HELLO);
    }
  });

  it.each([
    [{ document: "8" }, '"document" is "8" here, and the ciphertext has "7"'],
    [{ document: "7", author: "ann" }, '"author" is "ann" here, and the ciphertext doesn\'t have it'],
    [{ toString: "7" }, '"toString"'],
  ])("%j isn't the message's", async (context, why) => {
    const message = await envelope.encrypt(acme.access, HELLO, { document: "7" });
    await expect(envelope.decrypt(acme.access, message, context)).rejects.toMatchObject({
      code: "encryption_context_invalid",
      message: expect.stringContaining(why),
    });
  });
});

describe("a refusal of KMS", () => {
  it("of a disabled key says so, for encrypting and for decrypting", async () => {
    const message = await envelope.encrypt(acme.access, HELLO);
    const root = rootOf(emulator);
    await root.kms.send(new DisableKeyCommand({ KeyId: acme.access.keyArn }));
    try {
      await expect(envelope.decrypt(acme.access, message)).rejects.toMatchObject({ code: "key_disabled" });
      await expect(envelope.encrypt(acme.access, HELLO)).rejects.toMatchObject({ code: "key_disabled" });
    } finally {
      await root.kms.send(new EnableKeyCommand({ KeyId: acme.access.keyArn }));
    }
  });

  it("for want of KMS is no corrupted ciphertext", async () => {
    const message = await envelope.encrypt(acme.access, HELLO);
    // Nobody listens there.
    const kms = new KMS({
      endpoint: "http://127.0.0.1:9",
      region: "eu-west-1",
      credentials: acme.credentials,
      maxAttempts: 1,
    });
    source.accesses.set("acme", { ...acme.access, kms });
    await expect(envelope.decrypt(acme.access, message)).rejects.toMatchObject({ code: "aws_unexpected" });
    kms.destroy();
  });
});

describe("a key that was replaced", () => {
  it("still opens what it encrypted, and encrypts nothing any more", async () => {
    const before = await envelope.encrypt(acme.access, HELLO);
    const keyArn = await makeTenantKey(rootOf(emulator), acme.access.roleArn);
    source.accesses.set("acme", { ...acme.access, keyArn, decryptKeyArns: [keyArn, acme.access.keyArn] });
    const after = await envelope.encrypt(acme.access, HELLO);
    expect(Buffer.from(await envelope.decrypt(acme.access, before))).toEqual(HELLO);
    expect(Buffer.from(await envelope.decrypt(acme.access, after))).toEqual(HELLO);

    source.accesses.set("acme", acme.access);
    await expect(envelope.decrypt(acme.access, after)).rejects.toMatchObject({ code: "ciphertext_of_another_tenant" });
  });
});

it("a message of another Region is opened by the key's replica here", async () => {
  const root = rootOf(emulator);
  const Policy = policy({
    Effect: "Allow",
    Principal: { AWS: [ACCOUNT_ROOT, acme.access.roleArn] },
    Action: "kms:*",
    Resource: "*",
  });
  const { KeyMetadata } = await root.kms.send(new CreateKeyCommand({ MultiRegion: true, Policy }));
  const primary = KeyMetadata?.Arn as KeyArn;
  await root.kms.send(new ReplicateKeyCommand({ KeyId: primary, ReplicaRegion: "eu-central-1", Policy }));
  const replica = primary.replace("eu-west-1", "eu-central-1") as KeyArn;

  source.accesses.set("acme", { ...acme.access, keyArn: primary, decryptKeyArns: [primary, replica] });
  const message = await envelope.encrypt(acme.access, HELLO);
  const { endpoint } = emulator;
  const kms = new KMS({ endpoint, region: "eu-central-1", credentials: acme.credentials, maxAttempts: 1 });
  source.accesses.set("acme", { ...acme.access, kms, keyArn: replica, decryptKeyArns: [replica, primary] });
  await resetCalls(endpoint);
  expect(Buffer.from(await envelope.decrypt(acme.access, message))).toEqual(HELLO);
  const calls = await readCalls(endpoint);
  expect(calls.flatMap(({ resources }) => resources)).toEqual([replica]);
  kms.destroy();
});

it("a tenant that can't be opened is refused with its own reason, and nothing is asked of KMS", async () => {
  const message = await envelope.encrypt(acme.access, HELLO);
  source.refusing.set("acme", new TenantKeysError("tenant_suspended", "acme is suspended."));
  await resetCalls(emulator.endpoint);
  await expect(envelope.decrypt(acme.access, message)).rejects.toMatchObject({ code: "tenant_suspended" });
  await expect(envelope.encrypt(acme.access, HELLO)).rejects.toMatchObject({ code: "tenant_suspended" });
  expect(await kmsCalls()).toBe(0);
});
