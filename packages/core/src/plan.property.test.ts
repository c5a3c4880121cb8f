/** Invariants of the plan, over every state that a small pure AWS can be in: see `World`. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { desiredTenantKey } from "./desired-state.ts";
import { type KeyArn, parseAttemptId, parseKeyArn } from "./ids.ts";
import { completeKeyProfile } from "./key-profile.ts";
import { type Attempt, unusedAttempt } from "./key-record.ts";
import { ATTEMPT_TAG, hasTags } from "./names.ts";
import type { ObservedKey, ObservedRole, ObservedTenantKey } from "./observed-state.ts";
import { type Action, plan, type RecordedKeys } from "./plan.ts";
import { canonicalJson, samePolicy } from "./policy-document.ts";
import { ACME, DEFAULT_KEY, exampleContext } from "./test-support.ts";

const DESIRED = desiredTenantKey(exampleContext(), ACME, DEFAULT_KEY, completeKeyProfile());
/** A policy that somebody wrote into the key. */
const CHANGED_POLICY = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: "*", Action: "kms:*" }] };
const ROUNDS_MAX = 2;
const KEYS_MAX = 4;

/** What there is in AWS and in the registry. The tagging index lags: a key that is `indexed: false` is found a round later. */
interface World {
  readonly role: ObservedRole | undefined;
  readonly rolePolicy: unknown;
  readonly alias: { readonly keyArn: KeyArn | undefined; readonly readable: boolean } | undefined;
  readonly keys: readonly (ObservedKey & { readonly indexed: boolean })[];
  readonly recorded: RecordedKeys;
}

const keyArnOf = (index: number) => parseKeyArn(`arn:aws:kms:eu-west-1:111122223333:key/${index}`);
const attemptOf = (index: number) => parseAttemptId(`attempt-${index}`);

/** The first value most of the time, so that worlds are in order but for a few things; each other one often enough. */
const mostly = <Value>(usual: Value, ...others: Value[]): fc.Arbitrary<Value> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });

const roles: fc.Arbitrary<ObservedRole | undefined> = fc.option(
  fc.record({
    arn: fc.constant(DESIRED.role.arn),
    path: mostly(DESIRED.role.path, "/"),
    tags: mostly(DESIRED.role.tags, { ...DESIRED.role.tags, team: "blue" }, {}),
    trustPolicy: mostly<unknown>(DESIRED.role.trustPolicy, {}),
    boundaryArn: mostly<string | undefined>(DESIRED.role.boundaryArn, undefined),
    policyNames: fc.constant([DESIRED.role.policyName]),
  }),
  { nil: undefined },
);

/** Key 0 is most often the tenant's, the others spares. */
const keys = (index: number) =>
  fc.record({
    keyArn: fc.constant(keyArnOf(index)),
    state: mostly<ObservedKey["state"]>("Enabled", "Disabled", "PendingDeletion"),
    tags: mostly(DESIRED.keyTags(attemptOf(index)), DESIRED.keyOwnership, {}),
    policy:
      index === 0
        ? mostly<unknown>(DESIRED.admittedPolicy, DESIRED.creationPolicy, CHANGED_POLICY)
        : mostly<unknown>(DESIRED.creationPolicy, DESIRED.admittedPolicy, CHANGED_POLICY),
    origin: fc.constant("AWS_KMS"),
    rotation: mostly<ObservedKey["rotation"]>(
      { enabled: true, periodDays: 365 },
      { enabled: false, periodDays: undefined },
      { enabled: true, periodDays: 90 },
    ),
    indexed: fc.boolean(),
  });

const attempts = (index: number) =>
  mostly<Attempt | undefined>(
    { attemptId: attemptOf(index), outcome: "created", keyArn: keyArnOf(index) },
    { attemptId: attemptOf(index), outcome: "open" },
    undefined,
  );

const worlds: fc.Arbitrary<World> = fc.nat(KEYS_MAX).chain((count) => {
  const indexes = Array.from({ length: count }, (_, index) => index);
  const aliasOf = (index: number) => ({ keyArn: keyArnOf(index), readable: index < count });
  const usualAlias = count === 0 ? undefined : aliasOf(0);
  const usualKey = count === 0 ? undefined : 0;
  return fc
    .record({
      role: roles,
      rolePolicy: mostly<unknown>(DESIRED.rolePolicy(keyArnOf(0)), undefined, {}),
      alias: mostly(usualAlias, undefined, undefined, aliasOf(1), aliasOf(KEYS_MAX)),
      keys: fc.tuple(...indexes.map(keys)),
      attempts: fc.tuple(...indexes.map(attempts)),
      unused: fc.constantFrom<Attempt[]>([], [{ attemptId: attemptOf(98), outcome: "unused" }]),
      recordedKey: mostly<number | undefined>(usualKey, undefined, undefined, 1, KEYS_MAX),
    })
    .map(({ attempts: known, unused, recordedKey, ...world }) => ({
      ...world,
      recorded: {
        keyArn: recordedKey === undefined ? undefined : keyArnOf(recordedKey),
        attempts: [...known.filter((attempt) => attempt !== undefined), ...unused],
      },
    }));
});

