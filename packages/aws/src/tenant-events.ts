/** Events about a whole tenant: the declaration goes into the tenant's record, then each of its keys is made to follow. */
import {
  asTenantKeysError,
  type Declared,
  isOfEarlierLife,
  type KeyRecord,
  type LifecycleEventType,
  mergeTenantEvent,
  outcomeOf,
  type TenantEventOfRegister,
  type TenantId,
  TenantKeysError,
  type TenantRecord,
} from "@tenantkeys/core";
import { HeldKey } from "./held-key.ts";
import type { KeyOutcome } from "./key-outcome.ts";
import type { ProvisionPorts } from "./ports.ts";
import type { Run } from "./run.ts";
import { contended, RACES_MAX, type TakenKey, takeKey } from "./take-key.ts";

export type TenantOutcome =
  | { readonly kind: "followed"; readonly tenant: TenantRecord; readonly keys: readonly KeyOutcome[] }
  /** A newer declaration is known already: this one changed nothing. */
  | { readonly kind: "superseded"; readonly byGeneration: number };

/**
 * @throws TenantKeysError `generation_conflict`, `approval_refused`; `key_destroyed` where every key is gone for good; what
 *   making a key follow throws, after the other keys were tried
 */
export async function carryOutTenantEvent(
  ports: ProvisionPorts,
  run: Run,
  declared: Declared,
  event: TenantEventOfRegister,
): Promise<TenantOutcome> {
  refuseDestroyed(event.type, await keysLookedAt(ports, run, declared.tenantId));
  const merged = await mergeIntoRegistry(ports, run, declared, event);
  if (merged.kind === "superseded") return merged;
  const { lifeGeneration: byGeneration = 0 } = merged.tenant;
  // A hold counts whenever it was placed: it can only keep data from being lost.
  const outlivesALife = event.type === "TenantLegalHoldPlaced" || event.type === "TenantLegalHoldReleased";
  if (!outlivesALife && isOfEarlierLife(merged.tenant, declared.generation)) {
    return { kind: "superseded", byGeneration };
  }
  return { kind: "followed", tenant: merged.tenant, keys: await followTenant(ports, run, merged.tenant, event.type) };
}

/** Makes every key of the tenant what is declared of the tenant now. */
export async function followTenant(
  ports: ProvisionPorts,
  run: Run,
  tenant: TenantRecord,
  eventType: LifecycleEventType,
): Promise<readonly KeyOutcome[]> {
  const outcomes: KeyOutcome[] = [];
  const failures: TenantKeysError[] = [];
  // Read after the tenant's record was written: a key that is declared later is declared under the new record.
  for (const record of await ports.registry.keysOfTenant(run, tenant.tenantId)) {
    const before = record.state;
    if (outcomeOf(eventType, before) !== "converge") {
      outcomes.push({ before, record });
      continue;
    }
    try {
      const held = new HeldKey(ports, run, await takeKey(ports, run, { record, tenant }));
      outcomes.push({ before, record: await held.converge() });
    } catch (error) {
      // One key in trouble mustn't keep the others from being shut.
      failures.push(asTenantKeysError(error).within({ tenantId: record.tenantId, keyName: record.keyName }));
    }
  }
  const failure = failures.find((error) => error.retryable) ?? failures[0];
  if (failure !== undefined) throw failure;
  return outcomes;
}

/**
 * The tenant's keys, after a look at those whose deletion date has come: one that is gone by now is recorded as such under
 * the offboarding that ended it, before another declaration about the tenant is taken that could no longer be true.
 */
async function keysLookedAt(ports: ProvisionPorts, run: Run, tenantId: TenantId): Promise<readonly KeyRecord[]> {
  const keys = await ports.registry.keysOfTenant(run, tenantId);
  const nowMs = run.clock.nowMs();
  const isDue = ({ state, deletionDateMs }: KeyRecord) =>
    state === "pending-deletion" && deletionDateMs !== undefined && deletionDateMs <= nowMs;
  if (!keys.some(isDue)) return keys;
  const tenant = await ports.registry.getTenant(run, tenantId);
  if (tenant === undefined) return keys;
  const looked: KeyRecord[] = [];
  for (const record of keys) looked.push(isDue(record) ? await lookAt(ports, run, { record, tenant }) : record);
  return looked;
}

/** What can't be looked at stays as it is: the event itself then meets the same fault, if it is about that key. */
async function lookAt(ports: ProvisionPorts, run: Run, known: TakenKey): Promise<KeyRecord> {
  try {
    return await new HeldKey(ports, run, await takeKey(ports, run, known)).converge();
  } catch (error) {
    const failure = asTenantKeysError(error);
    if (failure.retryable) throw failure;
    return known.record;
  }
}

async function mergeIntoRegistry(
  ports: ProvisionPorts,
  run: Run,
  declared: Declared,
  event: TenantEventOfRegister,
): Promise<
  { readonly kind: "merged"; readonly tenant: TenantRecord } | Extract<TenantOutcome, { kind: "superseded" }>
> {
  for (let race = 1; race <= RACES_MAX; race++) {
    const known = await ports.registry.getTenant(run, declared.tenantId);
    const merge = mergeTenantEvent(known, declared, event, ports.approvalPrincipal, run.clock.nowMs());
    if (merge.kind === "refused") throw merge.error;
    if (merge.kind === "superseded") return merge;
    if (merge.kind === "known") return { kind: "merged", tenant: merge.tenant };
    const written = await ports.registry.putTenant(run, merge.tenant, known?.version);
    if (written === "written") return { kind: "merged", tenant: merge.tenant };
  }
  throw contended();
}

/** @throws TenantKeysError `key_destroyed` where the event comes too late for every key there is */
function refuseDestroyed(eventType: LifecycleEventType, keys: readonly KeyRecord[]): void {
  const tooLate = keys.length > 0 && keys.every((key) => outcomeOf(eventType, key.state) === "key_destroyed");
  if (!tooLate) return;
  const gone = keys.map((key) => `${key.keyName} (${key.keyArn ?? "never made"})`).join(", ");
  throw new TenantKeysError("key_destroyed", `every key of the tenant is gone for good: ${gone}`, { step: "declare" });
}
