/** Invariants of a repair's plan, over drifts of a tenant's own resources and over what rules a repair may name. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { desiredTenantKey } from "../desired-state.ts";
import { type KeyArn, parseAttemptId, parseKeyArn } from "../ids.ts";
import { completeKeyProfile } from "../key-profile.ts";
import type { ObservedKey, ObservedRole, ObservedTenantKey } from "../observed-state.ts";
import type { Action, KeyTarget, RecordedKeys } from "../plan.ts";
import { samePolicy } from "../policy-document.ts";
import { ACME, DEFAULT_KEY, exampleContext } from "../test-support.ts";
import { FINDING_RULES, type RuleId } from "./finding-rules.ts";
import { admitsAlready } from "./narrowing.ts";
import { planRepair } from "./plan-repair.ts";
import { permissionsOf, REPAIR_ACTIONS, REPAIRABLE_RULES } from "./repair.ts";

const DESIRED = desiredTenantKey(exampleContext(), ACME, DEFAULT_KEY, completeKeyProfile());
const KEY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/1");
const OTHER_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/2");
const ATTEMPT_ID = parseAttemptId("attempt-1");
const STRANGER = {
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: "*", Action: "kms:*", Resource: "*" }],
};
const AND_STRANGER = {
  ...DESIRED.admittedPolicy,
  Statement: [...DESIRED.admittedPolicy.Statement, ...STRANGER.Statement],
};
const ROUNDS_MAX = 3;

/** What AWS has. `alias`: the key that it leads to; one that hides is told from none only by trying to make it. */
interface World {
  readonly role: ObservedRole | undefined;
  readonly rolePolicy: unknown;
  readonly alias: KeyArn | "hidden" | undefined;
  readonly key: ObservedKey;
  readonly other: ObservedKey;
  readonly grants: readonly { readonly grantId: string; readonly kind: "foreign" | "stale" }[];
}

const RECORDED: RecordedKeys = {
  keyArn: KEY_ARN,
  roleArn: DESIRED.role.arn,
  state: "active",
  attempts: [{ attemptId: ATTEMPT_ID, outcome: "created", keyArn: KEY_ARN }],
};

const mostly = <Value>(usual: Value, ...others: Value[]): fc.Arbitrary<Value> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });

const states = mostly<ObservedKey["state"]>("Enabled", "Disabled", "PendingDeletion");
const OTHER: ObservedKey = {
  keyArn: OTHER_ARN,
  state: "Enabled",
  tags: {},
  policy: STRANGER,
  origin: "AWS_KMS",
  rotation: { enabled: false, periodDays: undefined },
};

/** Drifts of what is the tenant's own. Its key's tags are an administrator's to put back, so they are in order here. */
const worlds: fc.Arbitrary<World> = fc.record({
  role: fc.option(
    fc.record({
      arn: fc.constant(DESIRED.role.arn),
      path: fc.constant(DESIRED.role.path),
      tags: mostly(DESIRED.role.tags, {}),
      trustPolicy: mostly<unknown>(DESIRED.role.trustPolicy, {}),
      boundaryArn: mostly<string | undefined>(DESIRED.role.boundaryArn, undefined, "arn:aws:iam::aws:policy/Other"),
      policyNames: fc.constant([DESIRED.role.policyName]),
    }),
    { nil: undefined, freq: 8 },
  ),
  rolePolicy: mostly<unknown>(DESIRED.rolePolicy(KEY_ARN), undefined, {}),
  alias: mostly<World["alias"]>(KEY_ARN, undefined, OTHER_ARN, "hidden"),
  key: fc.record({
    keyArn: fc.constant(KEY_ARN),
    state: states,
    tags: fc.constant(DESIRED.keyTags(ATTEMPT_ID)),
    policy: mostly<unknown>(DESIRED.admittedPolicy, DESIRED.departingPolicy, STRANGER, AND_STRANGER, {}),
    origin: fc.constant("AWS_KMS"),
    rotation: mostly<ObservedKey["rotation"]>(
      { enabled: true, periodDays: 365 },
      { enabled: false, periodDays: undefined },
      { enabled: true, periodDays: 90 },
    ),
  }),
  other: states.map((state) => ({ ...OTHER, state })),
  grants: fc.subarray([
    { grantId: "grant-1", kind: "foreign" as const },
    { grantId: "grant-2", kind: "stale" as const },
  ]),
});
const targets = mostly<KeyTarget>("usable", "disabled", "withdrawn", "deleted");
const ruleSets = fc.subarray([...REPAIRABLE_RULES]);
const askers = fc.constantFrom("person" as const, "automatic" as const);
const AUTOMATIC = REPAIRABLE_RULES.filter((ruleId) => FINDING_RULES[ruleId].repairer === "automatic");

