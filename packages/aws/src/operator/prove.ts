/** The proof of containment for an operator: the registry says whose keys there are, AWS what their documents say. */
import {
  type KeyRecord,
  type Proof,
  type ProvenTenant,
  proveContainment,
  stageNames,
  type TenantId,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import type { Run } from "../run.ts";
import { listKeys } from "./list-keys.ts";
import { type ProofPorts, readForProof } from "./read-proof.ts";

export interface ProveOptions {
  /** Only these are held against each other; none: every tenant of the stage. */
  readonly tenantIds: readonly TenantId[];
  /** Gets what was done and of how many tenants. */
  onProgress(done: number, total: number): void;
}

export interface Proven {
  readonly proof: Proof;
  /** What it was made from. */
  readonly tenants: readonly ProvenTenant[];
}

/**
 * @param clients for the registry
 * @throws TenantKeysError `tenant_unknown` for one that has no key, and what ends the whole reading (`readForProof`)
 */
export async function prove(
  ports: ProofPorts,
  clients: Clients,
  run: Run,
  { tenantIds, onProgress }: ProveOptions,
): Promise<Proven> {
  const records = tenantIds.length === 0 ? await allRecords(ports, clients, run) : await named(ports, run, tenantIds);
  const total = new Set(records.map(({ tenantId }) => tenantId)).size;
  const tenants = await readForProof(ports, run, records, (done) => onProgress(done, total));
  return { tenants, proof: proveContainment(ports.context, tenants) };
}

/**
 * Documents of all keys are held at once, 6 KB each or so. The quota share and the command's hour are the limit: 90,000 keys
 * at the highest share that a stage can have.
 */
async function allRecords({ context }: ProofPorts, clients: Clients, run: Run): Promise<readonly KeyRecord[]> {
  const records: KeyRecord[] = [];
  for await (const record of listKeys(clients, run, stageNames(context.stage).registryTable)) {
    if (isThere(record)) records.push(record);
  }
  return records;
}

async function named(
  { registry, context }: ProofPorts,
  run: Run,
  tenantIds: readonly TenantId[],
): Promise<readonly KeyRecord[]> {
  const records: KeyRecord[] = [];
  for (const tenantId of new Set(tenantIds)) {
    const keys = (await registry.keysOfTenant(run, tenantId)).filter(isThere);
    if (keys.length === 0) {
      const message = `stage "${context.stage}" knows no key of tenant ${tenantId}`;
      throw new TenantKeysError("tenant_unknown", message, { tenantId });
    }
    records.push(...keys);
  }
  return records;
}

/** A destroyed key is no key any more. */
function isThere({ state }: KeyRecord): boolean {
  return state !== "destroyed";
}