function observe(world: World): ObservedTenantKey {
  const aliased = world.keys.find((key) => key.keyArn === world.alias?.keyArn);
  const readable = aliased !== undefined && world.alias?.readable === true;
  return {
    role: world.role,
    rolePolicy: world.rolePolicy,
    alias:
      world.alias === undefined
        ? { kind: "absent" }
        : readable
          ? { kind: "present", key: aliased }
          : { kind: "unreadable" },
    taggedKeys: world.keys.filter((key) => hasTags(key.tags, DESIRED.keyOwnership) && (key.indexed || key === aliased)),
  };
}

/** The world after one action, as AWS would have it; throws where AWS would refuse. */
function apply(world: World, action: Action, tenantKey: KeyArn | undefined): World {
  const change = (keyArn: KeyArn | undefined, changes: Partial<ObservedKey>): World => {
    if (!world.keys.some((key) => key.keyArn === keyArn)) throw new Error(`${action.kind} on a key that isn't there`);
    return { ...world, keys: world.keys.map((key) => (key.keyArn === keyArn ? { ...key, ...changes } : key)) };
  };
  switch (action.kind) {
    case "create-role": {
      if (world.role !== undefined) throw new Error("EntityAlreadyExists");
      const { arn, path, tags, trustPolicy, boundaryArn } = DESIRED.role;
      const policyNames = [DESIRED.role.policyName];
      return { ...world, role: { arn, path, tags, trustPolicy, boundaryArn, policyNames }, rolePolicy: undefined };
    }
    case "update-trust-policy":
      if (world.role === undefined) throw new Error("NoSuchEntity");
      return { ...world, role: { ...world.role, trustPolicy: DESIRED.role.trustPolicy } };
    case "create-key":
      return createKey(world);
    case "enable-rotation":
      return change(tenantKey, { rotation: { enabled: true, periodDays: DESIRED.rotationPeriodDays } });
    case "put-role-policy":
      if (tenantKey === undefined || world.role === undefined) throw new Error("NoSuchEntity");
      return { ...world, rolePolicy: DESIRED.rolePolicy(tenantKey) };
    case "create-alias":
      if (world.alias !== undefined) throw new Error("AlreadyExists");
      return { ...world, alias: { keyArn: tenantKey, readable: true } };
    case "admit-tenant":
      if (world.role === undefined) throw new Error("MalformedPolicyDocument");
      return change(tenantKey, { policy: DESIRED.admittedPolicy });
    case "discard-spare-key":
      return change(action.keyArn, { state: "PendingDeletion" });
    default:
      throw new Error(`${action.kind} in a plan for a key that is to be usable and was never disabled by us`);
  }
}

function createKey(world: World): World {
  const index = 100 + world.keys.length;
  const attemptId = unusedAttempt(world.recorded.attempts)?.attemptId ?? attemptOf(index);
  const key = {
    keyArn: keyArnOf(index),
    state: "Enabled" as const,
    tags: DESIRED.keyTags(attemptId),
    policy: DESIRED.creationPolicy,
    origin: "AWS_KMS",
    rotation: { enabled: false, periodDays: undefined },
    indexed: false,
  };
  const others = world.recorded.attempts.filter((attempt) => attempt.attemptId !== attemptId);
  const made: Attempt = { attemptId, outcome: "created", keyArn: key.keyArn };
  return { ...world, keys: [...world.keys, key], recorded: { ...world.recorded, attempts: [...others, made] } };
}

/** One round: plan and apply, and record the tenant's key as the worker does. The index has caught up afterwards. */
function round(world: World): World {
  const planned = plan(DESIRED, observe(world), world.recorded);
  if (planned.kind === "refused") throw planned.error;
  let next = world;
  let keyArn = planned.keyArn;
  for (const action of planned.steps.flat()) {
    next = apply(next, action, keyArn);
    if (action.kind === "create-key") keyArn = next.keys.at(-1)?.keyArn;
  }
  const caughtUp = next.keys.map((key) => ({ ...key, indexed: true }));
  return { ...next, keys: caughtUp, recorded: { ...next.recorded, keyArn } };
}

const isForeign = (world: World, key: ObservedKey) =>
  !hasTags(key.tags, DESIRED.keyOwnership) ||
  !world.recorded.attempts.some((attempt) => attempt.attemptId === key.tags[ATTEMPT_TAG]);

const isForeignRole = (role: ObservedRole) =>
  role.path !== DESIRED.role.path ||
  !hasTags(role.tags, DESIRED.role.tags) ||
  role.boundaryArn !== DESIRED.role.boundaryArn;

/** Runs the property over many worlds and makes sure that enough of them got to where the property says something. */
function holdsForWorlds(numRuns: number, reachedMin: number, property: (world: World) => boolean): void {
  let reached = 0;
  const check = (world: World) => {
    if (property(world)) reached++;
  };
  fc.assert(fc.property(worlds, check), { numRuns });
  expect(reached).toBeGreaterThanOrEqual(reachedMin);
}

