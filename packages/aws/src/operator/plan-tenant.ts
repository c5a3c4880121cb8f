/** What the worker would do for a tenant key now: the same observe and plan, and nothing applied. */
import {
  type DesiredTenantKey,
  desiredTenantKey,
  type KeyArn,
  type KeyName,
  type KeyRecord,
  type KeyState,
  type KeyTarget,
  needRole,
  type ObservedTenantKey,
  offboardingStep,
  type Plan,
  plan,
  planOwnKey,
  profileInForce,
  profileOf,
  type RecordedKeys,
  type RoleArn,
  type TenantId,
  TenantKeysError,
  targetOf,
} from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import { keyTarget } from "../held-key.ts";
import { observeTenantKey } from "../observer.ts";
import type { Registry } from "../registry.ts";
import type { Run } from "../run.ts";
import type { DeployedStage } from "./stage-settings-item.ts";

export interface PlanPorts extends DeployedStage {
  readonly registry: Registry;
  /** Whose reads these are: the auditor's, whom every key policy lets look. */
  readonly observing: Clients;
}

export interface ObservedSummary {
  readonly role: { readonly arn: RoleArn; readonly boundaryArn: string | undefined } | undefined;
  readonly alias: "absent" | "unreadable" | "present";
  readonly keys: readonly {
    readonly keyArn: KeyArn;
    readonly state: KeyState;
    readonly rotationPeriodDays: number | undefined;
    readonly aliased: boolean;
  }[];
}

export interface TenantKeyPlan {
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  /** Absent where the registry doesn't know the key: it is planned as if it were declared with the stage's profile for it. */
  readonly record: KeyRecord | undefined;
  readonly observed: ObservedSummary;
  readonly plan: Plan;
}

/** @throws TenantKeysError `settings_invalid` where the stage lacks the record's profile, or what reading throws */
export async function planTenantKey(
  ports: PlanPorts,
  run: Run,
  tenantId: TenantId,
  keyName: KeyName,
): Promise<TenantKeyPlan> {
  const { registry, context, settings } = ports;
  const [record, tenant] = await Promise.all([registry.get(run, tenantId, keyName), registry.getTenant(run, tenantId)]);
  const profileName = profileOf(settings, keyName, record?.profile);
  const profile = profileInForce(settings.profiles, { ...record, profile: profileName });
  if (profile === undefined) {
    const message = `key "${keyName}" of tenant ${tenantId} has profile "${profileName}", which this stage doesn't have`;
    throw new TenantKeysError("settings_invalid", message, { tenantId, keyName, step: "plan" });
  }
  const desired = desiredTenantKey(context, tenantId, keyName, profile);
  const observed = await observeTenantKey(ports.observing, run, desired, record ?? { attempts: [] });
  const nowMs = run.clock.nowMs();
  const rules = { ...profile, approvalPrincipal: settings.approvalPrincipal };
  const offboarding =
    tenant !== undefined && targetOf(tenant) === "leaving"
      ? offboardingStep(tenant, rules, record?.offboardedAtMs ?? nowMs, nowMs)
      : undefined;
  const target = keyTarget(tenant, offboarding);
  const roleIsNeeded = target === "deleted" && needRole(await registry.keysOfTenant(run, tenantId), keyName, nowMs);
  const importParametersValid = (record?.importParameters?.expiresAtMs ?? 0) > nowMs;
  const recorded = { ...(record ?? { attempts: [] }), importParametersValid, roleIsNeeded };
  const planned = planOf(desired, observed, recorded, target);
  return { tenantId, keyName, record, observed: summarize(observed), plan: planned };
}

/** As the worker would plan it; for a key that is gone there is nothing to plan. */
function planOf(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  recorded: RecordedKeys & Pick<Partial<KeyRecord>, "ownKeyArn">,
  target: KeyTarget,
): Plan {
  if (recorded.state === "destroyed") return { kind: "ready", keyArn: undefined, steps: [] };
  const { ownKeyArn } = recorded;
  return ownKeyArn === undefined
    ? plan(desired, observed, recorded, target)
    : planOwnKey(desired, observed, ownKeyArn, target, recorded.roleIsNeeded);
}

function summarize({ role, alias, taggedKeys }: ObservedTenantKey): ObservedSummary {
  const aliased = alias.kind === "present" ? alias.key : undefined;
  const others = taggedKeys.filter((key) => key.keyArn !== aliased?.keyArn);
  return {
    role: role === undefined ? undefined : { arn: role.arn, boundaryArn: role.boundaryArn },
    alias: alias.kind,
    keys: [...(aliased === undefined ? [] : [aliased]), ...others].map((key) => ({
      keyArn: key.keyArn,
      state: key.state,
      rotationPeriodDays: key.rotation.enabled ? key.rotation.periodDays : undefined,
      aliased: key === aliased,
    })),
  };
}
