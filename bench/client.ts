/**
 * The client beside the bare AWS Encryption SDK: the same suite, key, encryption context, session and cache limits, so
 * that what differs is what the client adds: the registry's word, its own checks of each message, its session.
 */
import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  getLocalCryptographicMaterialsCache,
  KmsKeyringNode,
  NodeCachingMaterialsManager,
} from "@aws-crypto/client-node";
import { KMS } from "@aws-sdk/client-kms";
import { clientConfig, destroyClients, provisionTenantKey } from "@tenantkeys/aws";
import { createTenantKeys, type TenantKey, type TenantKeys } from "@tenantkeys/client";
import { parseKeyName, parseTenantId, tenantEncryptionContext } from "@tenantkeys/core";
import { assumeRole, type LocalStage, readCalls, resetCalls, startLocalStage } from "@tenantkeys/local";
import { declarationOf, provisionerCredentials, provisionerPorts, testRun } from "../test/support/provisioner.ts";
import type { Benchmark, BenchmarkOptions, BenchmarkResult } from "./benchmark.ts";
import { clientBundles } from "./client-bundle.ts";
import { type Comparison, compare } from "./comparison.ts";
import { interleave, type Readings, type Side } from "./rounds.ts";

const TENANT = parseTenantId("acme");
const KEY_NAME = parseKeyName("default");
const ROUNDS = 15;
const MESSAGE_BYTES = 1024;
/** Per side and round: each way of working takes about half a second. */
const MESSAGES = { uncached: 100, cached: 1_000 } as const;
/** What the calls to KMS are counted for. */
const COUNTED_MESSAGES = 10_000;
const OVERHEAD_TARGET = { atMost: 1.1 };
/** The client's defaults, but for the time, so that no round is struck by the end of a data key. */
const LIMITS = { maxAgeSeconds: 3600, maxMessages: 1_000, maxBytes: 100 * 2 ** 20, capacity: 100 } as const;

export const client: Benchmark = {
  name: "client",
  title: "Encrypting and decrypting as a tenant, beside the bare AWS Encryption SDK",
  async run(options) {
    const stage = await startLocalStage({ onProgress: options.onProgress });
    try {
      return await measure(stage, options);
    } finally {
      await stage.stop();
    }
  },
};

type KmsClientProvider = Exclude<
  NonNullable<ConstructorParameters<typeof KmsKeyringNode>[0]>["clientProvider"],
  undefined
>;

/** Encrypts one message and decrypts it again. */
type RoundTrip = (plaintext: Uint8Array) => Promise<void>;

async function measure(stage: LocalStage, options: BenchmarkOptions): Promise<BenchmarkResult> {
  const rounds = options.quick ? 1 : ROUNDS;
  const { keyArn, roleArn } = await signUp(stage);
  const products = { uncached: await tenantKeysOf(stage, false), cached: await tenantKeysOf(stage, LIMITS) };
  const bare = await bareSides(stage, keyArn, roleArn);
  try {
    const comparisons: Comparison[] = [];
    for (const way of ["uncached", "cached"] as const) {
      const sides = [
        timed("product", MESSAGES[way], roundTripOf(products[way])),
        timed("bare", MESSAGES[way], bare[way]),
      ];
      await interleave(1, sides, () => {});
      const readings = await interleave(rounds, sides, (round, side) =>
        options.onProgress(`${way}, round ${round} of ${rounds}: ${side}`),
      );
      const title = `1 KB encrypted and decrypted, ${way === "cached" ? "data keys kept" : "a data key each"}`;
      comparisons.push(
        compare(`${title}: time`, "ms per message", readings.productMs, readings.bareMs, OVERHEAD_TARGET),
        compare(`${title}: rate`, "messages per second", readings.productRate, readings.bareRate),
      );
    }
    const counted = options.quick ? COUNTED_MESSAGES / 10 : COUNTED_MESSAGES;
    options.onProgress(`counting the calls of ${counted} messages`);
    comparisons.push(
      compare(
        `calls to KMS for ${counted} messages encrypted, data keys kept beside a data key each`,
        "calls",
        [await kmsCalls(stage, counted, encryptOnly(await tenantKeysOf(stage, LIMITS)))],
        [await kmsCalls(stage, counted, bare.encryptUncached)],
      ),
      ...(await clientBundles()),
    );
    return {
      comparisons,
      settings: { rounds, messagesPerRound: MESSAGES, messageBytes: MESSAGE_BYTES, limits: LIMITS },
    };
  } finally {
    for (const { all } of Object.values(products)) all.destroy();
    bare.destroy();
  }
}

