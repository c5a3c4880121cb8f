/** Takes a key that the registry knows in hand: under a lease, and under what is declared of its tenant at that moment. */
import { type KeyRecord, TenantKeysError, type TenantRecord } from "@tenantkeys/core";
import type { ProvisionPorts } from "./ports.ts";
import type { Known } from "./registry.ts";
import type { Run } from "./run.ts";

/** A key whose lease this run holds. */
export interface TakenKey {
  readonly record: KeyRecord;
  readonly tenant: TenantRecord;
}

/** Writes that lose a race are tried again with what won. Each loss means that somebody else got on; five mean a fight. */
export const RACES_MAX = 5;

/**
 * @param change what becomes of the record with the lease; called again with what is there after a lost race
 * @throws TenantKeysError `lease_taken` where another worker has the key in hand, or what `change` throws
 */
export async function takeKey(
  ports: ProvisionPorts,
  run: Run,
  known: TakenKey,
  change: (record: KeyRecord, tenant: TenantRecord) => Partial<KeyRecord> = () => ({}),
): Promise<TakenKey> {
  let { record, tenant } = known;
  for (let race = 1; race <= RACES_MAX; race++) {
    const nowMs = run.clock.nowMs();
    refuseBusy(record, nowMs);
    const taken: KeyRecord = { ...underLease(ports, record, nowMs), ...change(record, tenant) };
    const declaring = await ports.registry.declare(run, { record, tenant }, { record: taken, tenant });
    if (declaring.kind === "written") return { record: taken, tenant };
    ({ record, tenant } = whole(declaring));
  }
  throw contended();
}

/** The record as the next worker holds it. */
export function underLease(ports: ProvisionPorts, record: KeyRecord, nowMs: number): KeyRecord {
  return {
    ...record,
    state: record.state === "failed" ? "provisioning" : record.state,
    fence: record.fence + 1,
    leaseUntilMs: nowMs + ports.leaseDurationMs,
    updatedAtMs: nowMs,
  };
}

/** @throws TenantKeysError `lease_taken` */
export function refuseBusy({ leaseUntilMs }: KeyRecord, nowMs: number): void {
  if (leaseUntilMs <= nowMs) return;
  const message = `another worker holds the key until ${new Date(leaseUntilMs).toISOString()}`;
  throw new TenantKeysError("lease_taken", message, { step: "declare" });
}

export function contended(): TenantKeysError {
  return new TenantKeysError("lease_taken", `${RACES_MAX} writes in a row lost to other workers`, { step: "declare" });
}

function whole({ record, tenant }: Known): TakenKey {
  if (record !== undefined && tenant !== undefined) return { record, tenant };
  throw new TenantKeysError("record_invalid", "a record of the tenant was deleted by hand", { step: "declare" });
}
