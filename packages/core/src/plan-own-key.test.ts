import { describe, expect, test } from "vitest";
import { desiredTenantKey } from "./desired-state.ts";
import { parseKeyArn } from "./ids.ts";
import { completeKeyProfile } from "./key-profile.ts";
import { NOTHING_OBSERVED, type ObservedRole, type ObservedTenantKey } from "./observed-state.ts";
import type { KeyTarget } from "./plan.ts";
import { planOwnKey } from "./plan-own-key.ts";
import { ACME, DEFAULT_KEY, exampleContext } from "./test-support.ts";

const DESIRED = desiredTenantKey(exampleContext(), ACME, DEFAULT_KEY, completeKeyProfile());
const OWN_KEY = parseKeyArn("arn:aws:kms:eu-west-1:444455556666:key/own");
const { role: WANTED } = DESIRED;
const ROLE: ObservedRole = { ...WANTED, policyNames: [WANTED.policyName] };
const IN_USE: ObservedTenantKey = { ...NOTHING_OBSERVED, role: ROLE, rolePolicy: DESIRED.rolePolicy(OWN_KEY) };
const SHUT_OUT: ObservedTenantKey = { ...IN_USE, role: { ...ROLE, policyNames: [] }, rolePolicy: undefined };
const FOREIGN: ObservedTenantKey = { ...IN_USE, role: { ...ROLE, tags: {} } };

const kinds = (observed: ObservedTenantKey, target: KeyTarget) => {
  const planned = planOwnKey(DESIRED, observed, OWN_KEY, target);
  if (planned.kind === "refused") return planned.error.code;
  return planned.steps.map((step) => step.map(({ kind }) => kind));
};

describe("a key of the tenant's own account", () => {
  test.each<[string, ObservedTenantKey, KeyTarget, ReturnType<typeof kinds>]>([
    ["new: the role is made and let use it", NOTHING_OBSERVED, "usable", [["create-role"], ["put-role-policy"]]],
    ["in use: nothing", IN_USE, "usable", []],
    [
      "of which the role's policy names another key: put again",
      { ...IN_USE, rolePolicy: {} },
      "usable",
      [["put-role-policy"]],
    ],
    ["of a suspended tenant: out of the role's policy", IN_USE, "disabled", [["delete-role-policy"]]],
    ["of a suspended tenant, again: nothing", SHUT_OUT, "disabled", []],
    ["of a resumed tenant: in the role's policy", SHUT_OUT, "usable", [["put-role-policy"]]],
    ["of a tenant on its way out: out of the role's policy", IN_USE, "withdrawn", [["delete-role-policy"]]],
    ["of a tenant that is gone: the role goes", IN_USE, "deleted", [["delete-role-policy"], ["delete-role"]]],
    ["of a tenant that is gone, again: nothing", NOTHING_OBSERVED, "deleted", []],
    ["for somebody else's role: refused", FOREIGN, "usable", "role_taken"],
    ["for somebody else's role, on the way out: left alone", FOREIGN, "deleted", []],
  ])("%s", (_, observed, target, expected) => {
    expect(kinds(observed, target)).toEqual(expected);
  });

  test("no plan whatever does anything to the key itself", () => {
    const touched = /key|alias|rotation|tenant|deletion|import/;
    for (const observed of [NOTHING_OBSERVED, IN_USE, SHUT_OUT]) {
      for (const target of ["usable", "disabled", "withdrawn", "deleted"] as const) {
        expect(kinds(observed, target)).not.toEqual(expect.stringMatching(touched));
        for (const kind of [kinds(observed, target)].flat(2)) expect(kind).not.toMatch(touched);
      }
    }
  });
});
