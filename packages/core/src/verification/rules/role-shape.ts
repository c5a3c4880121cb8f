/** What is judged of any role whose sessions use tenants' keys: who assumes it, what caps it, what else it may do. */
import type { DesiredRole } from "../../desired-state.ts";
import { samePolicy } from "../../policy-document.ts";
import { listed } from "../facts.ts";
import type { Finding } from "../finding.ts";
import type { RuleId } from "../finding-rules.ts";
import type { InspectedRole } from "../inspection.ts";
import { awsPrincipals, deadPrincipals, isRecord, statementsOf, trustsNobodyElse } from "./principals.ts";

export interface RoleShape {
  readonly desired: Pick<DesiredRole, "arn" | "trustPolicy" | "boundaryArn">;
  /** Whether an inline policy whose name begins as ours do is one. */
  isOurs(policyName: string): boolean;
  say(ruleId: RuleId, texts: Pick<Finding, "expected" | "seen">): Finding;
}

export function roleShapeFindings(role: InspectedRole, shape: RoleShape): readonly (Finding | undefined)[] {
  const { desired, say } = shape;
  const sameBoundary = role.boundaryArn === desired.boundaryArn;
  const boundary = { expected: desired.boundaryArn, seen: role.boundaryArn ?? "no boundary" };
  return [
    trustFinding(role, shape),
    foreignPolicies(role, shape),
    sameBoundary ? undefined : say("role-boundary-differs", boundary),
  ];
}

function trustFinding({ trustPolicy }: InspectedRole, { desired, say }: RoleShape): Finding | undefined {
  const wanted = desired.trustPolicy;
  if (samePolicy(trustPolicy, wanted)) return undefined;
  const dead = deadPrincipals(trustPolicy);
  if (dead.length > 0 && trustsNobodyElse(trustPolicy, wanted)) {
    const expected = "trusts only application roles that are there";
    return say("dead-principal", { expected, seen: `its trust policy names ${listed(dead)}` });
  }
  const expected = "assumed by the stage's application roles, in sessions tagged with its tenant";
  const seen = `a trust policy that names ${listed(awsPrincipals(trustPolicy)) || "no AWS principal"}, in another form`;
  return say("role-trust-policy-differs", { expected, seen });
}

/**
 * What a role may do with its tenant's data is its owner's to attach (docs/deploy.md), by single actions of the services
 * that the boundary lets through. Anything else is nothing that a tenant's role needs; and an AWS managed policy is never
 * about one tenant's resources.
 */
function foreignPolicies(role: InspectedRole, { isOurs, say }: RoleShape): Finding | undefined {
  const names = [...new Set([...Object.keys(role.inlinePolicies), ...role.policyNames])];
  const foreign = names.filter((name) => {
    if (name.startsWith(OUR_POLICY_PREFIX)) return !isOurs(name);
    return !allowsDataOnly(role.inlinePolicies[name]);
  });
  const all = [...foreign, ...role.attachedPolicyArns.filter((arn) => arn.startsWith("arn:aws:iam::aws:policy/"))];
  if (all.length === 0) return undefined;
  const expected = "one policy per key of its tenant, and such as allow single actions on data";
  return say("role-policy-foreign", { expected, seen: listed(all) });
}

export const OUR_POLICY_PREFIX = "key-";

/** The actions that the stage setting `tenantDataActions` takes. */
const DATA_ACTION_PATTERN = /^(s3|dynamodb|secretsmanager|sqs|sns):[A-Za-z]+$/;

/** A policy whose document is unknown, or of a form that isn't, allows anything. */
function allowsDataOnly(policy: unknown): boolean {
  const statements = statementsOf(policy);
  return (
    statements.length > 0 &&
    statements.every((statement) => {
      if (!isRecord(statement)) return false;
      if (statement.Effect === "Deny") return true;
      const { Action: action } = statement;
      const actions: readonly unknown[] = Array.isArray(action) ? action : [action];
      return actions.every((one) => typeof one === "string" && DATA_ACTION_PATTERN.test(one));
    })
  );
}
