import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { desiredTenantKey } from "./desired-state.ts";
import { parseKeyArn, parseRegion } from "./ids.ts";
import { completeKeyProfile } from "./key-profile.ts";
import type { ObservedKey } from "./observed-state.ts";
import type { KeyTarget } from "./plan.ts";
import { type ObservedReplica, planReplica, type ReplicaActionKind, replicaArn } from "./plan-replicas.ts";
import { ACME, DEFAULT_KEY, exampleContext } from "./test-support.ts";

const FRANKFURT = parseRegion("eu-central-1");
const DESIRED = desiredTenantKey(
  exampleContext(),
  ACME,
  DEFAULT_KEY,
  completeKeyProfile({ replicaRegions: [FRANKFURT] }),
);
const PRIMARY = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/mrk-1");
const KEY: ObservedKey = {
  keyArn: replicaArn(PRIMARY, FRANKFURT),
  state: "Enabled",
  tags: {},
  policy: DESIRED.admittedPolicy,
  origin: "AWS_KMS",
  rotation: { enabled: true, periodDays: 365 },
};
const replica = (key: Partial<ObservedKey> | undefined, aliased = true): ObservedReplica => ({
  region: FRANKFURT,
  keyArn: KEY.keyArn,
  key: key === undefined ? undefined : { ...KEY, ...key },
  aliased,
});
const TARGETS: readonly KeyTarget[] = ["usable", "disabled", "withdrawn", "deleted"];

test("a replica's ARN is its primary's in another Region, and the role's policy names both", () => {
  expect(KEY.keyArn).toBe("arn:aws:kms:eu-central-1:111122223333:key/mrk-1");
  expect(DESIRED.rolePolicy(PRIMARY).Statement[0]?.Resource).toEqual([PRIMARY, KEY.keyArn]);
});

test("the role's policy names no replica of a key that was made before its profile named Regions", () => {
  const single = parseKeyArn(PRIMARY.replace("mrk-1", "1"));
  expect(DESIRED.rolePolicy(single).Statement[0]?.Resource).toEqual([single]);
});

describe("a replica", () => {
  test.each<[string, ObservedReplica, KeyTarget, readonly ReplicaActionKind[]]>([
    [
      "that is missing is made without its tenant, named, and then let in",
      replica(undefined, false),
      "usable",
      ["replicate", "create-alias", "admit-tenant"],
    ],
    ["that is missing isn't made for a tenant that is suspended", replica(undefined, false), "disabled", []],
    ["that is as it should be is left alone", replica({}), "usable", []],
    ["of a suspended tenant is disabled by itself", replica({}), "disabled", ["disable-key"]],
    ["of a resumed tenant is enabled by itself", replica({ state: "Disabled" }), "usable", ["enable-key"]],
    ["of a tenant that leaves is shut and disabled", replica({}), "withdrawn", ["shut-out-tenant", "disable-key"]],
    [
      "of a tenant that goes is scheduled as well",
      replica({}),
      "deleted",
      ["shut-out-tenant", "disable-key", "schedule-deletion"],
    ],
    [
      "of a tenant that is reinstated is saved first",
      replica({ state: "PendingDeletion" }),
      "usable",
      ["cancel-deletion"],
    ],
    ["under a legal hold is saved as well", replica({ state: "PendingDeletion" }), "withdrawn", ["cancel-deletion"]],
    ["that lost its alias gets it back", replica({}, false), "usable", ["create-alias"]],
    ["whose policy somebody changed gets ours again", replica({ policy: {} }), "usable", ["admit-tenant"]],
  ])("%s", (_, observed, target, actions) => {
    expect(planReplica(DESIRED, observed, target)).toEqual(actions);
  });
});

/** The replica after an action, as AWS would have it; throws where AWS would refuse. */
function apply(observed: ObservedReplica, kind: ReplicaActionKind): ObservedReplica {
  if (kind === "replicate") {
    if (observed.key !== undefined) throw new Error("AlreadyExists");
    return { ...observed, key: { ...KEY, policy: DESIRED.creationPolicy } };
  }
  const { key } = observed;
  if (key === undefined) throw new Error(`${kind} on a replica that isn't there`);
  const change = (changes: Partial<ObservedKey>) => ({ ...observed, key: { ...key, ...changes } });
  const dying = key.state === "PendingDeletion";
  if (dying && ["create-alias", "enable-key", "disable-key", "schedule-deletion"].includes(kind)) throw new Error(kind);
  switch (kind) {
    case "create-alias":
      return { ...observed, aliased: true };
    case "admit-tenant":
      return change({ policy: DESIRED.admittedPolicy });
    case "shut-out-tenant":
      return change({ policy: DESIRED.departingPolicy });
    case "enable-key":
      return change({ state: "Enabled" });
    case "disable-key":
      return change({ state: "Disabled" });
    case "cancel-deletion":
      if (!dying) throw new Error("KMSInvalidState");
      return change({ state: "Disabled" });
    case "schedule-deletion":
      return change({ state: "PendingDeletion" });
  }
}

const observations = fc.record({
  region: fc.constant(FRANKFURT),
  keyArn: fc.constant(KEY.keyArn),
  aliased: fc.boolean(),
  key: fc.option(
    fc.record({
      ...Object.fromEntries(Object.entries(KEY).map(([name, value]) => [name, fc.constant(value)])),
      state: fc.constantFrom<ObservedKey["state"]>("Enabled", "Disabled", "PendingDeletion"),
      policy: fc.constantFrom<unknown>(DESIRED.admittedPolicy, DESIRED.departingPolicy, DESIRED.creationPolicy, {}),
    }) as fc.Arbitrary<ObservedKey>,
    { nil: undefined },
  ),
});

test("from any state and through any change of mind, applying the plan twice leaves nothing to do, and nobody in who left", () => {
  fc.assert(
    fc.property(
      observations,
      fc.array(fc.constantFrom(...TARGETS), { minLength: 1, maxLength: 4 }),
      (start, targets) => {
        let world: ObservedReplica = start.key === undefined ? { ...start, aliased: false } : start;
        for (const target of targets) {
          for (let round = 0; round < 2; round++) world = planReplica(DESIRED, world, target).reduce(apply, world);
          expect(planReplica(DESIRED, world, target)).toEqual([]);
          const leaving = target === "withdrawn" || target === "deleted";
          if (leaving && world.key !== undefined) expect(world.key.policy).toEqual(DESIRED.departingPolicy);
          if (target !== "usable") expect(world.key?.state).not.toBe("Enabled");
        }
      },
    ),
    { numRuns: 500 },
  );
});
