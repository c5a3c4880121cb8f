/**
 * The canary's tenants: two of every stage that are nobody's. A function of the stage's own is let into them, and tries
 * again and again what tenants and strangers must be refused (docs/canary.md).
 */
import type { KeyName, TenantId } from "./ids.ts";
import { type KeyProfile, keyUsage } from "./key-profile.ts";

/** No tenant of an application has an id that begins so: sign-ups of such are refused. */
const RESERVED_PREFIX = "tenantkeys-canary-";

export const CANARY_TENANTS = {
  a: `${RESERVED_PREFIX}a` as TenantId,
  b: `${RESERVED_PREFIX}b` as TenantId,
} as const;
export type CanaryName = keyof typeof CANARY_TENANTS;

export const CANARY_TENANT_IDS: readonly TenantId[] = Object.values(CANARY_TENANTS);
/** Of no tenant, and never of one: what a session must not say that it is of. */
export const NOBODYS_TENANT_ID = `${RESERVED_PREFIX}nobody` as TenantId;
export const CANARY_KEY_NAME = "default" as KeyName;

/** The registry's partition of the canary's runs. */
export const CANARY_PARTITION = "CANARY";

export function isCanaryTenant(tenantId: string): boolean {
  return CANARY_TENANT_IDS.some((one) => one === tenantId);
}

/** Whether the id is the canary's, so that no application may sign such a tenant up. */
export function isReservedTenantId(tenantId: string): boolean {
  return tenantId.startsWith(RESERVED_PREFIX);
}

/**
 * The profile of the canary's keys: `default`, or the first one under which a tenant may itself encrypt and decrypt, from
 * anywhere and at once.
 * @returns its name; undefined where the stage has none
 */
export function canaryProfile(profiles: Readonly<Record<string, KeyProfile>>): string | undefined {
  const suited = Object.entries(profiles).filter(([, profile]) => isSuited(profile));
  return (suited.find(([name]) => name === "default") ?? suited[0])?.[0];
}

function isSuited({ keySpec, origin, actions, viaServices }: KeyProfile): boolean {
  if (keyUsage(keySpec) !== "ENCRYPT_DECRYPT" || actions !== "full" || viaServices.length > 0) return false;
  return origin === "AWS_KMS" || origin === "AWS_CLOUDHSM";
}
