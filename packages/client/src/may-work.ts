/** Whether a tenant may work with its key, by what the registry says of both; pure. */
import {
  type ErrorCode,
  type LifecycleState,
  TenantKeysError,
  type TenantStanding,
  type TenantTarget,
  targetOf,
} from "@tenantkeys/core";
import type { TenantKeyRef } from "./key-access.ts";
import type { KeyItem } from "./registry-items.ts";

/** What the registry holds of a tenant and one of its keys. */
export interface Known {
  readonly key: KeyItem | undefined;
  readonly tenant: TenantStanding | undefined;
}

type Refusal = readonly [code: ErrorCode, message: string];

/**
 * Why the tenant may not work with this key; undefined where it may. What is declared of the tenant counts at once: its
 * suspension stops it before the worker has disabled the key, and its resumption lets it in when the key is enabled.
 */
export function refusalOf(ref: TenantKeyRef, { key, tenant }: Known): TenantKeysError | undefined {
  const { tenantId, keyName } = ref;
  const about = {
    tenantId,
    keyName,
    deletionDateMs: key?.state === "pending-deletion" ? key.deletionDateMs : undefined,
  };
  const refusal = key === undefined ? missing(ref, tenant) : refused(ref, key, targetOf(tenant));
  return refusal && new TenantKeysError(...refusal, about);
}

function missing({ stage, tenantId, keyName }: TenantKeyRef, tenant: TenantStanding | undefined): Refusal {
  if (tenant === undefined) return ["tenant_unknown", `stage ${stage} has no tenant ${tenantId}`];
  return ["key_unknown", `tenant ${tenantId} has no key "${keyName}" in stage ${stage}`];
}

function refused({ tenantId, keyName }: TenantKeyRef, key: KeyItem, target: TenantTarget): Refusal | undefined {
  const its = `key "${keyName}" of tenant ${tenantId}`;
  if (key.state === "destroyed") return ["key_destroyed", `${its} is destroyed, and what it encrypted with it`];
  if (key.state === "pending-deletion") return ["key_pending_deletion", `${its} is to be deleted ${on(key)}`];
  if (target === "leaving") return ["tenant_offboarded", `tenant ${tenantId} was offboarded`];
  if (target === "disabled") return ["tenant_suspended", `tenant ${tenantId} is suspended`];
  if (key.state === "active") return undefined;
  return ["key_not_active", `${its} isn't active: ${NOT_YET[key.state]}`];
}

/** Of a tenant that may work as far as its own record goes. */
const NOT_YET: Readonly<Record<Exclude<LifecycleState, "active" | "pending-deletion" | "destroyed">, string>> = {
  provisioning: "it is being made",
  failed: "making it was refused or given up; the reason is in the registry",
  "awaiting-material": "its key material is yet to be imported",
  suspended: "its tenant was resumed, and the key isn't enabled yet",
  offboarding: "its tenant was reinstated, and the key isn't back yet",
};

function on({ deletionDateMs }: KeyItem): string {
  return deletionDateMs === undefined ? "soon" : `on ${new Date(deletionDateMs).toISOString()}`;
}
