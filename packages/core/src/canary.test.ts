import { expect, test } from "vitest";
import { CANARY_TENANT_IDS, canaryProfile, isCanaryTenant, isReservedTenantId, NOBODYS_TENANT_ID } from "./canary.ts";
import { parseTenantId } from "./ids.ts";
import { parseStageSettings, type StageSettingsInput } from "./stage-settings.ts";

const profileOf = (profiles: NonNullable<StageSettingsInput["profiles"]>) => {
  const applicationRoleArns = ["arn:aws:iam::111122223333:role/app"];
  return canaryProfile(parseStageSettings({ stage: "dev", applicationRoleArns, profiles }).profiles);
};

test("the canary's ids are tenant ids, kept for it, and the one that is nobody's is no tenant of its", () => {
  for (const tenantId of [...CANARY_TENANT_IDS, NOBODYS_TENANT_ID]) {
    expect(parseTenantId(tenantId)).toBe(tenantId);
    expect(isReservedTenantId(tenantId)).toBe(true);
  }
  expect(CANARY_TENANT_IDS.map(isCanaryTenant)).toEqual([true, true]);
  expect([isCanaryTenant(NOBODYS_TENANT_ID), isReservedTenantId("tenantkeys-canaries")]).toEqual([false, false]);
});

test("the canary's keys have profile default, where a tenant can use such keys by itself", () => {
  expect(profileOf({ plain: {}, default: {} })).toBe("default");
  expect(profileOf({ default: { strictEncryptionContext: true, useSourceCidrs: ["10.0.0.0/8"] } })).toBe("default");
});

test.each<readonly [string, NonNullable<StageSettingsInput["profiles"]>[string]]>([
  ["imports its material", { origin: "EXTERNAL" }],
  ["is kept outside of AWS", { origin: "EXTERNAL_KEY_STORE", customKeyStoreId: "cks-1234567890abcdef0" }],
  ["signs", { keySpec: "RSA_2048" }],
  ["makes codes", { keySpec: "HMAC_256" }],
  ["only decrypts", { actions: "decrypt-only" }],
  ["is used through services", { viaServices: ["s3"] }],
])("a key that %s is none for the canary: it takes the next profile, and there may be none", (_, profile) => {
  expect(profileOf({ default: profile, plain: {}, plainer: {} })).toBe("plain");
  expect(profileOf({ default: profile })).toBeUndefined();
});
