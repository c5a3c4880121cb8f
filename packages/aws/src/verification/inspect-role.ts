/** Reads a tenant's role for verification: directly, or out of the account's bulk list. */
import type { RoleDetail } from "@aws-sdk/client-iam";
import { type InspectedRole, parseRoleArn, type Reading, TenantKeysError } from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import { parseUrlEncoded, readAttachedPolicyArns, readRole, readRolePolicy } from "../roles.ts";
import { type Reader, reading } from "./reading.ts";

/** A role's inline policies have 10,240 characters together, and none has fewer than 50. */
const INLINE_POLICIES_MAX = 200;

/**
 * Undefined: there is no such role. Where one of the reads is refused or fails, the role as a whole is.
 * @throws TenantKeysError only what ends the whole check (`reading`)
 */
export function inspectRole(
  clients: Clients,
  reader: Reader,
  roleName: string,
): Promise<Reading<InspectedRole | undefined>> {
  const { run, quota } = reader;
  return reading(reader, "iam:GetRole", async () => {
    await quota.takeTurn(run, "iam:ListRolePolicies");
    const role = await readRole(clients, run, roleName);
    if (role === undefined) return undefined;
    await quota.takeTurn(run, "iam:ListAttachedRolePolicies");
    const attachedPolicyArns = await readAttachedPolicyArns(clients, run, roleName);
    if (role.policyNames.length > INLINE_POLICIES_MAX) {
      const message = `${roleName} has ${role.policyNames.length} inline policies, more than the ${INLINE_POLICIES_MAX} that are read`;
      throw new TenantKeysError("aws_unexpected", message);
    }
    const inlinePolicies: Record<string, unknown> = {};
    for (const name of role.policyNames) {
      await quota.takeTurn(run, "iam:GetRolePolicy");
      inlinePolicies[name] = await readRolePolicy(clients, run, roleName, name);
    }
    return { ...role, inlinePolicies, attachedPolicyArns };
  });
}

/** A role as GetAccountAuthorizationDetails lists it, which is all that a role is. */
export function inspectedRoleOf(detail: RoleDetail): InspectedRole {
  const inline = (detail.RolePolicyList ?? []).map(({ PolicyName, PolicyDocument }) => [
    PolicyName ?? "",
    parseUrlEncoded(PolicyDocument),
  ]);
  return {
    arn: parseRoleArn(detail.Arn ?? ""),
    path: detail.Path ?? "",
    tags: Object.fromEntries((detail.Tags ?? []).map(({ Key, Value }) => [Key ?? "", Value ?? ""])),
    trustPolicy: parseUrlEncoded(detail.AssumeRolePolicyDocument),
    boundaryArn: detail.PermissionsBoundary?.PermissionsBoundaryArn,
    policyNames: inline.map(([name]) => String(name)),
    inlinePolicies: Object.fromEntries(inline),
    attachedPolicyArns: (detail.AttachedManagedPolicies ?? []).map(({ PolicyArn }) => PolicyArn ?? ""),
  };
}
