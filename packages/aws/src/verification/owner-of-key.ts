/** Whose key it is that an event names. */
import { hasReplicas, type KeyArn, replicaArn } from "@tenantkeys/core";
import type { Run } from "../run.ts";
import { type FindPorts, type FoundTenantKey, findTenantKey } from "./find-tenant-key.ts";

/**
 * A replica is recorded by its primary, which has the same id in the stage's own Region; its own tags tell as well, unless
 * it is those that somebody took away. A key of a tenant's own account may look like a replica, and is recorded as it is.
 */
export async function ownerOfKey(ports: FindPorts, run: Run, keyArn: KeyArn): Promise<FoundTenantKey | undefined> {
  const primary = hasReplicas(keyArn) ? replicaArn(keyArn, ports.context.region) : keyArn;
  const found = await findTenantKey(ports, run, primary);
  if (found !== undefined || primary === keyArn) return found;
  return findTenantKey(ports, run, keyArn);
}
