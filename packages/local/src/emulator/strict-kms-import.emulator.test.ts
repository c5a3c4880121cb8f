import { execFileSync } from "node:child_process";
import { constants, createPublicKey, publicEncrypt, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CancelKeyDeletionCommand,
  CreateKeyCommand,
  DecryptCommand,
  DeleteImportedKeyMaterialCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GetParametersForImportCommand,
  type GetParametersForImportCommandOutput,
  ImportKeyMaterialCommand,
  type ImportKeyMaterialCommandInput,
  KMSClient,
  ReplicateKeyCommand,
  ScheduleKeyDeletionCommand,
  type WrappingKeySpec,
} from "@aws-sdk/client-kms";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { advanceClock } from "./clock.ts";
import { type Emulator, startEmulator } from "./emulator.ts";
import { type Caller, callerWith, outcome } from "./test-support.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const REPLICA_REGION = "eu-central-1";

let emulator: Emulator;
let root: Caller;
let aheadMs = 0;

beforeAll(async () => {
  emulator = await startEmulator();
  root = callerWith(emulator, emulator.credentials);
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

async function advance(durationMs: number): Promise<void> {
  aheadMs = await advanceClock(emulator.endpoint, durationMs);
}

/** A date that many ms after what KMS takes for now. */
const fromNow = (durationMs: number) => new Date(Math.floor((Date.now() + aheadMs + durationMs) / 1000) * 1000);

async function externalKey(options: { readonly multiRegion?: boolean } = {}): Promise<string> {
  const made = await root.kms.send(new CreateKeyCommand({ Origin: "EXTERNAL", MultiRegion: options.multiRegion }));
  return made.KeyMetadata?.Arn as string;
}

function parametersFor(KeyId: string, WrappingKeySpec: WrappingKeySpec = "RSA_2048", kms = root.kms) {
  return kms.send(
    new GetParametersForImportCommand({ KeyId, WrappingKeySpec, WrappingAlgorithm: "RSAES_OAEP_SHA_256" }),
  );
}

function wrap(parameters: GetParametersForImportCommandOutput, material: Uint8Array): Uint8Array {
  const key = createPublicKey({ key: Buffer.from(parameters.PublicKey as Uint8Array), format: "der", type: "spki" });
  return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" }, material);
}

/** As a customer does it, by the AWS guide, with the tools of OpenSSL. */
function wrapWithOpenssl(parameters: GetParametersForImportCommandOutput, material: Uint8Array): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), "tenantkeys-wrap-"));
  try {
    writeFileSync(join(directory, "public.der"), parameters.PublicKey as Uint8Array);
    writeFileSync(join(directory, "material.bin"), material);
    const files = ["-in", "material.bin", "-out", "wrapped.bin", "-inkey", "public.der", "-keyform", "DER", "-pubin"];
    const oaep = ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"];
    execFileSync("openssl", ["pkeyutl", "-encrypt", ...files, ...oaep.flatMap((option) => ["-pkeyopt", option])], {
      cwd: directory,
    });
    return readFileSync(join(directory, "wrapped.bin"));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

type ImportOptions = Partial<ImportKeyMaterialCommandInput>;
const DOES_NOT_EXPIRE = { ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE" } as const;

async function importInto(
  KeyId: string,
  material: Uint8Array,
  options: ImportOptions = DOES_NOT_EXPIRE,
  kms = root.kms,
) {
  const parameters = await parametersFor(KeyId, "RSA_2048", kms);
  return kms.send(
    new ImportKeyMaterialCommand({
      KeyId,
      ImportToken: parameters.ImportToken,
      EncryptedKeyMaterial: wrap(parameters, material),
      ...options,
    }),
  );
}

async function describeKey(KeyId: string, kms = root.kms) {
  const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId }));
  return KeyMetadata;
}

const encrypt = async (KeyId: string) => {
  const { CiphertextBlob } = await root.kms.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from("hello") }));
  return CiphertextBlob as Uint8Array;
};
const decrypt = async (CiphertextBlob: Uint8Array, kms = root.kms) => {
  const { Plaintext } = await kms.send(new DecryptCommand({ CiphertextBlob }));
  return Buffer.from(Plaintext as Uint8Array).toString();
};

