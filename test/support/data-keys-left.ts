/**
 * Uses data keys of a tenant in every way, then looks for what is left of them in this process: as text that anything still
 * refers to (a heap snapshot has no other), and as bytes in its memory (where there is /proc). Then it keeps one
 * on purpose and looks again, which shows that looking finds something. Data keys are known here by four bytes and a hash
 * only, so that looking doesn't find itself. Prints what it found.
 */
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { text } from "node:stream/consumers";
import { getHeapSnapshot, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { KMS } from "@aws-sdk/client-kms";
import { createEnvelope, type Envelope, type KeyAccess } from "@tenantkeys/client";
import { SimpleSource } from "./emulated-tenants.ts";

const MEMORY = "/proc/self/mem";
const TIMES = 2;
const ROUNDS_MAX = 5;
const { TENANT_ACCESS = "", ENDPOINT = "", REGION = "", SESSION = "" } = process.env;
const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

const kms = new KMS({ endpoint: ENDPOINT, region: REGION, credentials: JSON.parse(SESSION) });
/** Of every plaintext that KMS answered with: the first bytes, to search by, and the hash of all. */
const dataKeys = new Map<string, Buffer>();
kms.middlewareStack.add(
  (next) => async (request) => {
    const result = await next(request);
    const { Plaintext } = result.output as { Plaintext?: Uint8Array };
    if (Plaintext !== undefined) dataKeys.set(hashOf(Plaintext), Buffer.from(Plaintext.subarray(0, 4)));
    return result;
  },
  { step: "initialize" },
);
const access = { ...JSON.parse(TENANT_ACCESS), kms } as KeyAccess;

async function useDataKeys(envelope: Envelope): Promise<void> {
  const data = Buffer.alloc(1_000, "a tenant's data ");
  for (let times = 0; times < TIMES; times++) {
    await envelope.decrypt(access, await envelope.encrypt(access, data));
    const stream = envelope.encryptStream(access);
    stream.end(data);
    await stream.pipe(envelope.decryptStream(access)).toArray();
    const wrapped = await envelope.withDataKey(access, async (key) => key.wrapped);
    await envelope.openDataKey(access, wrapped, async () => {});
  }
}

async function textLeft(): Promise<number> {
  const snapshot: { readonly strings: readonly string[] } = JSON.parse(await text(getHeapSnapshot()));
  const candidates = snapshot.strings.flatMap((string) => string.match(/[A-Za-z0-9+/]{43}=|[0-9a-f]{64}/g) ?? []);
  const bytes = candidates.map((found) => Buffer.from(found, found.length === 44 ? "base64" : "hex"));
  return bytes.filter((found) => dataKeys.has(hashOf(found))).length;
}

/** What of this process's memory is written to. */
function* memory(): Generator<Buffer> {
  const file = openSync(MEMORY, "r");
  const chunk = Buffer.allocUnsafeSlow(2 ** 22);
  for (const line of readFileSync("/proc/self/maps", "utf8").split("\n")) {
    const [, from = "", to = "", allowed = ""] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line) ?? [];
    if (!allowed.startsWith("rw")) continue;
    const end = Number(`0x${to}`);
    // Each begins a little before the last one's end: a data key may lie across it.
    for (let at = Number(`0x${from}`); at < end; at += chunk.byteLength - 64) {
      try {
        yield chunk.subarray(0, readSync(file, chunk, 0, Math.min(chunk.byteLength, end - at), at));
      } catch {
        // Some of the kernel's isn't to be read.
      }
    }
  }
  closeSync(file);
}

function bytesLeft(): number | "unknown" {
  if (!existsSync(MEMORY)) return "unknown";
  let found = 0;
  for (const chunk of memory()) {
    for (const [hash, beginning] of dataKeys) {
      for (let at = chunk.indexOf(beginning); at >= 0; at = chunk.indexOf(beginning, at + 1)) {
        if (hashOf(chunk.subarray(at, at + 32)) === hash) found += 1;
      }
    }
  }
  return found;
}

/** Garbage keeps its bytes until something else is put there. Taking a snapshot puts much there; what is referred to stays. */
async function left(roundsMax: number) {
  for (let round = 1; ; round++) {
    collect();
    const found = { text: await textLeft(), bytes: bytesLeft() };
    if (round === roundsMax || found.bytes === 0) return { ...found, round };
  }
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const [asking, keeping] = [false as const, {}].map((cache) =>
  createEnvelope(new SimpleSource([access]), { cache }),
) as [Envelope, Envelope];
await useDataKeys(asking);
await useDataKeys(keeping);
keeping.forget(access.tenantId);
const afterUse = await left(ROUNDS_MAX);

const kept: unknown[] = [];
await asking.withDataKey(access, async ({ plaintext }) => {
  kept.push(new Uint8Array(plaintext), Buffer.from(plaintext).toString("hex"));
});
const withOneKept = await left(1);
console.log(JSON.stringify({ dataKeys: dataKeys.size, afterUse, withOneKept, kept: kept.length }));
for (const each of [asking, keeping, kms]) each.destroy();
