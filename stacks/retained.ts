/**
 * What outlives its stage: the registry says whose key is whose; key policies name the provisioner's and the auditor's
 * role by their unique ids, so roles made anew under the same names would be locked out of every key; tenants' roles
 * hold the boundary. Such a resource is kept when the stage is removed, and taken up again when it is deployed anew.
 */
import type { CustomResourceOptions } from "@pulumi/pulumi";
import { SYSTEM_PATH } from "@tenantkeys/core";
import { names } from "./stage.ts";

const keptRoles = await aws.iam.getRoles({ pathPrefix: SYSTEM_PATH, nameRegex: `^${names.provisionerRole}$` });
const wasDeployedBefore = keptRoles.names.length > 0;

/** @param importId what AWS knows the resource by; Pulumi ignores it where it manages that very resource already */
export function retained(importId: string): CustomResourceOptions {
  return { retainOnDelete: true, ...(wasDeployedBefore ? { import: importId } : {}) };
}
