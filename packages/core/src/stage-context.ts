/** Where a tenant's key lives and which principals its documents name: everything about a stage that a policy says. */
import { TenantKeysError } from "./errors.ts";
import type { AccountId, PolicyArn, Region, RoleArn, Stage, TenantId } from "./ids.ts";
import { SYSTEM_PATH, stageArns, tenantRoleArn } from "./names.ts";
import type { RoleMode, StageSettings } from "./stage-settings.ts";

export interface StageContext {
  readonly stage: Stage;
  readonly accountId: AccountId;
  readonly region: Region;
  readonly roleMode: RoleMode;
  readonly provisionerRoleArn: RoleArn;
  readonly auditorRoleArn: RoleArn;
  /** The role of every tenant's sessions; it is there in role mode `session-tag` only. */
  readonly sharedTenantRoleArn: RoleArn;
  /** Whether the canary runs, and the role that its two tenants let in. */
  readonly canary: boolean;
  readonly canaryRoleArn: RoleArn;
  readonly tenantBoundaryArn: PolicyArn;
  readonly applicationRoleArns: readonly RoleArn[];
  readonly administratorRoleArns: readonly RoleArn[];
}

type Settings = Pick<
  StageSettings,
  "stage" | "roleMode" | "canary" | "applicationRoleArns" | "administratorRoleArns" | "profiles"
>;

/**
 * @throws TenantKeysError `settings_invalid` where a profile takes the stage's own account or Region for another one, or
 *   has jobs of another account, or of tenantkeys itself
 */
export function stageContext(settings: Settings, accountId: AccountId, region: Region): StageContext {
  refuseOwn(settings, accountId, region);
  refuseForeignJobs(settings, accountId);
  const arns = stageArns(accountId, region, settings.stage);
  return {
    stage: settings.stage,
    accountId,
    region,
    roleMode: settings.roleMode,
    provisionerRoleArn: arns.provisionerRole,
    auditorRoleArn: arns.auditorRole,
    sharedTenantRoleArn: arns.sharedTenantRole,
    canary: settings.canary,
    canaryRoleArn: arns.canaryRole,
    tenantBoundaryArn: arns.tenantBoundary,
    applicationRoleArns: settings.applicationRoleArns,
    administratorRoleArns: settings.administratorRoleArns,
  };
}

/** The stage's own account as an outside one would let every IAM policy of the account decide about the key. */
function refuseOwn({ profiles }: Settings, accountId: AccountId, region: Region): void {
  for (const [name, profile] of Object.entries(profiles)) {
    const refuse = (field: string, expected: string) => {
      throw new TenantKeysError("settings_invalid", `stage settings: profiles.${name}.${field}: expected ${expected}`);
    };
    if (profile.outsideAccounts.includes(accountId)) {
      refuse("outsideAccounts", `other accounts than the stage's own, ${accountId}`);
    }
    if (profile.replicaRegions.includes(region)) {
      refuse("replicaRegions", `other Regions than the stage's own, ${region}`);
    }
  }
}

/**
 * A grant to a role of another account would need a policy there, which nobody here looks at; one to a role of tenantkeys
 * would let the provisioner use keys, or one tenant another's.
 */
function refuseForeignJobs({ profiles }: Settings, accountId: AccountId): void {
  for (const [name, { jobRoleArns }] of Object.entries(profiles)) {
    for (const roleArn of jobRoleArns) {
      const [, , , , account, resource = ""] = roleArn.split(":");
      if (account === accountId && !resource.startsWith(`role${SYSTEM_PATH}`)) continue;
      const expected = `roles of the stage's own account, ${accountId}, and none under ${SYSTEM_PATH}`;
      throw new TenantKeysError(
        "settings_invalid",
        `stage settings: profiles.${name}.jobRoleArns: expected ${expected}`,
      );
    }
  }
}

/** The role of the tenant's sessions: its own, or the one that all tenants share. */
export function tenantPrincipalArn(context: StageContext, tenantId: TenantId): RoleArn {
  if (context.roleMode === "session-tag") return context.sharedTenantRoleArn;
  return tenantRoleArn(context.accountId, context.stage, tenantId);
}
