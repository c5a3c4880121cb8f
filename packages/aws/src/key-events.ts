/** Events about one key that exists: rotate it now, import its material, look at it again. */
import {
  asTenantKeysError,
  DAY_MS,
  type ErrorCode,
  isReplacedToRotate,
  type KeyName,
  type KeyRecord,
  type LifecycleEventType,
  outcomeOf,
  PREVIOUS_KEYS_MAX,
  type RepairDone,
  type TenantEvent,
  type TenantId,
  TenantKeysError,
  type TenantRecord,
} from "@tenantkeys/core";
import { refuseMissingXksKey } from "./external-key-store.ts";
import { HeldKey } from "./held-key.ts";
import { importKeyMaterial, rotateOnDemand, untilImported, wasRotatedSince } from "./key-operations.ts";
import type { KeyOutcome } from "./key-outcome.ts";
import type { ProvisionPorts } from "./ports.ts";
import type { Run } from "./run.ts";
import { type TakenKey, takeKey } from "./take-key.ts";

export interface DoneKeyEvent extends KeyOutcome {
  readonly kind: "done";
  readonly tenant: TenantRecord;
  /** Of a repair. */
  readonly repaired?: RepairDone | undefined;
}

export type KeyEventOutcome =
  | DoneKeyEvent
  | { readonly kind: "superseded"; readonly byGeneration: number }
  /** There is nothing that the event could be about. */
  | { readonly kind: "ignored" };

type EventOf<Type extends TenantEvent["type"]> = Extract<TenantEvent, { readonly type: Type }>;
export type KeyEvent = EventOf<"TenantKeyRotationRequested" | "TenantKeyMaterialSupplied" | "TenantKeyReviewDue">;

/** @throws TenantKeysError `key_unknown`, `state_conflict`, `tenant_offboarded`, `key_destroyed`, and what the work throws */
export async function carryOutKeyEvent(ports: ProvisionPorts, run: Run, event: KeyEvent): Promise<KeyEventOutcome> {
  const about = { tenantId: event.tenantId, keyName: event.keyName };
  try {
    const known = await readKnown(ports, run, event);
    if (known === undefined) return { kind: "ignored" };
    const before = known.record.state;
    const newest = newestGeneration(event, known.record);
    if (newest !== undefined && event.generation < newest) return { kind: "superseded", byGeneration: newest };
    const taken = await takeKey(ports, run, known);
    const held = new HeldKey(ports, run, taken);
    return { kind: "done", before, record: await carryOut(ports, run, held, event), tenant: taken.tenant };
  } catch (error) {
    throw asTenantKeysError(error).within(about);
  }
}

function newestGeneration(event: KeyEvent, record: KeyRecord): number | undefined {
  if (event.type === "TenantKeyRotationRequested") return record.rotation?.generation;
  return event.type === "TenantKeyMaterialSupplied" ? record.materialGeneration : undefined;
}

/** The key and its tenant, where the event has to do with it in its state. */
export async function readKnown(
  ports: ProvisionPorts,
  run: Run,
  event: KeyEvent | EventOf<"TenantKeyRepairRequested">,
): Promise<TakenKey | undefined> {
  const [record, tenant] = await Promise.all([
    ports.registry.get(run, event.tenantId, event.keyName),
    ports.registry.getTenant(run, event.tenantId),
  ]);
  const outcome = outcomeOf(event.type, record?.state ?? "unknown");
  if (outcome === "ignore") return undefined;
  if (outcome !== "converge") throw refusedIn(event.type, outcome as ErrorCode, record, event);
  if (record !== undefined && tenant !== undefined) return { record, tenant };
  throw new TenantKeysError("record_invalid", "the tenant's own record is missing", { step: "declare" });
}

function refusedIn(
  type: LifecycleEventType,
  code: ErrorCode,
  record: KeyRecord | undefined,
  { tenantId, keyName }: { readonly tenantId: TenantId; readonly keyName: KeyName },
): TenantKeysError {
  const state = record === undefined ? "isn't known to the registry" : `is ${record.state}`;
  const message = `${type}: key "${keyName}" of tenant ${tenantId} ${state}`;
  return new TenantKeysError(code, message, { tenantId, keyName, step: "declare" });
}

function carryOut(ports: ProvisionPorts, run: Run, held: HeldKey, event: KeyEvent): Promise<KeyRecord> {
  switch (event.type) {
    case "TenantKeyReviewDue":
      return held.converge();
    case "TenantKeyRotationRequested":
      return held.settle(() => rotate(ports, run, held, event));
    case "TenantKeyMaterialSupplied":
      return importMaterial(ports, run, held, event);
  }
}

function refuseOwnKey({ keyName, ownKeyArn }: KeyRecord, code: ErrorCode, does: string): void {
  if (ownKeyArn === undefined) return;
  const message = `the key ${keyName} is of the tenant's own account: only its owner ${does} it`;
  throw new TenantKeysError(code, message, { step: "declare" });
}

type RotationEvent = EventOf<"TenantKeyRotationRequested">;