function observe(world: World, aliasExists: boolean): ObservedTenantKey {
  const keys = [world.key, world.other];
  const aliased = keys.find(({ keyArn }) => keyArn === world.alias);
  return {
    role: world.role,
    rolePolicy: world.role === undefined ? undefined : world.rolePolicy,
    alias:
      aliased === undefined
        ? { kind: aliasExists && world.alias === "hidden" ? "unreadable" : "absent" }
        : { kind: "present", key: aliased },
    taggedKeys: [world.key],
    recordedKey: "read",
    grantsTooMany: world.grants.map((grant) => ({ ...grant, keyArn: KEY_ARN })),
  };
}

class There extends Error {}

/** The world after one action, as AWS would have it; throws where AWS would refuse. */
function apply(world: World, action: Action): World {
  const { key, role } = world;
  const inState = (...allowed: readonly ObservedKey["state"][]) => {
    if (!allowed.includes(key.state)) throw new Error(`${action.kind}: the key is ${key.state}`);
  };
  const change = (changes: Partial<ObservedKey>): World => {
    if ("keyArn" in action && action.keyArn !== KEY_ARN) throw new Error(`${action.kind} on another key`);
    return { ...world, key: { ...key, ...changes } };
  };
  const changeRole = (changes: Partial<ObservedRole>): World => {
    if (role === undefined) throw new Error(`${action.kind}: NoSuchEntity`);
    return { ...world, role: { ...role, ...changes } };
  };
  switch (action.kind) {
    case "create-role": {
      if (role !== undefined) throw new Error("EntityAlreadyExists");
      const { arn, path, tags, trustPolicy, boundaryArn } = DESIRED.role;
      return { ...world, role: { arn, path, tags, trustPolicy, boundaryArn, policyNames: [] }, rolePolicy: undefined };
    }
    case "update-trust-policy":
      return changeRole({ trustPolicy: DESIRED.role.trustPolicy });
    case "put-role-boundary":
      return changeRole({ boundaryArn: DESIRED.role.boundaryArn });
    case "tag-role":
      return changeRole({ tags: DESIRED.role.tags });
    case "put-role-policy":
      // The provisioner's own rights: under the boundary only.
      if (role?.boundaryArn !== DESIRED.role.boundaryArn) throw new Error("AccessDenied");
      return { ...world, rolePolicy: DESIRED.rolePolicy(KEY_ARN) };
    case "delete-role-policy":
      return { ...world, rolePolicy: undefined };
    case "enable-rotation":
      inState("Enabled");
      return change({ rotation: { enabled: true, periodDays: 365 } });
    case "create-alias":
      inState("Enabled", "Disabled");
      if (world.alias !== undefined) throw new There();
      return { ...world, alias: KEY_ARN };
    case "move-alias":
      inState("Enabled", "Disabled");
      if (world.alias === undefined) throw new Error("NotFound");
      return { ...world, alias: KEY_ARN };
    case "admit-tenant":
      if (role === undefined) throw new Error("MalformedPolicyDocument");
      return change({ policy: DESIRED.admittedPolicy });
    case "shut-out-tenant":
      return change({ policy: DESIRED.departingPolicy });
    case "enable-key":
      inState("Disabled", "Enabled");
      return change({ state: "Enabled" });
    case "disable-key":
      inState("Disabled", "Enabled");
      return change({ state: "Disabled" });
    case "cancel-deletion":
      inState("PendingDeletion");
      return change({ state: "Disabled" });
    case "schedule-deletion":
      inState("Disabled", "Enabled");
      return change({ state: "PendingDeletion" });
    case "revoke-grant":
      return { ...world, grants: world.grants.filter(({ grantId }) => grantId !== action.grantId) };
    default:
      throw new Error(`a repair never does ${action.kind}`);
  }
}

/** Rounds as the worker does them: a cancelled deletion, or an alias that is there already, is looked at again. */
function repair(start: World, target: KeyTarget, rules: readonly RuleId[], askedBy: "person" | "automatic") {
  let world = start;
  let aliasExists = false;
  const done: Action[] = [];
  for (let round = 1; round <= ROUNDS_MAX; round++) {
    const planned = planRepair(DESIRED, observe(world, aliasExists), RECORDED, target, permissionsOf(rules, askedBy));
    if (planned.kind === "refused") return { world, done, planned };
    let surprised = false;
    for (const step of planned.steps) {
      for (const action of step) {
        try {
          world = apply(world, action);
          done.push(action);
          if (action.kind === "cancel-deletion") surprised = true;
        } catch (error) {
          if (!(error instanceof There)) throw error;
          aliasExists = true;
          surprised = true;
        }
      }
      if (surprised) break;
    }
    if (!surprised) return { world, done, planned };
  }
  throw new Error("still not as wanted");
}

