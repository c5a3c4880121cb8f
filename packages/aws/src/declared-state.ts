/** What a key should be now, by its record, its tenant's and the stage: the same for who plans and for who verifies. */
import {
  type DesiredTenantKey,
  desiredTenantKey,
  type KeyName,
  type KeyTarget,
  keyTarget,
  offboardingOf,
  profileInForce,
  profileOf,
  type StageContext,
  type StageSettings,
  type TenantId,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Known } from "./registry.ts";

export interface DeclaredState {
  readonly desired: DesiredTenantKey;
  readonly target: KeyTarget;
}

type Stage = {
  readonly settings: StageSettings;
  readonly context: StageContext;
};

/**
 * @param known a record that isn't there is taken as declared with the stage's profile for such a key
 * @throws TenantKeysError `settings_invalid` where the stage lacks the record's profile
 */
export function declaredState(
  { settings, context }: Stage,
  tenantId: TenantId,
  keyName: KeyName,
  { record, tenant }: Known,
  nowMs: number,
): DeclaredState {
  const profileName = profileOf(settings, keyName, record?.profile);
  const profile = profileInForce(settings.profiles, { ...record, profile: profileName });
  if (profile === undefined) {
    const message = `key "${keyName}" of tenant ${tenantId} has profile "${profileName}", which this stage doesn't have`;
    throw new TenantKeysError("settings_invalid", message, { tenantId, keyName, step: "plan" });
  }
  const rules = { ...profile, approvalPrincipal: settings.approvalPrincipal };
  return {
    desired: desiredTenantKey(context, tenantId, keyName, profile),
    target: keyTarget(tenant, offboardingOf(tenant, rules, record, nowMs)),
  };
}