test("the plan is empty exactly when observed equals desired", () => {
  holdsForWorlds(2000, 40, (world) => {
    const observed = observe(world);
    const planned = plan(DESIRED, observed, world.recorded);
    if (planned.kind === "refused") return false;
    const key = observed.alias.kind === "present" ? observed.alias.key : undefined;
    const spares = observed.taggedKeys.filter((other) => other.keyArn !== key?.keyArn && other.state === "Enabled");
    const inOrder =
      key !== undefined &&
      observed.role !== undefined &&
      samePolicy(observed.role.trustPolicy, DESIRED.role.trustPolicy) &&
      samePolicy(observed.rolePolicy, DESIRED.rolePolicy(key.keyArn)) &&
      samePolicy(key.policy, DESIRED.admittedPolicy) &&
      key.rotation.enabled &&
      key.rotation.periodDays === 365 &&
      !spares.some((spare) => !isForeign(world, spare) && samePolicy(spare.policy, DESIRED.creationPolicy));
    expect(planned.steps.length === 0).toBe(inOrder);
    return inOrder;
  });
});

test("applying the plan twice, from any state, leaves nothing to do", () => {
  holdsForWorlds(1000, 150, (start) => {
    if (plan(DESIRED, observe(start), start.recorded).kind === "refused") return false;
    let world = start;
    for (let rounds = 0; rounds < ROUNDS_MAX; rounds++) world = round(world);
    expect(plan(DESIRED, observe(world), world.recorded)).toMatchObject({ kind: "ready", steps: [] });
    expect(round(world)).toEqual(world);
    return true;
  });
});

test("no plan discards the tenant's key, the recorded one, an aliased one, a foreign one, or one that ever let anybody in", () => {
  holdsForWorlds(2000, 60, (world) => {
    const planned = plan(DESIRED, observe(world), world.recorded);
    if (planned.kind === "refused") return false;
    const discarded = planned.steps.flat().filter((action) => action.kind === "discard-spare-key");
    for (const { keyArn } of discarded) {
      expect([planned.keyArn, world.recorded.keyArn, world.alias?.keyArn]).not.toContain(keyArn);
      const key = world.keys.find((candidate) => candidate.keyArn === keyArn);
      if (key === undefined) throw new Error("a key that isn't there is discarded");
      expect(canonicalJson(key.policy)).toBe(canonicalJson(DESIRED.creationPolicy));
      expect(isForeign(world, key)).toBe(false);
    }
    return discarded.length > 0;
  });
});

test("a key that was discarded is never the tenant's key in a later round", () => {
  holdsForWorlds(1000, 20, (start) => {
    if (plan(DESIRED, observe(start), start.recorded).kind === "refused") return false;
    const once = round(start);
    const discarded = once.keys.filter(
      (key) =>
        key.state === "PendingDeletion" &&
        start.keys.some((old) => old.keyArn === key.keyArn && old.state === "Enabled"),
    );
    const twice = round(once);
    for (const key of discarded) expect(twice.recorded.keyArn).not.toBe(key.keyArn);
    return discarded.length > 0;
  });
});

test("a foreign role, alias or key is never acted upon", () => {
  holdsForWorlds(2000, 50, (start) => {
    if (plan(DESIRED, observe(start), start.recorded).kind === "refused") return false;
    if (start.role !== undefined) expect(isForeignRole(start.role)).toBe(false);
    const end = round(round(start));
    if (start.alias !== undefined) expect(end.alias).toEqual(start.alias);
    const foreign = start.keys.filter((key) => isForeign(start, key));
    for (const key of foreign) {
      expect(end.keys.find((candidate) => candidate.keyArn === key.keyArn)).toEqual({ ...key, indexed: true });
      expect(end.recorded.keyArn).not.toBe(key.keyArn);
    }
    return foreign.length > 0;
  });
});

test("a foreign role, and an alias on a foreign or unreadable key, are refused by their own code", () => {
  holdsForWorlds(2000, 200, (world) => {
    const planned = plan(DESIRED, observe(world), world.recorded);
    const code = planned.kind === "refused" ? planned.error.code : undefined;
    if (world.role !== undefined && isForeignRole(world.role)) {
      expect(code).toBe("role_taken");
      return true;
    }
    const aliased = world.keys.find((key) => key.keyArn === world.alias?.keyArn);
    if (world.alias === undefined || (aliased !== undefined && !isForeign(world, aliased))) return false;
    expect(code).toMatch(/^(alias|key)_taken$/);
    return true;
  });
});

test("the tenant is admitted last, and only what was never in use is touched after it", () => {
  holdsForWorlds(1000, 80, (world) => {
    const planned = plan(DESIRED, observe(world), world.recorded);
    if (planned.kind === "refused") return false;
    const kinds = planned.steps.map((step) => step.map((action) => action.kind));
    const admitted = kinds.findIndex((step) => step.includes("admit-tenant"));
    if (admitted === -1) return false;
    expect(kinds[admitted]).toEqual(["admit-tenant"]);
    for (const step of kinds.slice(admitted + 1)) expect(new Set(step)).toEqual(new Set(["discard-spare-key"]));
    return true;
  });
});
