import { execFile } from "node:child_process";
import { constants, generateKeyPairSync, privateDecrypt, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { BusEvent, Operator } from "@tenantkeys/aws";
import { type ImportParameters, type KeyRecord, parseKeyName } from "@tenantkeys/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { accepted, fakeOperator, keyRecord, runCommand } from "../test-support.ts";
import { wrappingCommands } from "../wrapping-commands.ts";

/** When runCommand's clock starts. */
const NOW_MS = 1_000_000;
const TOKEN = Buffer.from("an import token");
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 4096 });
const PARAMETERS: ImportParameters = {
  wrappingAlgorithm: "RSAES_OAEP_SHA_256",
  wrappingKeySpec: "RSA_4096",
  publicKey: publicKey.export({ type: "spki", format: "der" }).toString("base64"),
  importToken: TOKEN.toString("base64"),
  expiresAtMs: NOW_MS + 24 * 60 * 60 * 1000,
};
const AWAITING = keyRecord({ state: "awaiting-material", waitingFor: "material", importParameters: PARAMETERS });

let directory: string;
beforeEach(async () => {
  // A blank in the path: what is printed must work as it is.
  directory = await mkdtemp(join(tmpdir(), "tenantkeys import "));
});
afterEach(() => rm(directory, { recursive: true }));

function operatorWith(looks: readonly KeyRecord[], changes: Partial<Operator> = {}) {
  const sent: BusEvent[] = [];
  let look = 0;
  const operator = fakeOperator({
    keysOfTenant: async () => [looks[Math.min(look++, looks.length - 1)] ?? keyRecord()],
    listRefused: async () => [],
    sendToQueue: async (_, events) => {
      sent.push(...events);
      return events.map(() => accepted("event-1"));
    },
    ...changes,
  });
  return { operator, sent };
}

const hasOpenSsl = await promisify(execFile)("openssl", ["version"]).then(
  ({ stdout }) => /^OpenSSL [3-9]/.test(stdout),
  () => false,
);

describe("the import parameters", () => {
  const give = (operator: Operator, ...args: readonly string[]) =>
    runCommand(["import", "acme", "--parameters-to", join(directory, "new"), ...args], operator);

  test("are written as files, with their end and what to run", async () => {
    const { exitCode, out, err } = await give(operatorWith([AWAITING]).operator);
    expect({ exitCode, err }).toEqual({ exitCode: 0, err: "" });
    const read = (name: string) => readFile(join(directory, "new", name));
    expect((await read("wrapping-key.der")).toString("base64")).toBe(PARAMETERS.publicKey);
    expect((await read("wrapping-key.pem")).toString()).toBe(publicKey.export({ type: "spki", format: "pem" }));
    expect(await read("import-token.bin")).toEqual(TOKEN);
    expect(out).toContain("RSAES_OAEP_SHA_256 with RSA_4096; they expire at 1970-01-02T00:16:40Z");
    expect(out).toContain("openssl pkeyutl -encrypt -in material.bin");
  });

  test.skipIf(!hasOpenSsl)("lead to commands that wrap the material so that KMS's private key opens it", async () => {
    const { out } = await give(operatorWith([AWAITING]).operator, "--json");
    const { commands } = JSON.parse(out);
    expect(commands).toHaveLength(2);
    const material = randomBytes(32);
    await writeFile(join(directory, "material.bin"), material);
    await promisify(execFile)("sh", ["-c", commands[0]], { cwd: directory });
    const wrapped = await readFile(join(directory, "new", "wrapped.bin"));
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    expect(privateDecrypt({ key: privateKey, padding, oaepHash: "sha256" }, wrapped)).toEqual(material);
    const { operator, sent } = operatorWith([AWAITING]);
    const files = [
      "--material",
      join(directory, "new/wrapped.bin"),
      "--token",
      join(directory, "new/import-token.bin"),
    ];
    expect(commands[1]).toBe(
      `tenantkeys import acme --key-name default --material '${files[1]}' --token '${files[3]}' --wait`,
    );
    await runCommand(["import", "acme", ...files], operator);
    expect(sent[0]?.detail).toMatchObject({ encryptedKeyMaterial: wrapped.toString("base64") });
  });

  test.skipIf(!hasOpenSsl)("of the wrapping in two steps lead to both of them", async () => {
    await writeFile(join(directory, "wrapping-key.der"), Buffer.from(PARAMETERS.publicKey, "base64"));
    await writeFile(join(directory, "material.bin"), randomBytes(1_200));
    const parameters = { ...PARAMETERS, wrappingAlgorithm: "RSA_AES_KEY_WRAP_SHA_256" };
    const commands = wrappingCommands(parameters, directory, "tenantkeys import acme").slice(0, -1);
    await promisify(execFile)("sh", ["-ec", commands.join("\n")], { cwd: directory });
    // 512 bytes of wrapped AES key, then the material in whole blocks of 8 bytes and one more.
    expect((await readFile(join(directory, "wrapped.bin"))).length).toBe(512 + 1_200 + 8);
  });

  test("that have expired are made anew by the worker, and waited for", async () => {
    const expired = { ...AWAITING, importParameters: { ...PARAMETERS, expiresAtMs: NOW_MS } };
    const { operator, sent } = operatorWith([expired, expired, AWAITING]);
    expect(await give(operator)).toMatchObject({ exitCode: 0 });
    expect(sent).toMatchObject([{ source: "tenantkeys", "detail-type": "TenantKeyReviewDue" }]);
    const { exitCode, err } = await give(operatorWith([expired]).operator, "--timeout", "5");
    expect(exitCode).toBe(1);
    expect(err).toContain("error: import_token_expired");
  });

  test("are refused for a key that waits for no material", async () => {
    const { exitCode, err } = await give(operatorWith([keyRecord()]).operator);
    expect(exitCode).toBe(1);
    expect(err).toContain('error: state_conflict: key "default" of tenant acme is active');
  });

  test("can't be written where there is a file", async () => {
    await writeFile(join(directory, "new"), "");
    const { exitCode, err } = await give(operatorWith([AWAITING]).operator);
    expect(exitCode).toBe(64);
    expect(err).toContain("--parameters-to: ");
  });
});

