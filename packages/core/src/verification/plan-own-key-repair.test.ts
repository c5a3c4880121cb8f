import { describe, expect, test } from "vitest";
import { desiredTenantKey } from "../desired-state.ts";
import { parseKeyArn } from "../ids.ts";
import { NOTHING_OBSERVED, type ObservedRole, type ObservedTenantKey } from "../observed-state.ts";
import type { KeyTarget } from "../plan.ts";
import { ACME, DEFAULT_KEY, exampleContext, exampleProfile } from "../test-support.ts";
import type { RuleId } from "./finding-rules.ts";
import { planOwnKeyRepair } from "./plan-repair.ts";
import { permissionsOf, REPAIRABLE_RULES } from "./repair.ts";

const DESIRED = desiredTenantKey(exampleContext(), ACME, DEFAULT_KEY, exampleProfile());
const OWN_KEY = parseKeyArn("arn:aws:kms:eu-west-1:444455556666:key/own");
const ROLE: ObservedRole = { ...DESIRED.role, policyNames: [DESIRED.role.policyName] };
const IN_USE: ObservedTenantKey = { ...NOTHING_OBSERVED, role: ROLE, rolePolicy: DESIRED.rolePolicy(OWN_KEY) };
const RUINED: ObservedTenantKey = {
  ...IN_USE,
  role: { ...ROLE, tags: {}, boundaryArn: undefined, trustPolicy: {} },
  rolePolicy: undefined,
};

function repair(observed: ObservedTenantKey, rules: readonly RuleId[], target: KeyTarget = "usable") {
  const recorded = { attempts: [], keyArn: OWN_KEY, roleArn: DESIRED.role.arn };
  const planned = planOwnKeyRepair(DESIRED, observed, recorded, OWN_KEY, target, permissionsOf(rules, "person"));
  if (planned.kind === "refused") throw planned.error;
  return { ...planned, kinds: planned.steps.map((step) => step.map(({ kind }) => kind)) };
}

describe("the repair of a key of the tenant's own account", () => {
  test("touches the role alone, with every rule permitted", () => {
    const { kinds, withheld, refusal } = repair(RUINED, REPAIRABLE_RULES);
    expect(kinds).toEqual([["tag-role", "put-role-boundary"], ["update-trust-policy"], ["put-role-policy"]]);
    expect([withheld, refusal]).toEqual([[], undefined]);
    expect(repair({ ...IN_USE, role: undefined, rolePolicy: undefined }, REPAIRABLE_RULES).kinds).toEqual([
      ["create-role"],
      ["put-role-policy"],
    ]);
  });

  test("gives a role without the tenant's tags no rights, and says why", () => {
    const { kinds, refusal } = repair(RUINED, ["role-policy-differs", "role-boundary-differs"]);
    expect(kinds).toEqual([["put-role-boundary"]]);
    expect(refusal).toMatchObject({ code: "role_taken" });
  });

  test("takes the role's policy away while its tenant is suspended", () => {
    expect(repair(IN_USE, ["role-policy-differs"], "disabled").kinds).toEqual([["delete-role-policy"]]);
    expect(repair(IN_USE, ["role-boundary-differs"], "disabled").kinds).toEqual([]);
  });
});
