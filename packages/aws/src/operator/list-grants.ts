/** The grants that a tenant key has now, each with what verification thinks of it. Nothing is recorded or changed. */
import {
  type GrantKind,
  grantKind,
  hasReplicas,
  type JobOfGrant,
  jobOfGrant,
  type KeyArn,
  type KeyName,
  type KeyRecord,
  type ObservedGrant,
  parseRegion,
  type Region,
  replicaArn,
  type TenantId,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import { declaredState } from "../declared-state.ts";
import { readGrants } from "../grants.ts";
import type { Registry } from "../registry.ts";
import type { Run } from "../run.ts";
import type { DeployedStage } from "./stage-settings-item.ts";

export interface ListGrantsPorts extends DeployedStage {
  readonly registry: Registry;
  /** Whose reads these are: the auditor's, whom every key policy lets look. */
  readonly observingIn: (region: Region) => Clients;
}

export interface ListedGrant extends ObservedGrant {
  readonly keyArn: KeyArn;
  readonly kind: GrantKind;
  /** Absent of grants that aren't named as a job's. */
  readonly job: JobOfGrant | undefined;
}

export interface GrantsOfKey {
  readonly keyName: KeyName;
  /** A key of the tenant's own account: its grants are its owner's, and nobody here may list them. */
  readonly isOwnKey: boolean;
  /** Of the key, of its replicas and of those that it replaced. */
  readonly grants: readonly ListedGrant[];
}

/** @throws TenantKeysError `key_unknown`, `settings_invalid`, or what reading throws */
export async function listGrants(
  ports: ListGrantsPorts,
  run: Run,
  tenantId: TenantId,
  keyName: KeyName,
): Promise<GrantsOfKey> {
  const { registry } = ports;
  const [record, tenant] = await Promise.all([registry.get(run, tenantId, keyName), registry.getTenant(run, tenantId)]);
  if (record === undefined) {
    throw new TenantKeysError("key_unknown", `tenant ${tenantId} has no key "${keyName}"`, { tenantId, keyName });
  }
  const isOwnKey = record.ownKeyArn !== undefined;
  if (isOwnKey || record.state === "destroyed") return { keyName, isOwnKey, grants: [] };
  const nowMs = run.clock.nowMs();
  const { desired, target } = declaredState(ports, tenantId, keyName, { record, tenant }, nowMs);
  const moment = { nowMs, isLeaving: target === "withdrawn" || target === "deleted" };
  const grants: ListedGrant[] = [];
  for (const keyArn of keysWithGrants(record)) {
    const region = parseRegion(keyArn.split(":")[3] ?? "");
    for (const grant of await readGrants(ports.observingIn(region), run, keyArn)) {
      grants.push({ ...grant, keyArn, kind: grantKind(grant, desired, moment), job: jobOfGrant(grant.name) });
    }
  }
  return { keyName, isOwnKey, grants };
}

function keysWithGrants({ keyArn, replicas = [], previousKeyArns = [] }: KeyRecord): readonly KeyArn[] {
  if (keyArn === undefined) return previousKeyArns;
  const inRegions = hasReplicas(keyArn) ? replicas.map(({ region }) => replicaArn(keyArn, region)) : [];
  return [keyArn, ...inRegions, ...previousKeyArns];
}