function holdsFor(
  reachedMin: number,
  property: (world: World, target: KeyTarget, rules: RuleId[], askedBy: "person" | "automatic") => boolean,
) {
  let reached = 0;
  fc.assert(
    fc.property(worlds, targets, ruleSets, askers, (world, target, rules, askedBy) => {
      if (property(world, target, rules, askedBy)) reached++;
    }),
    { numRuns: 3000 },
  );
  expect(reached).toBeGreaterThanOrEqual(reachedMin);
}

test("a repair does what its rules permit and nothing else, and AWS refuses none of it", () => {
  holdsFor(1000, (world, target, rules, askedBy) => {
    const permitted = rules.flatMap((ruleId) => REPAIR_ACTIONS[ruleId]);
    const { done } = repair(world, target, rules, askedBy);
    for (const { kind } of done) expect(permitted).toContain(kind);
    return done.length > 0;
  });
});

test("a repair of no rule does nothing at all", () => {
  holdsFor(1000, (world, target, _rules, askedBy) => {
    const { done, world: end } = repair(world, target, [], askedBy);
    expect(done).toEqual([]);
    expect(end).toEqual(world);
    return true;
  });
});

test("with every rule permitted no drift of the tenant's own resources is refused, and none is left", () => {
  holdsFor(1500, (world, target) => {
    const { planned, world: end } = repair(world, target, [...REPAIRABLE_RULES], "person");
    if (planned.kind === "refused") throw planned.error;
    expect(planned.refusal).toBeUndefined();
    expect(planned.withheld).toEqual([]);
    if (target === "usable" || target === "disabled") {
      expect(end.key).toMatchObject({
        state: target === "usable" ? "Enabled" : "Disabled",
        policy: DESIRED.admittedPolicy,
      });
      expect(end.role).toMatchObject({ tags: DESIRED.role.tags, boundaryArn: DESIRED.role.boundaryArn });
      expect([end.alias, end.grants]).toEqual([KEY_ARN, []]);
    } else {
      expect(samePolicy(end.key.policy, DESIRED.departingPolicy)).toBe(true);
      expect(end.key.state).not.toBe("Enabled");
    }
    const again = repair(end, target, [...REPAIRABLE_RULES], "person");
    expect(again.done).toEqual([]);
    return true;
  });
});

test("what is repaired by itself enables no key, deletes nothing, and lets in nobody whom the policy kept out", () => {
  holdsFor(800, (world, target) => {
    const { done } = repair(world, target, AUTOMATIC, "automatic");
    const kinds = done.map(({ kind }) => kind);
    for (const kind of [
      "enable-key",
      "cancel-deletion",
      "schedule-deletion",
      "create-role",
      "delete-role",
      "tag-role",
      "update-trust-policy",
      "move-alias",
    ]) {
      expect(kinds).not.toContain(kind);
    }
    if (kinds.includes("admit-tenant")) expect(admitsAlready(world.key.policy, DESIRED)).toBe(true);
    return kinds.length > 0;
  });
});

test("a key is enabled only where its policy is contained by then, no stranger has a grant or takes on its role", () => {
  holdsFor(100, (world, target, rules, askedBy) => {
    const { done, world: end } = repair(world, target, rules, askedBy);
    if (!done.some(({ kind }) => kind === "enable-key")) return false;
    for (const stranger of [STRANGER, AND_STRANGER]) expect(samePolicy(end.key.policy, stranger)).toBe(false);
    expect(end.grants.filter(({ kind }) => kind === "foreign")).toEqual([]);
    if (end.role !== undefined) expect(end.role.trustPolicy).toEqual(DESIRED.role.trustPolicy);
    return true;
  });
});

test("another key is never touched, and the alias only ever comes to the tenant's", () => {
  holdsFor(1000, (world, target, rules, askedBy) => {
    const { done, world: end } = repair(world, target, rules, askedBy);
    expect(end.other).toEqual(world.other);
    expect([world.alias, KEY_ARN]).toContain(end.alias);
    return done.length > 0;
  });
});