async function signUp(stage: LocalStage): Promise<{ readonly keyArn: string; readonly roleArn: string }> {
  const { at, settings, context } = stage;
  const ports = provisionerPorts({ at, credentials: await provisionerCredentials(stage), settings, context });
  try {
    await provisionTenantKey(ports, testRun(), declarationOf(TENANT));
    const { keyArn, roleArn } = (await ports.registry.get(testRun(), TENANT, KEY_NAME)) ?? {};
    if (keyArn === undefined || roleArn === undefined) throw new Error(`${TENANT} has no key after its sign-up`);
    return { keyArn, roleArn };
  } finally {
    destroyClients(ports.clients);
  }
}

interface Product {
  readonly all: TenantKeys;
  readonly key: TenantKey;
}

async function tenantKeysOf(stage: LocalStage, cache: typeof LIMITS | false): Promise<Product> {
  const { endpoint, region } = stage.at;
  const all = createTenantKeys({
    stage: stage.settings.stage,
    region,
    endpoint,
    credentials: await stage.application(),
    cache,
  });
  return { all, key: all.for(TENANT, KEY_NAME) };
}

function roundTripOf({ key }: Product): RoundTrip {
  return async (plaintext) => {
    await key.decrypt(await key.encrypt(plaintext));
  };
}

function encryptOnly({ key }: Product): RoundTrip {
  return async (plaintext) => {
    await key.encrypt(plaintext);
  };
}

/** As somebody would write it who knows the key's ARN, the role's, and the context by heart. */
async function bareSides(stage: LocalStage, keyArn: string, roleArn: string) {
  const credentials = await assumeRole(stage.at, await stage.application(), roleArn, TENANT);
  const kms = new KMS(clientConfig({ ...stage.at, credentials }));
  const { encrypt, decrypt } = buildClient({
    commitmentPolicy: CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT,
    maxEncryptedDataKeys: 1,
  });
  // The SDK's own type of a client doesn't know exactOptionalPropertyTypes.
  const clientProvider = (() => kms) as unknown as KmsClientProvider;
  const keyring = new KmsKeyringNode({ generatorKeyId: keyArn, clientProvider });
  const caching = new NodeCachingMaterialsManager({
    backingMaterials: keyring,
    cache: getLocalCryptographicMaterialsCache(LIMITS.capacity),
    maxAge: LIMITS.maxAgeSeconds * 1000,
    maxMessagesEncrypted: LIMITS.maxMessages,
    maxBytesEncrypted: LIMITS.maxBytes,
  });
  const encryptionContext = tenantEncryptionContext(stage.settings.stage, TENANT, KEY_NAME);
  const suiteId = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY;
  const encryptWith = async (materials: typeof keyring | typeof caching, plaintext: Uint8Array) =>
    encrypt(materials, Buffer.from(plaintext), { encryptionContext, suiteId, plaintextLength: plaintext.length });
  const roundTrip =
    (materials: typeof keyring | typeof caching): RoundTrip =>
    async (plaintext) => {
      const { result } = await encryptWith(materials, plaintext);
      await decrypt(materials, result);
    };
  return {
    uncached: roundTrip(keyring),
    cached: roundTrip(caching),
    encryptUncached: async (plaintext: Uint8Array) => {
      await encryptWith(keyring, plaintext);
    },
    destroy: () => kms.destroy(),
  };
}

function timed(name: string, messages: number, roundTrip: RoundTrip): Side {
  const plaintext = new Uint8Array(MESSAGE_BYTES).fill(7);
  return {
    name,
    async measure(): Promise<Readings> {
      const startMs = performance.now();
      for (let n = 0; n < messages; n++) await roundTrip(plaintext);
      const tookMs = performance.now() - startMs;
      return { [`${name}Ms`]: tookMs / messages, [`${name}Rate`]: (messages * 1000) / tookMs };
    },
  };
}

async function kmsCalls(stage: LocalStage, messages: number, work: RoundTrip): Promise<number> {
  await resetCalls(stage.emulator.endpoint);
  const plaintext = new Uint8Array(MESSAGE_BYTES).fill(7);
  for (let n = 0; n < messages; n++) await work(plaintext);
  const calls = await readCalls(stage.emulator.endpoint);
  return calls.filter(({ action }) => action.startsWith("kms:")).reduce((sum, { count }) => sum + count, 0);
}
