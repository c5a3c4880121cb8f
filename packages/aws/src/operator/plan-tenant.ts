/** What the worker would do for a tenant key now: the same observe and plan, and nothing applied. */
import {
  type DesiredTenantKey,
  type KeyArn,
  type KeyName,
  type KeyRecord,
  type KeyState,
  type KeyTarget,
  keysSeen,
  needRole,
  type ObservedTenantKey,
  type Plan,
  permissionsOf,
  plan,
  planOwnKey,
  planOwnKeyRepair,
  planRepair,
  type RepairPermissions,
  type RoleArn,
  type RuleId,
  recordedKeys,
  type TenantId,
} from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import { declaredState } from "../declared-state.ts";
import { readGrantsIfAllowed } from "../grants.ts";
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

/**
 * @param rules of findings: what a repair by them would do, asked for by a person
 * @throws TenantKeysError `settings_invalid` where the stage lacks the record's profile, or what reading throws
 */
export async function planTenantKey(
  ports: PlanPorts,
  run: Run,
  tenantId: TenantId,
  keyName: KeyName,
  rules?: readonly RuleId[],
): Promise<TenantKeyPlan> {
  const { registry } = ports;
  const [record, tenant] = await Promise.all([registry.get(run, tenantId, keyName), registry.getTenant(run, tenantId)]);
  const nowMs = run.clock.nowMs();
  const { desired, target } = declaredState(ports, tenantId, keyName, { record, tenant }, nowMs);
  const observed = await observeTenantKey(ports.observing, run, desired, record ?? { attempts: [] });
  if (rules !== undefined && record !== undefined) {
    const repair = { record, target, permissions: permissionsOf(rules, "person"), nowMs };
    const planned = await planRepairOf(ports.observing, run, desired, observed, repair);
    return { tenantId, keyName, record, observed: summarize(observed), plan: planned };
  }
  const roleIsNeeded = target === "deleted" && needRole(await registry.keysOfTenant(run, tenantId), keyName, nowMs);
  const planned = planOf(desired, observed, record, roleIsNeeded, target, nowMs);
  return { tenantId, keyName, record, observed: summarize(observed), plan: planned };
}

/** As the worker would plan it. Replicas aren't looked at. */
async function planRepairOf(
  observing: Clients,
  run: Run,
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  repair: {
    readonly record: KeyRecord;
    readonly target: KeyTarget;
    readonly permissions: RepairPermissions;
    readonly nowMs: number;
  },
): Promise<Plan> {
  const { record, target, permissions, nowMs } = repair;
  const recorded = recordedKeys(record, undefined, nowMs);
  if (record.ownKeyArn !== undefined) {
    return planOwnKeyRepair(desired, observed, recorded, record.ownKeyArn, target, permissions);
  }
  const ours = [record.keyArn, ...(record.previousKeyArns ?? [])];
  const keyArns = keysSeen(observed).flatMap(({ keyArn }) => (ours.includes(keyArn) ? [keyArn] : []));
  const grantsTooMany = await readGrantsIfAllowed(observing, run, desired, keyArns, target);
  return planRepair(desired, { ...observed, grantsTooMany }, recorded, target, permissions);
}

/** As the worker would plan it; for a key that is gone there is nothing to plan. */
function planOf(
  desired: DesiredTenantKey,
  observed: ObservedTenantKey,
  record: KeyRecord | undefined,
  roleIsNeeded: boolean,
  target: KeyTarget,
  nowMs: number,
): Plan {
  if (record?.state === "destroyed") return { kind: "ready", keyArn: undefined, steps: [] };
  return record?.ownKeyArn === undefined
    ? plan(desired, observed, recordedKeys(record, roleIsNeeded, nowMs), target)
    : planOwnKey(desired, observed, record.ownKeyArn, target, roleIsNeeded);
}

function summarize(observed: ObservedTenantKey): ObservedSummary {
  const { role, alias } = observed;
  const aliasedArn = alias.kind === "present" ? alias.key.keyArn : undefined;
  return {
    role: role === undefined ? undefined : { arn: role.arn, boundaryArn: role.boundaryArn },
    alias: alias.kind,
    keys: keysSeen(observed).map(({ keyArn, state, rotation }) => ({
      keyArn,
      state,
      rotationPeriodDays: rotation.enabled ? rotation.periodDays : undefined,
      aliased: keyArn === aliasedArn,
    })),
  };
}
