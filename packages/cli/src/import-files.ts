/** The files that key material comes and goes in. None of them is secret: the material is read only once it is wrapped. */
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ImportParameters } from "@tenantkeys/core";
import { UsageError } from "./usage-error.ts";

export const WRAPPING_KEY_DER = "wrapping-key.der";
const WRAPPING_KEY_PEM = "wrapping-key.pem";
export const IMPORT_TOKEN = "import-token.bin";

/** KMS's most for either. https://docs.aws.amazon.com/kms/latest/APIReference/API_ImportKeyMaterial.html */
const FILE_BYTES_MAX = 6_144;
/** What an RSA key of 2,048 bits makes of anything. Fewer bytes can't be wrapped, so they may be the key itself. */
const WRAPPED_BYTES_MIN = 256;
const PEM_LINE_CHARACTERS = 64;

/** @returns the paths written; what was there under these names is replaced, as key and token belong together */
export async function writeImportParameters(
  directory: string,
  { publicKey, importToken }: ImportParameters,
): Promise<readonly string[]> {
  const contents: readonly (readonly [string, Buffer | string])[] = [
    [WRAPPING_KEY_DER, Buffer.from(publicKey, "base64")],
    [WRAPPING_KEY_PEM, pem(publicKey)],
    [IMPORT_TOKEN, Buffer.from(importToken, "base64")],
  ];
  try {
    await mkdir(directory, { recursive: true });
    for (const [name, content] of contents) await writeFile(join(directory, name), content);
  } catch (error) {
    throw new UsageError(`--parameters-to: ${directory} can't be written to: ${reasonOf(error)}`);
  }
  return contents.map(([name]) => join(directory, name));
}

/**
 * @returns base64
 * @throws UsageError also where the file is too short to be wrapped: plain key material must never be sent
 */
export async function readWrappedMaterial(path: string): Promise<string> {
  const bytes = await readSmall("--material", path);
  if (bytes.length < WRAPPED_BYTES_MIN) {
    throw new UsageError(
      `--material: ${path} holds ${bytes.length} bytes, so it isn't wrapped (that makes at least ${WRAPPED_BYTES_MIN}); nothing was sent`,
    );
  }
  return bytes.toString("base64");
}

/** @returns base64 */
export async function readImportToken(path: string): Promise<string> {
  return (await readSmall("--token", path)).toString("base64");
}

async function readSmall(option: string, path: string): Promise<Buffer> {
  const { size } = await stat(path).catch((error) => {
    throw new UsageError(`${option}: ${reasonOf(error)}`);
  });
  if (size === 0 || size > FILE_BYTES_MAX) {
    throw new UsageError(`${option}: ${path} holds ${size} bytes; expected 1 to ${FILE_BYTES_MAX}`);
  }
  return readFile(path).catch((error) => {
    throw new UsageError(`${option}: ${reasonOf(error)}`);
  });
}

function pem(derBase64: string): string {
  const lines = derBase64.match(new RegExp(`.{1,${PEM_LINE_CHARACTERS}}`, "g")) ?? [];
  return `-----BEGIN PUBLIC KEY-----\n${lines.join("\n")}\n-----END PUBLIC KEY-----\n`;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
