import { LIFECYCLE_STATES, type LifecycleState, type TenantStanding } from "@tenantkeys/core";
import { describe, expect, it } from "vitest";
import { refusalOf } from "./may-work.ts";
import type { KeyItem } from "./registry-items.ts";
import { REF } from "./test-support.ts";

const DATE_MS = Date.UTC(2027, 0, 31);
const keyIn = (state: LifecycleState): KeyItem => ({
  state,
  replicaKeyArns: [],
  previousKeyArns: [],
  deletionDateMs: DATE_MS,
});
const declared = { value: true, generation: 2 };
const TENANTS = {
  working: { lifeGeneration: 1 },
  suspended: { lifeGeneration: 1, suspension: declared },
  leaving: { lifeGeneration: 1, leaving: declared },
} as const satisfies Record<string, TenantStanding>;

const codeFor = (state: LifecycleState, tenant: TenantStanding) =>
  refusalOf(REF, { key: keyIn(state), tenant })?.code ?? "may work";

describe("by the state of the key, of a tenant that works, is suspended and is leaving", () => {
  const EXPECTED: Readonly<Record<LifecycleState, readonly [working: string, suspended: string, leaving: string]>> = {
    provisioning: ["key_not_active", "tenant_suspended", "tenant_offboarded"],
    failed: ["key_not_active", "tenant_suspended", "tenant_offboarded"],
    "awaiting-material": ["key_not_active", "tenant_suspended", "tenant_offboarded"],
    active: ["may work", "tenant_suspended", "tenant_offboarded"],
    suspended: ["key_not_active", "tenant_suspended", "tenant_offboarded"],
    offboarding: ["key_not_active", "tenant_suspended", "tenant_offboarded"],
    "pending-deletion": ["key_pending_deletion", "key_pending_deletion", "key_pending_deletion"],
    destroyed: ["key_destroyed", "key_destroyed", "key_destroyed"],
  };

  it.each(LIFECYCLE_STATES)("%s", (state) => {
    expect(Object.values(TENANTS).map((tenant) => codeFor(state, tenant))).toEqual(EXPECTED[state]);
  });
});

it("tells a tenant that isn't there from a key that isn't", () => {
  expect(refusalOf(REF, { key: undefined, tenant: undefined })?.code).toBe("tenant_unknown");
  expect(refusalOf(REF, { key: undefined, tenant: TENANTS.working })?.code).toBe("key_unknown");
});

it("says when a key is deleted, in the message and as a number", () => {
  const refusal = refusalOf(REF, { key: keyIn("pending-deletion"), tenant: TENANTS.leaving });
  expect(refusal?.message).toBe('key "default" of tenant acme is to be deleted on 2027-01-31T00:00:00.000Z');
  expect(refusal?.details).toMatchObject({ tenantId: "acme", keyName: "default", deletionDateMs: DATE_MS });
});

it("lets a new life of a tenant work, whatever was declared of the one before", () => {
  const tenant = { lifeGeneration: 5, endedGeneration: 2, suspension: declared, leaving: declared };
  expect(codeFor("active", tenant)).toBe("may work");
});

it("knows nothing against a tenant whose own record isn't there, and refuses by its key's", () => {
  expect(refusalOf(REF, { key: keyIn("active"), tenant: undefined })).toBeUndefined();
  expect(refusalOf(REF, { key: keyIn("suspended"), tenant: undefined })?.code).toBe("key_not_active");
});
