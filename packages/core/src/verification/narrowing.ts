/** Whether a key policy may be put without letting in anybody whom the present one keeps out. */
import type { DesiredTenantKey } from "../desired-state.ts";
import { outsideStatements, tenantStatements } from "../key-policy.ts";
import { type PolicyStatement, samePolicy } from "../policy-document.ts";

/**
 * Fails closed: what it doesn't know counts as not letting in. Only who may use the key is compared: to put back its
 * administrators and auditor lets nobody decrypt.
 * @param policy the present policy, parsed from JSON, of any shape
 */
export function admitsAlready(policy: unknown, desired: DesiredTenantKey): boolean {
  const { context, tenantId, profile, principalArn } = desired;
  const present = statementsOf(policy);
  const intended = [
    ...tenantStatements(context, tenantId, profile, principalArn),
    ...outsideStatements(context, tenantId, profile),
  ];
  const denials = desired.admittedPolicy.Statement.filter(({ Effect }) => Effect === "Deny");
  const isDenied = present.some((one) => one.Effect !== "Allow" && !denials.some((ours) => samePolicy(one, ours)));
  return !isDenied && intended.every((statement) => grants(present, statement));
}

/** Each principal may do each action already, under no condition or under the same. */
function grants(present: readonly Readonly<Record<string, unknown>>[], intended: PolicyStatement): boolean {
  const principals = asList((intended.Principal as { readonly AWS: unknown }).AWS);
  return asList(intended.Action).every((action) =>
    principals.every((principal) =>
      present.some(
        (statement) =>
          statement.Effect === "Allow" &&
          asList((statement.Principal as { readonly AWS?: unknown } | undefined)?.AWS).includes(principal) &&
          asList(statement.Action).includes(action) &&
          asList(statement.Resource).includes("*") &&
          (statement.Condition === undefined || samePolicy(statement.Condition, intended.Condition)),
      ),
    ),
  );
}

function statementsOf(policy: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (typeof policy !== "object" || policy === null || !("Statement" in policy)) return [];
  return asList(policy.Statement).filter((one) => typeof one === "object" && one !== null) as Record<string, unknown>[];
}

function asList(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
