/** Events about a whole tenant: the declaration goes into the tenant's record, then each of its keys is made to follow. */
import {
  asTenantKeysError,
  type Declared,
  type KeyRecord,
  type LifecycleEventType,
  mergeTenantEvent,
  outcomeOf,
  type TenantEventOfRegister,
  TenantKeysError,
  type TenantRecord,
} from "@tenantkeys/core";
import { HeldKey } from "./held-key.ts";
import type { KeyOutcome } from "./key-outcome.ts";
import type { ProvisionPorts } from "./ports.ts";
import type { Run } from "./run.ts";
import { contended, RACES_MAX, takeKey } from "./take-key.ts";

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
  refuseDestroyed(event.type, await ports.registry.keysOfTenant(run, declared.tenantId));
  const merged = await mergeIntoRegistry(ports, run, declared, event);
  if (merged.kind === "superseded") return merged;
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
