/** Where a tenant's key lives and which principals its documents name: everything about a stage that a policy says. */
import type { AccountId, PolicyArn, Region, RoleArn, Stage } from "./ids.ts";
import { stageArns } from "./names.ts";
import type { StageSettings } from "./stage-settings.ts";

export interface StageContext {
  readonly stage: Stage;
  readonly accountId: AccountId;
  readonly region: Region;
  readonly provisionerRoleArn: RoleArn;
  readonly auditorRoleArn: RoleArn;
  readonly tenantBoundaryArn: PolicyArn;
  readonly applicationRoleArns: readonly RoleArn[];
  readonly administratorRoleArns: readonly RoleArn[];
}

export function stageContext(settings: StageSettings, accountId: AccountId, region: Region): StageContext {
  const arns = stageArns(accountId, region, settings.stage);
  return {
    stage: settings.stage,
    accountId,
    region,
    provisionerRoleArn: arns.provisionerRole,
    auditorRoleArn: arns.auditorRole,
    tenantBoundaryArn: arns.tenantBoundary,
    applicationRoleArns: settings.applicationRoleArns,
    administratorRoleArns: settings.administratorRoleArns,
  };
}
