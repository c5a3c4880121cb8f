/**
 * The role of every tenant's sessions, where tenants share one. It has no policy of its own for keys: each key's policy
 * names it, for sessions that carry that tenant's tag.
 */
import { SYSTEM_PATH, sharedTrustPolicy } from "@tenantkeys/core";
import { canary } from "./canary.ts";
import { tenantBoundary } from "./permissions.ts";
import { retained } from "./retained.ts";
import { context, names, settings } from "./stage.ts";

export const sharedTenantRole =
  settings.roleMode === "session-tag"
    ? new aws.iam.Role(
        "SharedTenantRole",
        {
          name: names.sharedTenantRole,
          path: SYSTEM_PATH,
          description: "tenantkeys: sessions of it are tagged with one tenant and may use that tenant's keys",
          assumeRolePolicy: JSON.stringify(sharedTrustPolicy(context)),
          permissionsBoundary: tenantBoundary.arn,
        },
        // It trusts the canary's role: IAM takes no trust policy that names a role which isn't there.
        { ...retained.sharedTenantRole, dependsOn: canary === undefined ? [] : [canary] },
      )
    : undefined;
