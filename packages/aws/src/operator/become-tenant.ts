/** The way of a tenant's application to a session of the tenant's role: its own role first, then the tenant's, tagged. */
import type { RoleArn, TenantId } from "@tenantkeys/core";
import { assumeRole } from "../assume-role.ts";
import type { ClientOptions, SessionCredentials } from "../clients.ts";
import type { Run } from "../run.ts";

/** Whose role it is. */
export interface TenantRole {
  readonly tenantId: TenantId;
  readonly roleArn: RoleArn;
}

/** @throws TenantKeysError `access_denied` where the caller may not become the application, or that the tenant */
export async function becomeTenant(
  options: ClientOptions,
  run: Pick<Run, "signal">,
  { tenantId, roleArn }: TenantRole,
  applicationRoleArn: RoleArn,
): Promise<SessionCredentials> {
  const application = await assumeRole(options, run, applicationRoleArn, "tenantkeys-cli");
  return assumeRole({ ...options, credentials: application }, run, roleArn, "tenantkeys-cli", tenantId);
}