describe("wrapped material", () => {
  async function supply(material: Buffer, args: readonly string[] = [], token = TOKEN) {
    const paths = { material: join(directory, "wrapped.bin"), token: join(directory, "token.bin") };
    await writeFile(paths.material, material);
    await writeFile(paths.token, token);
    const { operator, sent } = operatorWith([AWAITING]);
    const files = ["--material", paths.material, "--token", paths.token];
    return { ...(await runCommand(["import", "acme", ...files, ...args], operator)), sent };
  }

  test("goes straight to the queue, with its end where one is given", async () => {
    const material = randomBytes(512);
    const { exitCode, sent } = await supply(material, ["--expires", "2027-06-30T02:00:00+02:00"]);
    expect(exitCode).toBe(0);
    expect(sent).toEqual([
      {
        source: "tenantkeys.application",
        "detail-type": "TenantKeyMaterialSupplied",
        detail: {
          version: "1",
          tenantId: "acme",
          stage: "dev",
          generation: NOW_MS,
          keyName: "default",
          encryptedKeyMaterial: material.toString("base64"),
          importToken: TOKEN.toString("base64"),
          expiresAt: "2027-06-30T00:00:00.000Z",
        },
      },
    ]);
  });

  test("that isn't wrapped is never sent, nor shown", async () => {
    const plain = Buffer.from("0123456789abcdef0123456789abcdef");
    const { exitCode, out, err, sent } = await supply(plain);
    expect({ exitCode, sent }).toEqual({ exitCode: 64, sent: [] });
    expect(err).toContain("holds 32 bytes, so it isn't wrapped");
    for (const form of [plain.toString(), plain.toString("base64"), plain.toString("hex")]) {
      expect(out + err).not.toContain(form);
    }
  });

  test.each([
    ["an empty token", randomBytes(512), [], Buffer.alloc(0), "--token: "],
    ["too large a file", randomBytes(6_145), [], TOKEN, "expected 1 to 6144"],
    ["an end that is over", randomBytes(512), ["--expires", "1970-01-01T00:00:00Z"], TOKEN, "is over already"],
    ["an end without an offset", randomBytes(512), ["--expires", "2027-06-30T00:00:00"], TOKEN, "with its offset"],
  ])("with %s is a usage error, and nothing is sent", async (_, material, args, token, message) => {
    const { exitCode, err, sent } = await supply(material, args, token);
    expect({ exitCode, sent }).toEqual({ exitCode: 64, sent: [] });
    expect(err).toContain(message);
  });

  test("from a file that isn't there is a usage error", async () => {
    const args = ["import", "acme", "--material", join(directory, "none"), "--token", join(directory, "none")];
    const { exitCode, err } = await runCommand(args, operatorWith([AWAITING]).operator);
    expect(exitCode).toBe(64);
    expect(err).toContain("ENOENT");
  });

  test("for a key that the tenant doesn't have is refused", async () => {
    const { exitCode, err, sent } = await supply(randomBytes(512), ["--key-name", parseKeyName("payroll")]);
    expect({ exitCode, sent }).toEqual({ exitCode: 1, sent: [] });
    expect(err).toContain("error: key_unknown");
  });
});