async function rotate(ports: ProvisionPorts, run: Run, held: HeldKey, event: RotationEvent): Promise<KeyRecord> {
  const { rotation } = held.record;
  if (rotation?.generation === event.generation && rotation.doneAtMs !== undefined) {
    return held.write({ leaseUntilMs: 0 });
  }
  refuseOwnKey(held.record, "rotation_unsupported", "rotates");
  if (held.desired.origin === "EXTERNAL") {
    const message = "the next material of a key with imported material is its customer's to bring: add a key, and move";
    throw new TenantKeysError("rotation_unsupported", message, { step: "kms:RotateKeyOnDemand" });
  }
  return isReplacedToRotate(held.desired) ? rotateByNewKey(run, held, event) : rotateInKms(ports, run, held, event);
}

async function rotateInKms(
  ports: ProvisionPorts,
  run: Run,
  held: HeldKey,
  { generation }: RotationEvent,
): Promise<KeyRecord> {
  const { keyArn, rotation } = held.record;
  if (keyArn === undefined) throw new TenantKeysError("record_invalid", "an active record lacks its key");
  const begun = rotation?.generation === generation ? rotation : undefined;
  const startedAtMs = begun?.startedAtMs ?? run.clock.nowMs();
  if (begun === undefined) await held.write({ rotation: { generation, startedAtMs } });
  const done = begun !== undefined && (await wasRotatedSince(ports.clients, run, keyArn, startedAtMs));
  if (!done) await rotateOnDemand(ports.clients, run, keyArn);
  const doneAtMs = run.clock.nowMs();
  return held.write({ rotation: { generation, startedAtMs, doneAtMs }, leaseUntilMs: 0, failure: undefined });
}

/**
 * For keys that KMS can't rotate (custom key stores, HMAC, asymmetric): a new key takes over name and tenant, and the old
 * one stays usable for what it encrypted. Recorded step by step: the intent, then which key replaces which; what is
 * left after that, the plan of any later run does.
 * https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys-manually.html
 */
async function rotateByNewKey(run: Run, held: HeldKey, { generation, xksKeyId }: RotationEvent): Promise<KeyRecord> {
  refuseMissingXksKey(held.desired.profile, xksKeyId);
  const { keyArn: replacedKeyArn, previousKeyArns = [], rotation } = held.record;
  if (replacedKeyArn === undefined) throw new TenantKeysError("record_invalid", "an active record lacks its key");
  if (previousKeyArns.length >= PREVIOUS_KEYS_MAX) {
    const message = `the key was replaced ${previousKeyArns.length} times, and all of them are kept`;
    throw new TenantKeysError("quota_exceeded", message, { step: "kms:CreateKey" });
  }
  const begun = rotation?.generation === generation ? rotation : undefined;
  const startedAtMs = begun?.startedAtMs ?? run.clock.nowMs();
  if (begun === undefined) await held.write({ rotation: { generation, startedAtMs }, xksKeyId });
  if (begun?.replacedKeyArn === undefined) {
    const keyArn = await held.makeReplacement(begun !== undefined);
    await held.write({
      keyArn,
      previousKeyArns: [...previousKeyArns, replacedKeyArn],
      // The replaced key's own attempt is over; those that may have left a spare are still to be looked for.
      attempts: held.record.attempts.filter((attempt) => attempt.outcome === "open" || attempt.keyArn === keyArn),
      rotation: { generation, startedAtMs, replacedKeyArn },
    });
  }
  const replaced = held.record.rotation?.replacedKeyArn;
  await held.reachDeclared();
  const doneAtMs = run.clock.nowMs();
  return held.write({
    rotation: { generation, startedAtMs, replacedKeyArn: replaced, doneAtMs },
    leaseUntilMs: 0,
    failure: undefined,
  });
}

const DAYS_UNTIL_EXPIRY_MAX = 365;

async function importMaterial(
  ports: ProvisionPorts,
  run: Run,
  held: HeldKey,
  event: EventOf<"TenantKeyMaterialSupplied">,
): Promise<KeyRecord> {
  await held.settle(async () => {
    const { keyArn, materialGeneration } = held.record;
    if (keyArn === undefined) throw new TenantKeysError("record_invalid", "the record lacks its key");
    refuseOwnKey(held.record, "origin_mismatch", "imports material into");
    if (held.desired.origin !== "EXTERNAL") {
      const message = `the key's material comes from ${held.desired.origin}, so none can be imported`;
      throw new TenantKeysError("origin_mismatch", message, { step: "kms:ImportKeyMaterial" });
    }
    if (materialGeneration === event.generation) return;
    refuseExpiry(event.expiresAtMs, run.clock.nowMs());
    await importKeyMaterial(ports.clients, run, keyArn, event);
    await held.write({ materialGeneration: event.generation });
    await untilImported(ports.clients, run, keyArn, ports.visibilityBudgetMs);
  });
  return held.converge();
}

/** KMS takes a date in the future, at most 365 days ahead, and says little about another. */
function refuseExpiry(expiresAtMs: number | undefined, nowMs: number): void {
  if (expiresAtMs === undefined) return;
  const daysAhead = (expiresAtMs - nowMs) / DAY_MS;
  if (daysAhead > 0 && daysAhead <= DAYS_UNTIL_EXPIRY_MAX) return;
  const message = `detail.expiresAt: expected a time in the next ${DAYS_UNTIL_EXPIRY_MAX} days, not ${new Date(expiresAtMs).toISOString()}`;
  throw new TenantKeysError("event_invalid", message, { field: "detail.expiresAt", step: "kms:ImportKeyMaterial" });
}
