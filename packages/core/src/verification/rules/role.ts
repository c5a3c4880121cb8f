/** Whether the tenant's role is there and as it was made. All of a tenant's keys share it, so one of them speaks for it. */
import { KEY_NAME_PATTERN } from "../../ids.ts";
import type { LifecycleState } from "../../lifecycle.ts";
import { rolePolicyName } from "../../names.ts";
import { samePolicy } from "../../policy-document.ts";
import { type Facts, listed, report } from "../facts.ts";
import type { Finding } from "../finding.ts";
import type { RuleId } from "../finding-rules.ts";
import type { InspectedRole } from "../inspection.ts";
import { type Judgement, judged, together, whenRead } from "../judgement.ts";
import {
  awsPrincipals,
  deadPrincipals,
  isDeadPrincipal,
  isRecord,
  statementsOf,
  withoutPrincipals,
} from "./principals.ts";
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
    return together([judged([policyDiffers(facts, role)]), speaksForRole(facts) ? judgeShared(facts, role) : judged()]);
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

function judgeShared(facts: Facts, role: InspectedRole): Judgement {
  const { arn, tags, boundaryArn } = facts.desired.role;
  return judged([
    trustFinding(facts, role),
    foreignPolicies(facts, role),
    role.boundaryArn === boundaryArn
      ? undefined
      : report(facts, "role-boundary-differs", arn, { expected: boundaryArn, seen: role.boundaryArn ?? "no boundary" }),
    stageMismatch(facts, arn, role.tags),
    tagsDiffer(facts, "role-tags-differ", arn, role.tags, tags),
  ]);
}

function trustFinding(facts: Facts, { trustPolicy }: InspectedRole): Finding | undefined {
  const { arn, trustPolicy: wanted } = facts.desired.role;
  if (samePolicy(trustPolicy, wanted)) return undefined;
  const dead = deadPrincipals(trustPolicy);
  const living = withoutPrincipals(trustPolicy, isDeadPrincipal);
  const named = awsPrincipals(living);
  const wantedOfThem = withoutPrincipals(wanted, (principal) => !named.includes(principal));
  if (dead.length > 0 && samePolicy(living, wantedOfThem)) {
    const expected = "trusts only application roles that are there";
    return report(facts, "dead-principal", arn, { expected, seen: `its trust policy names ${listed(dead)}` });
  }
  const expected = "assumed by the stage's application roles, in sessions tagged with its tenant";
  const seen = `a trust policy that names ${listed(awsPrincipals(trustPolicy)) || "no AWS principal"}, in another form`;
  return report(facts, "role-trust-policy-differs", arn, { expected, seen });
}

/**
 * What a role may do with its tenant's data is its owner's to attach (docs/deploy.md), by single actions of the services
 * that the boundary lets through. Anything else is nothing that a tenant's role needs; and an AWS managed policy is never
 * about one tenant's resources.
 */
function foreignPolicies(facts: Facts, role: InspectedRole): Finding | undefined {
  const names = [...new Set([...Object.keys(role.inlinePolicies), ...role.policyNames])];
  const foreign = names.filter((name) => {
    if (name.startsWith(OUR_POLICY_PREFIX)) return !isPolicyOfKey(facts, name);
    return !allowsDataOnly(role.inlinePolicies[name]);
  });
  const all = [...foreign, ...role.attachedPolicyArns.filter((arn) => arn.startsWith("arn:aws:iam::aws:policy/"))];
  if (all.length === 0) return undefined;
  const expected = "one policy per key of its tenant, and such as allow single actions on data";
  return report(facts, "role-policy-foreign", facts.desired.role.arn, { expected, seen: listed(all) });
}

const OUR_POLICY_PREFIX = "key-";

/** Policies of the tenant's other keys are ours as well, as far as those are known. */
function isPolicyOfKey({ desired, tenantKeys }: Facts, policyName: string): boolean {
  if (policyName === desired.role.policyName) return true;
  if (tenantKeys === undefined) return KEY_NAME_PATTERN.test(policyName.slice(OUR_POLICY_PREFIX.length));
  return tenantKeys.some(({ keyName }) => rolePolicyName(keyName) === policyName);
}

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
