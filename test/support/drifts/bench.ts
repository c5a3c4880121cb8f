/** Brings tenants to where they can drift, and lets them. */
import { CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { clientConfig } from "@tenantkeys/aws";
import { completeKeyProfile, DAY_MS, desiredTenantKey, type KeyRecord, parseKeyName } from "@tenantkeys/core";
import { advanceClock, inBatches, type LocalStage } from "@tenantkeys/local";
import { publish, readRecord, tenantEnvelope, until } from "../events.ts";
import { type Person, person, untilState } from "../life.ts";
import { supplyMaterial } from "../material.ts";
import type { DriftBench, DriftedKey, KeyDrift } from "./drift.ts";
import { ABROAD } from "./profile-drifts.ts";

/** The profiles that drifts ask for. */
export const DRIFT_PROFILES = {
  default: {},
  brief: { watchPeriodDays: 0, deletionWindowDays: 7 },
  byok: { origin: "EXTERNAL" as const },
  abroad: { replicaRegions: [ABROAD] },
};
/** KMS's shortest window, and a day. */
const WINDOW_MS = 8 * DAY_MS;
/** Sign-ups under way at once: more only queue up in the emulator. */
const WIDTH = 16;

export function driftBench(stage: LocalStage): DriftBench & { destroy(): void } {
  const clients = new Map<string, KMSClient>();
  const kmsIn = (region: string) => {
    const { credentials } = stage.emulator;
    const client = clients.get(region) ?? new KMSClient(clientConfig({ ...stage.at, region, credentials }));
    clients.set(region, client);
    return client;
  };
  return {
    stage,
    kmsIn,
    foreignKey: async () => (await stage.root.kms.send(new CreateKeyCommand({}))).KeyMetadata?.Arn ?? "",
    destroy: () => {
      for (const client of clients.values()) client.destroy();
    },
  };
}

/** Signs up over the bus. @param profile by tenant; absent: the stage's `default` */
export async function signUpAll(
  stage: LocalStage,
  tenantIds: readonly string[],
  profiles: Readonly<Record<string, string | undefined>> = {},
): Promise<void> {
  await inBatches(tenantIds, WIDTH, async (tenantId) => {
    const profile = profiles[tenantId];
    await publish(stage, tenantEnvelope("TenantSignedUp", { tenantId, ...(profile !== undefined && { profile }) }));
  });
  for (const tenantId of tenantIds) {
    await until(`${tenantId} to have its key`, async () => {
      const record = await readRecord(stage, tenantId);
      const isMade = record?.state === "active" || record?.state === "awaiting-material";
      return isMade && record.leaseUntilMs === 0;
    });
  }
}

export type DriftedKeys = ReadonlyMap<KeyDrift, DriftedKey>;

/**
 * Does by hand what each drift says, in the order that time needs: what takes a deletion window first.
 *
 * @param drifts of tenants that signed up
 * @returns the keys as they were before
 */
export async function injectDrifts(bench: DriftBench, drifts: readonly KeyDrift[]): Promise<DriftedKeys> {
  const { stage } = bench;
  const customer = await person(stage, "customer");
  const keys = new Map<KeyDrift, DriftedKey>();
  for (const drift of drifts) keys.set(drift, await keyOf(stage, customer, drift));
  const keyFor = (drift: KeyDrift) => keys.get(drift) as DriftedKey;
  for (const drift of drifts) await drift.aWindowBefore?.(bench, keyFor(drift));
  await advanceClock(stage.at.endpoint, WINDOW_MS);
  await Promise.all(drifts.map((drift) => lead(stage, drift)));
  for (const drift of drifts) await drift.inject(bench, keyFor(drift));
  return keys;
}

async function keyOf(stage: LocalStage, customer: Person, { tenantId, profile }: KeyDrift): Promise<DriftedKey> {
  if (profile === "byok") await supplyMaterial(stage, customer, tenantId);
  return driftedKey(stage, await untilState(stage, tenantId, "active"));
}

export function driftedKey(stage: LocalStage, record: KeyRecord): DriftedKey {
  const profile = stage.settings.profiles[record.profile] ?? completeKeyProfile();
  const desired = desiredTenantKey(stage.context, record.tenantId, parseKeyName("default"), profile);
  return { record, desired, keyArn: record.keyArn ?? "" };
}

/** To where the tenant's life must have come. */
async function lead(stage: LocalStage, { tenantId, life = "active" }: KeyDrift): Promise<void> {
  if (life === "active") return;
  const type = life === "suspended" ? "TenantSuspended" : "TenantOffboarded";
  await publish(stage, tenantEnvelope(type, { tenantId }));
  await untilState(stage, tenantId, life);
}

/** Does by hand what no command does. */
export async function resolveByHand(bench: DriftBench, keys: DriftedKeys): Promise<void> {
  for (const [drift, key] of keys) await drift.byHand?.(bench, key);
}
