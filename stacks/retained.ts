/**
 * What outlives its stage: the registry says whose key is whose; key policies name the provisioner's, the auditor's and
 * the shared tenant role by their unique ids, so roles made anew under the same names would be locked out of every key;
 * trust policies name the canary's role likewise; tenants' roles hold the boundary. Such a resource is kept when the stage is removed, and taken up again when it is deployed anew.
 */
import type { CustomResourceOptions } from "@pulumi/pulumi";
import { SYSTEM_PATH } from "@tenantkeys/core";
import { arns, names } from "./stage.ts";

const keptRoles = await aws.iam.getRoles({
  pathPrefix: SYSTEM_PATH,
  nameRegex: `^(${names.provisionerRole}|${names.auditorRole}|${names.sharedTenantRole}|${names.canaryRole})$`,
});
const keptTables = await aws.dynamodb.getTables({});

/** @param importId what AWS knows the resource by; Pulumi ignores it where it manages that very resource already */
function keep(isThere: boolean, importId: string): CustomResourceOptions {
  return { retainOnDelete: true, ...(isThere ? { import: importId } : {}) };
}

const hasProvisioner = keptRoles.names.includes(names.provisionerRole);

export const retained = {
  // Without it nothing can be read any more that was encrypted with a branch key.
  branchKeyTable: keep(keptTables.names.includes(names.branchKeyTable), names.branchKeyTable),
  registryTable: keep(keptTables.names.includes(names.registryTable), names.registryTable),
  provisionerRole: keep(hasProvisioner, names.provisionerRole),
  sharedTenantRole: keep(keptRoles.names.includes(names.sharedTenantRole), names.sharedTenantRole),
  canaryRole: keep(keptRoles.names.includes(names.canaryRole), names.canaryRole),
  auditorRole: keep(keptRoles.names.includes(names.auditorRole), names.auditorRole),
  // Policies can't be listed here; the provisioner's role is only ever made after the boundary.
  tenantBoundary: keep(hasProvisioner, arns.tenantBoundary),
};
