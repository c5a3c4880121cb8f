/**
 * Encrypts and decrypts a long stream as one pipeline, in this process alone, and prints what memory it took beyond what a
 * short one took. Given the way to a tenant's key in its environment.
 */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { KMS } from "@aws-sdk/client-kms";
import { createEnvelope, type KeyAccess } from "@tenantkeys/client";
import { SimpleSource } from "./emulated-tenants.ts";

const MIB = 2 ** 20;
const { TENANT_ACCESS = "", ENDPOINT = "", REGION = "", SESSION = "" } = process.env;

const kms = new KMS({ endpoint: ENDPOINT, region: REGION, credentials: JSON.parse(SESSION) });
const access = { ...JSON.parse(TENANT_ACCESS), kms } as KeyAccess;
const envelope = createEnvelope(new SimpleSource([access]));

async function* plaintext(mebibytes: number, hash: ReturnType<typeof createHash>) {
  for (let at = 0; at < mebibytes * 16; at++) {
    const chunk = Buffer.alloc(MIB / 16, at);
    hash.update(chunk);
    yield chunk;
  }
}

/** There and back. @returns whether it came back as it was */
async function roundTrip(mebibytes: number): Promise<boolean> {
  const [before, after] = [createHash("sha256"), createHash("sha256")];
  await pipeline(
    Readable.from(plaintext(mebibytes, before), { objectMode: false }),
    envelope.encryptStream(access),
    envelope.decryptStream(access),
    after,
  );
  return before.digest("hex") === after.digest("hex");
}

// Kilobytes, the most that the process had so far.
const residentPeakMiB = () => process.resourceUsage().maxRSS / 1024;

await roundTrip(1);
const atFirstMiB = residentPeakMiB();
const startedMs = performance.now();
const same = await roundTrip(100);
const seconds = (performance.now() - startedMs) / 1_000;
console.log(JSON.stringify({ same, grownMiB: Math.round(residentPeakMiB() - atFirstMiB), atFirstMiB, seconds }));
envelope.destroy();
kms.destroy();
