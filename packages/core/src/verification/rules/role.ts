/** Whether the tenant's role is there and as it was made. All of a tenant's keys share it, so one of them speaks for it. */
import { KEY_NAME_PATTERN } from "../../ids.ts";
import type { LifecycleState } from "../../lifecycle.ts";
import { rolePolicyName } from "../../names.ts";
import { samePolicy } from "../../policy-document.ts";
import { type Facts, report } from "../facts.ts";
import type { Finding } from "../finding.ts";
import type { RuleId } from "../finding-rules.ts";
import type { InspectedRole } from "../inspection.ts";
import { type Judgement, judged, together, whenRead } from "../judgement.ts";
import { OUR_POLICY_PREFIX, roleShapeFindings } from "./role-shape.ts";
import { stageMismatch, tagsDiffer } from "./tags.ts";

export const ROLE_RULES = [
  "role-missing",
  "role-trust-policy-differs",
  "role-policy-differs",
  "role-policy-foreign",
  "role-boundary-differs",
  "role-tags-differ",
] as const satisfies readonly RuleId[];

export function judgeRole(facts: Facts): Judgement {
  const { desired, inspected, isLeaving } = facts;
  // A stage with one shared role makes none per tenant, so it isn't looked for either, unless an earlier mode left one.
  if (desired.role.kind === "shared" && inspected.role.kind !== "read") return judged();
  return whenRead(inspected.role, desired.ownRole.arn, [...ROLE_RULES, "stage-mismatch", "dead-principal"], (role) => {
    if (desired.role.kind === "shared" || isLeaving) return judged([leftOver(facts, role)]);
    if (role === undefined || role.path !== desired.role.path) return judged([missing(facts, role)]);
    return together([
      judged([policyDiffers(facts, role)]),
      speaksForRole(facts) ? judgeRoleItself(facts, role) : judged(),
    ]);
  });
}

const IN_PLACE: readonly LifecycleState[] = ["active", "suspended", "awaiting-material"];

/** Of the tenant's keys that are in place, the first by name. Where no others are known, this one. */
function speaksForRole({ tenantKeys = [], desired }: Facts): boolean {
  const names = tenantKeys.filter(({ state }) => IN_PLACE.includes(state)).map(({ keyName }) => keyName);
  return names.length === 0 || [...names].sort()[0] === desired.keyName;
}

/** Role names are unique in an account whatever their path: one of this name elsewhere stands where the tenant's should. */
function missing(facts: Facts, role: InspectedRole | undefined): Finding | undefined {
  if (!speaksForRole(facts)) return undefined;
  const seen = role === undefined ? "IAM says that there is no such role" : `a role of that name, ${role.arn}`;
  return report(facts, "role-missing", facts.desired.role.arn, { expected: "there", seen });
}

/** What of the role lets a tenant use a key that it may use no more, or that it uses by a shared role. */
function leftOver(facts: Facts, role: InspectedRole | undefined): Finding | undefined {
  const { ownRole } = facts.desired;
  if (role === undefined || role.path !== ownRole.path || role.inlinePolicies[ownRole.policyName] === undefined) {
    return undefined;
  }
  const reason = facts.isLeaving ? "its tenant leaves" : "tenants share one role";
  const expected = `no policy ${ownRole.policyName}, as ${reason}`;
  return report(facts, "role-policy-differs", ownRole.arn, { expected, seen: `has policy ${ownRole.policyName}` });
}

/** A key of the tenant's own account can't be disabled here: suspended, it is taken out of the role's policy. */
function policyDiffers(facts: Facts, role: InspectedRole): Finding | undefined {
  const { desired, record, target } = facts;
  const { policyName, arn } = desired.role;
  if (record.keyArn === undefined) return undefined;
  const policy = role.inlinePolicies[policyName];
  if (facts.isOwnKey && target === "disabled") {
    if (policy === undefined) return undefined;
    const expected = `no policy ${policyName}, as its tenant is suspended`;
    return report(facts, "role-policy-differs", arn, { expected, seen: `has policy ${policyName}` });
  }
  if (samePolicy(policy, desired.rolePolicy(record.keyArn, ...(record.previousKeyArns ?? [])))) return undefined;
  const expected = `policy ${policyName} that lets it use ${record.keyArn}, its replicas and predecessors`;
  const seen = policy === undefined ? `no policy ${policyName}` : `another policy ${policyName}`;
  return report(facts, "role-policy-differs", arn, { expected, seen });
}

function judgeRoleItself(facts: Facts, role: InspectedRole): Judgement {
  const { arn, tags } = facts.desired.role;
  const shape = roleShapeFindings(role, {
    desired: facts.desired.role,
    isOurs: (policyName) => isPolicyOfKey(facts, policyName),
    say: (ruleId, texts) => report(facts, ruleId, arn, texts),
  });
  const tagged = tagsDiffer(facts, "role-tags-differ", arn, role.tags, tags);
  return judged([...shape, stageMismatch(facts, arn, role.tags), tagged]);
}

/** Policies of the tenant's other keys are ours as well, as far as those are known. */
function isPolicyOfKey({ desired, tenantKeys }: Facts, policyName: string): boolean {
  if (policyName === desired.role.policyName) return true;
  if (tenantKeys === undefined) return KEY_NAME_PATTERN.test(policyName.slice(OUR_POLICY_PREFIX.length));
  return tenantKeys.some(({ keyName }) => rolePolicyName(keyName) === policyName);
}
