/** Whether a key's policy lets in nobody but its tenant, and says what is declared. One policy has one finding, the worst. */
import { checkContainment } from "../../containment.ts";
import type { DesiredTenantKey } from "../../desired-state.ts";
import { samePolicy } from "../../policy-document.ts";
import { type Facts, listed, report } from "../facts.ts";
import type { Finding } from "../finding.ts";
import type { RuleId } from "../finding-rules.ts";
import type { InspectedKey } from "../inspection.ts";
import { type Judgement, judged, whenRead } from "../judgement.ts";
import { deadPrincipals, isDeadPrincipal, withoutPrincipals, withPrincipalRevived } from "./principals.ts";

export const KEY_POLICY_RULES = [
  "key-policy-not-contained",
  "key-policy-differs",
  "dead-principal",
] as const satisfies readonly RuleId[];

/** @param desired the key as it should be in the Region of this one: a replica's differs */
export function judgeKeyPolicy(facts: Facts, key: InspectedKey, desired = facts.desired): Judgement {
  if (facts.isOwnKey || key.kind === "absent") return judged();
  return whenRead(key.policy, key.keyArn, KEY_POLICY_RULES, (policy) =>
    judged([notContained(facts, key.keyArn, policy, desired) ?? deadOrDifferent(facts, key.keyArn, policy, desired)]),
  );
}

/** Of a key that is still being made only this can be said: whatever its policy will be, it lets in no stranger. */
export function judgeContainment(facts: Facts, key: InspectedKey): Judgement {
  if (facts.isOwnKey || key.kind === "absent") return judged();
  return whenRead(key.policy, key.keyArn, KEY_POLICY_RULES, (policy) =>
    judged([notContained(facts, key.keyArn, policy, facts.desired)]),
  );
}

/** A principal that nobody can be any more lets nobody in: it is judged by itself. */
function notContained(facts: Facts, keyArn: string, policy: unknown, desired: DesiredTenantKey): Finding | undefined {
  const containment = checkContainment(withoutPrincipals(policy, isDeadPrincipal), desired);
  if (containment.kind === "contained") return undefined;
  const reasons = containment.violations.map(({ statement, reason }) => `${statement} ${reason}`);
  const expected = `nobody but ${desired.principalArn} and whom its profile names may use it or change its policy`;
  return report(facts, "key-policy-not-contained", keyArn, { expected, seen: listed(reasons) });
}

function deadOrDifferent(
  facts: Facts,
  keyArn: string,
  policy: unknown,
  desired: DesiredTenantKey,
): Finding | undefined {
  const wanted = facts.isLeaving ? desired.departingPolicy : desired.admittedPolicy;
  const dead = deadPrincipals(policy);
  if (dead.length > 0) {
    // That the tenant's role is gone is a finding already.
    const ofMissingRole =
      isRoleMissing(facts) && samePolicy(withPrincipalRevived(policy, desired.principalArn), wanted);
    if (ofMissingRole) return undefined;
    const expected = "names only roles that are there";
    return report(facts, "dead-principal", keyArn, { expected, seen: `names ${listed(dead)}` });
  }
  if (samePolicy(policy, wanted)) return undefined;
  const form = facts.isLeaving ? "the policy of a key whose tenant leaves" : "the policy that lets its tenant in";
  return report(facts, "key-policy-differs", keyArn, { expected: form, seen: differenceOf(policy, desired) });
}

function isRoleMissing({ desired, inspected: { role }, isLeaving }: Facts): boolean {
  return desired.role.kind === "own" && !isLeaving && role.kind === "read" && role.value === undefined;
}

function differenceOf(policy: unknown, desired: DesiredTenantKey): string {
  if (samePolicy(policy, desired.admittedPolicy)) return "the policy that lets its tenant in";
  if (samePolicy(policy, desired.departingPolicy)) return "the policy of a key whose tenant leaves";
  if (samePolicy(policy, desired.creationPolicy)) return "the policy of a new key, without its tenant";
  return "another policy, which lets in no stranger";
}