describe("importing key material", () => {
  test.each(["RSA_2048", "RSA_3072", "RSA_4096"] as const)(
    "a key works with material that OpenSSL wrapped under %s",
    async (spec) => {
      const key = await externalKey();
      expect(await describeKey(key)).toMatchObject({ KeyState: "PendingImport", Origin: "EXTERNAL", Enabled: false });
      expect(await outcome(encrypt(key))).toBe("KMSInvalidStateException");
      const parameters = await parametersFor(key, spec);
      const validMs = (parameters.ParametersValidTo?.getTime() ?? 0) - Date.now() - aheadMs;
      expect(Math.abs(validMs - DAY_MS)).toBeLessThan(60_000);
      const answer = await root.kms.send(
        new ImportKeyMaterialCommand({
          KeyId: key,
          ImportToken: parameters.ImportToken,
          EncryptedKeyMaterial: wrapWithOpenssl(parameters, randomBytes(32)),
          ...DOES_NOT_EXPIRE,
        }),
      );
      const described = await describeKey(key);
      expect(described).toMatchObject({ KeyState: "Enabled", ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE" });
      expect(described?.ValidTo).toBeUndefined();
      expect(described?.CurrentKeyMaterialId).toBe(answer.KeyMaterialId);
      expect(await decrypt(await encrypt(key))).toBe("hello");
    },
  );

  test("a token is refused after 24 hours, and for another key than it was made for", async () => {
    const [key, other] = [await externalKey(), await externalKey()];
    const material = randomBytes(32);
    const parameters = await parametersFor(key);
    await parametersFor(other);
    const request = {
      ImportToken: parameters.ImportToken,
      EncryptedKeyMaterial: wrap(parameters, material),
      ...DOES_NOT_EXPIRE,
    };
    const use = (KeyId: string) => outcome(root.kms.send(new ImportKeyMaterialCommand({ KeyId, ...request })));
    expect(await use(other)).toBe("InvalidImportTokenException");
    await advance(DAY_MS - HOUR_MS);
    expect(await use(key)).toBe("ok");
    // The same request again, as a message that is delivered twice makes it.
    expect(await use(key)).toBe("ok");
    await advance(2 * HOUR_MS);
    expect(await use(key)).toBe("ExpiredImportTokenException");
  });

  test("what isn't wrapped under the key of the token is refused, and so is material of another length", async () => {
    const key = await externalKey();
    const other = await parametersFor(await externalKey());
    const wrapped = { EncryptedKeyMaterial: wrap(other, randomBytes(32)), ...DOES_NOT_EXPIRE };
    expect(await outcome(importInto(key, randomBytes(32), wrapped))).toBe("InvalidCiphertextException");
    const garbage = { EncryptedKeyMaterial: randomBytes(256), ...DOES_NOT_EXPIRE };
    expect(await outcome(importInto(key, randomBytes(32), garbage))).toBe("InvalidCiphertextException");
    expect(await outcome(importInto(key, randomBytes(31)))).toBe("IncorrectKeyMaterialException");
    expect((await describeKey(key))?.KeyState).toBe("PendingImport");
  });

  test("a date of expiry is needed, in the next 365 days, or none where the material doesn't expire", async () => {
    const key = await externalKey();
    const use = (options: ImportOptions) => outcome(importInto(key, randomBytes(32), options));
    expect(await use({})).toBe("ValidationException");
    expect(await use({ ValidTo: fromNow(-HOUR_MS) })).toBe("ValidationException");
    expect(await use({ ValidTo: fromNow(366 * DAY_MS) })).toBe("ValidationException");
    expect(await use({ ...DOES_NOT_EXPIRE, ValidTo: fromNow(DAY_MS) })).toBe("ValidationException");
    expect(await use({ ValidTo: fromNow(364 * DAY_MS) })).toBe("ok");
  });

  test("a key with material of AWS takes none, and one pending deletion neither", async () => {
    const made = await root.kms.send(new CreateKeyCommand({}));
    expect(await outcome(parametersFor(made.KeyMetadata?.KeyId as string))).toBe("UnsupportedOperationException");
    const key = await externalKey();
    await root.kms.send(new ScheduleKeyDeletionCommand({ KeyId: key }));
    expect(await outcome(parametersFor(key))).toBe("KMSInvalidStateException");
    await root.kms.send(new CancelKeyDeletionCommand({ KeyId: key }));
    expect((await describeKey(key))?.KeyState).toBe("PendingImport");
  });
});

describe("material that is gone", () => {
  test("expires at its date: the key refuses, and the same material brings it back with all its ciphertext", async () => {
    const key = await externalKey();
    const material = randomBytes(32);
    const ValidTo = fromNow(10 * DAY_MS);
    const { KeyMaterialId } = await importInto(key, material, { ValidTo });
    expect(await describeKey(key)).toMatchObject({ ExpirationModel: "KEY_MATERIAL_EXPIRES", ValidTo });
    const ciphertext = await encrypt(key);
    await advance(11 * DAY_MS);
    const expired = await describeKey(key);
    expect([expired?.KeyState, expired?.Enabled, expired?.ValidTo]).toEqual(["PendingImport", false, undefined]);
    const refused = [
      outcome(decrypt(ciphertext)),
      outcome(encrypt(key)),
      outcome(root.kms.send(new GenerateDataKeyCommand({ KeyId: key, KeySpec: "AES_256" }))),
    ];
    expect(new Set(await Promise.all(refused))).toEqual(new Set(["KMSInvalidStateException"]));
    expect(await outcome(importInto(key, randomBytes(32)))).toBe("IncorrectKeyMaterialException");
    const again = await importInto(key, material);
    expect(again.KeyMaterialId).toBe(KeyMaterialId);
    expect(await decrypt(ciphertext)).toBe("hello");
    await advance(30 * DAY_MS);
    expect((await describeKey(key))?.KeyState).toBe("Enabled");
  });

  test("is deleted at once by DeleteImportedKeyMaterial", async () => {
    const key = await externalKey();
    const material = randomBytes(32);
    await importInto(key, material, { ValidTo: fromNow(DAY_MS) });
    const ciphertext = await encrypt(key);
    await root.kms.send(new DeleteImportedKeyMaterialCommand({ KeyId: key }));
    expect((await describeKey(key))?.KeyState).toBe("PendingImport");
    expect(await outcome(decrypt(ciphertext))).toBe("KMSInvalidStateException");
    await importInto(key, material);
    expect(await decrypt(ciphertext)).toBe("hello");
  });

  test("a disabled key takes its material again and stays disabled; expiry makes it pending import", async () => {
    const key = await externalKey();
    const material = randomBytes(32);
    await importInto(key, material, { ValidTo: fromNow(DAY_MS) });
    await root.kms.send(new DisableKeyCommand({ KeyId: key }));
    await importInto(key, material, { ValidTo: fromNow(2 * DAY_MS) });
    expect((await describeKey(key))?.KeyState).toBe("Disabled");
    await advance(3 * DAY_MS);
    expect((await describeKey(key))?.KeyState).toBe("PendingImport");
  });

  test("a replica of a key with imported material starts without, and takes its primary's only", async () => {
    const key = await externalKey({ multiRegion: true });
    const material = randomBytes(32);
    const replicate = () => root.kms.send(new ReplicateKeyCommand({ KeyId: key, ReplicaRegion: REPLICA_REGION }));
    expect(await outcome(replicate())).toBe("KMSInvalidStateException");
    await importInto(key, material);
    const made = await replicate();
    expect(made.ReplicaKeyMetadata?.KeyState).toBe("PendingImport");
    const replica = key.replace(":eu-west-1:", `:${REPLICA_REGION}:`);
    const there = new KMSClient({ ...emulator, region: REPLICA_REGION, maxAttempts: 1 });
    expect(await outcome(importInto(replica, randomBytes(32), DOES_NOT_EXPIRE, there))).toBe(
      "IncorrectKeyMaterialException",
    );
    await importInto(replica, material, DOES_NOT_EXPIRE, there);
    expect(await decrypt(await encrypt(key), there)).toBe("hello");
  });
});
