/**
 * Verification against the plan: over the same facts, whatever the worker would do or refuse is a finding, and a tenant
 * key that is as declared has none. So neither can come to mean something else by "right" than the other.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { DesiredTenantKey } from "../desired-state.ts";
import { type KeyArn, parseRegion } from "../ids.ts";
import { recordedKeys } from "../key-target.ts";
import type { LifecycleState } from "../lifecycle.ts";
import type { KeyState, ObservedKey, ObservedTenantKey } from "../observed-state.ts";
import { DAY_MS } from "../offboarding.ts";
import { type Action, type KeyTarget, plan } from "../plan.ts";
import { planOwnKey } from "../plan-own-key.ts";
import { planReplica, type ReplicaActionKind, refuseReplica, replicaArn } from "../plan-replicas.ts";
import { exampleProfile } from "../test-support.ts";
import type { InspectedKey, Reading } from "./inspection.ts";
import {
  ATTEMPT_ID,
  DEAD_ID,
  exampleDesired,
  exampleInput,
  exampleKey,
  NOW_MS,
  OTHER_KEY_ARN,
  type PresentKey,
  read,
  SKIPPED,
  STRANGER,
} from "./test-support.ts";
import type { TenantKeyToVerify } from "./verdict.ts";
import { verifyTenantKey } from "./verify-tenant-key.ts";

const TARGETS: readonly KeyTarget[] = ["usable", "disabled", "withdrawn", "deleted"];
const PROFILES = [{}, { keySpec: "HMAC_256" }, { serviceGrants: true }, { strictEncryptionContext: true }] as const;
const DESIRED = PROFILES.flatMap((profile) => [
  exampleDesired(exampleProfile(profile)),
  exampleDesired(exampleProfile(profile), { roleMode: "session-tag" }),
]);
/** A stage whose tenants share a role takes no keys of theirs. */
const PER_TENANT = DESIRED.filter(({ role }) => role.kind === "own");
/** `Creating` and `Updating` pass within a moment; a verdict leaves the state unjudged meanwhile, and the plan refuses. */
const STATES: readonly KeyState[] = [
  "Enabled",
  "Disabled",
  "PendingDeletion",
  "PendingReplicaDeletion",
  "PendingImport",
  "Unavailable",
];
/** What the worker would tidy up, and isn't wrong: spares that nobody was ever let into, parameters that nobody asked for. */
const TIDYING: readonly Action["kind"][] = ["discard-spare-key", "obtain-import-parameters", "delete-role"];

/** The first value most of the time, so that most worlds are in order but for a thing or two. */
const mostly = <Value>(usual: Value, ...others: Value[]): fc.Arbitrary<Value> =>
  others.length === 0
    ? fc.constant(usual)
    : fc.oneof({ weight: 9, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });

const OPEN_POLICY = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: "*", Action: "kms:*" }] };

function changedKeys(desired: DesiredTenantKey, key: PresentKey, states = STATES): fc.Arbitrary<PresentKey> {
  const { description, policy, tags, rotation } = key;
  if (description.kind !== "read" || policy.kind !== "read" || tags.kind !== "read") throw new Error("read them all");
  const dead = JSON.parse(JSON.stringify(policy.value).replaceAll(desired.principalArn, DEAD_ID));
  return fc
    .record({
      state: mostly(description.value.state, ...states),
      policy: mostly<unknown>(
        policy.value,
        desired.admittedPolicy,
        desired.departingPolicy,
        desired.creationPolicy,
        OPEN_POLICY,
        dead,
        "no JSON",
      ),
      tags: mostly(
        tags.value,
        {},
        { ...tags.value, "tenantkeys:stage": "prod" },
        { ...tags.value, "tenantkeys:attempt": "attempt-9" },
        { ...tags.value, team: "blue" },
      ),
      rotation:
        rotation.kind === "read"
          ? mostly(rotation, read({ enabled: false }), read({ enabled: true, periodDays: 91 }))
          : fc.constant<Reading<never>>(SKIPPED),
    })
    .map((changes) => ({
      ...key,
      description: read({ ...description.value, state: changes.state }),
      policy: read(changes.policy),
      tags: read(changes.tags),
      rotation: changes.rotation,
    }));
}

/** In order but for a few things, and settled: what is declared was carried out some time ago. */
function worlds(own: boolean): fc.Arbitrary<TenantKeyToVerify> {
  return fc
    .record({
      desired: fc.constantFrom(...(own ? PER_TENANT : DESIRED)),
      target: fc.constantFrom(...TARGETS),
      replaced: fc.boolean(),
    })
    .chain(({ desired, target, replaced }) => {
      const record = {
        ...(replaced && !own ? { previousKeyArns: [OTHER_KEY_ARN] } : {}),
        ...(target === "deleted" ? { nextCheckAtMs: NOW_MS - 2 * DAY_MS } : {}),
        ...(own ? { ownKeyArn: OTHER_KEY_ARN, keyArn: OTHER_KEY_ARN, attempts: [] } : {}),
      };
      const input = exampleInput({ desired, target, record });
      const [key] = input.inspected.keys;
      if (key?.kind !== "present") throw new Error("the example's key is there");
      const previous = exampleKey(desired, target, OTHER_KEY_ARN);
      const role = input.inspected.role.kind === "read" ? input.inspected.role.value : undefined;
      const roles =
        role === undefined
          ? fc.constant(undefined)
          : fc
              .record({
                path: mostly(role.path, "/"),
                tags: mostly(role.tags, {}),
                trustPolicy: mostly(role.trustPolicy, OPEN_POLICY),
                boundaryArn: mostly(role.boundaryArn, undefined),
                inlinePolicies: mostly<Record<string, unknown>>(
                  role.inlinePolicies,
                  {},
                  { [desired.ownRole.policyName]: OPEN_POLICY },
                ),
              })
              .map((changes) => ({ ...role, ...changes, policyNames: Object.keys(changes.inlinePolicies) }));
      return fc
        .record({
          key: fc.oneof(
            { weight: 19, arbitrary: changedKeys(desired, key) },
            { weight: 1, arbitrary: fc.constant<InspectedKey>({ kind: "absent", keyArn: key.keyArn }) },
          ),
          previous: changedKeys(desired, previous),
          role: fc.oneof({ weight: 19, arbitrary: roles }, { weight: 1, arbitrary: fc.constant(undefined) }),
          aliasTarget: mostly<KeyArn | undefined>(key.keyArn, undefined, OTHER_KEY_ARN),
          state: mostly<LifecycleState>(
            input.record.state,
            ...(target === "deleted" ? (["offboarding"] as const) : []),
          ),
        })
        .map((changed) => ({
          ...input,
          record: { ...input.record, state: changed.state },
          inspected: {
            ...input.inspected,
            keys: [changed.key, ...(replaced && !own ? [changed.previous] : [])],
            role: read(changed.role),
            aliasTarget: own ? SKIPPED : read(changed.aliasTarget),
          },
        }));
    });
}

function valueOfRead<T>(reading: Reading<T>): T {
  if (reading.kind !== "read") throw new Error("everything is read here");
  return reading.value;
}

function observedKey({ keyArn, description, policy, tags, rotation }: PresentKey): ObservedKey {
  const { state, origin } = valueOfRead(description);
  const status = rotation.kind === "read" ? rotation.value : { enabled: false };
  return {
    keyArn,
    state,
    origin,
    tags: valueOfRead(tags),
    policy: valueOfRead(policy),
    rotation: { enabled: status.enabled, periodDays: status.enabled ? status.periodDays : undefined },
  };
}

/** The same facts, as the worker observes them. */
function observed({ desired, record, inspected }: TenantKeyToVerify): ObservedTenantKey {
  const keys = inspected.keys.flatMap((key) => (key.kind === "present" ? [observedKey(key)] : []));
  const role = valueOfRead(inspected.role);
  const target = inspected.aliasTarget.kind === "read" ? inspected.aliasTarget.value : undefined;
  const aliased = keys.find(({ keyArn }) => keyArn === target);
  const recorded = inspected.keys.find(({ keyArn }) => keyArn === record.keyArn);
  return {
    role,
    rolePolicy: role?.inlinePolicies[desired.ownRole.policyName],
    alias:
      aliased !== undefined
        ? { kind: "present", key: aliased }
        : { kind: target === undefined ? "absent" : "unreadable" },
    taggedKeys: keys,
    recordedKey: recorded?.kind === "present" ? "read" : "gone",
  };
}

/** Why the worker isn't done with it: what it would do, or why it refuses. */
function unfinished(input: TenantKeyToVerify): readonly string[] {
  const { desired, record, target, nowMs } = input;
  const planned =
    record.ownKeyArn === undefined
      ? plan(desired, observed(input), recordedKeys(record, true, nowMs), target)
      : planOwnKey(desired, observed(input), record.ownKeyArn, target, true);
  if (planned.kind === "refused") return [planned.error.code];
  const kinds = planned.steps.flat().map(({ kind }) => kind);
  const refusal = planned.refusal === undefined ? [] : [planned.refusal.code];
  return [...kinds.filter((kind) => !TIDYING.includes(kind)), ...refusal];
}

/** That a deletion goes as intended is told, and isn't wrong. */
function wrong(input: TenantKeyToVerify) {
  return verifyTenantKey(input).findings.filter(({ ruleId }) => ruleId !== "key-pending-deletion-intended");
}

test.each([
  ["a key", false],
  ["a key of the tenant's own account", true],
])("whatever the worker would do or refuse on %s is a finding", (_, own) => {
  let reached = 0;
  let clean = 0;
  fc.assert(
    fc.property(worlds(own), (input) => {
      const open = unfinished(input);
      const findings = wrong(input);
      if (open.length > 0) {
        reached++;
        expect({ open, found: findings.length > 0 }).toEqual({ open, found: true });
      } else if (findings.length === 0) clean++;
    }),
    { numRuns: 1000 },
  );
  expect(reached).toBeGreaterThan(100);
  expect(clean).toBeGreaterThan(100);
});

test("as desired, in every target and profile, the worker has nothing to do and nothing is found", () => {
  for (const desired of DESIRED) {
    for (const target of TARGETS) {
      const input = exampleInput({ desired, target });
      expect({ target, open: unfinished(input), findings: wrong(input) }).toEqual({ target, open: [], findings: [] });
    }
  }
});

const REPLICATED = exampleDesired(exampleProfile({ replicaRegions: ["eu-central-1"] }));
/** Only a primary waits for its replicas. */
const REPLICA_STATES = STATES.filter((state) => state !== "PendingReplicaDeletion");
const FRANKFURT = parseRegion("eu-central-1");

const replicaWorlds = fc.constantFrom(...TARGETS).chain((target) => {
  const primaryArn = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1" as KeyArn;
  const keyArn = replicaArn(primaryArn, FRANKFURT);
  const attempts = [{ attemptId: ATTEMPT_ID, outcome: "created", keyArn: primaryArn } as const];
  const record = {
    keyArn: primaryArn,
    attempts,
    ...(target === "deleted" ? { nextCheckAtMs: NOW_MS - 2 * DAY_MS } : {}),
  };
  const input = exampleInput({ desired: REPLICATED, target, record });
  const key = { ...exampleKey(REPLICATED, target, keyArn), rotation: SKIPPED, rotations: SKIPPED };
  return fc
    .record({
      key: fc.oneof(
        { weight: 9, arbitrary: changedKeys(REPLICATED, key, REPLICA_STATES) },
        { weight: 1, arbitrary: fc.constant<InspectedKey>({ kind: "absent", keyArn }) },
      ),
      aliasTarget: mostly<KeyArn | undefined>(keyArn, undefined, OTHER_KEY_ARN),
    })
    .map((replica) => ({
      ...input,
      inspected: {
        ...input.inspected,
        replicas: [{ region: FRANKFURT, key: replica.key, aliasTarget: read(replica.aliasTarget) }],
      },
    }));
});

test("whatever the worker would do or refuse on a replica is a finding", () => {
  let reached = 0;
  let clean = 0;
  fc.assert(
    fc.property(replicaWorlds, (input) => {
      const [replica] = input.inspected.replicas;
      if (replica === undefined) throw new Error("there is one");
      const key = replica.key.kind === "present" ? observedKey(replica.key) : undefined;
      const refusal = key === undefined ? undefined : refuseReplica(REPLICATED, key, input.record, input.target);
      const aliased = valueOfRead(replica.aliasTarget) === replica.key.keyArn;
      const planned = planReplica(
        REPLICATED,
        { region: FRANKFURT, keyArn: replica.key.keyArn, key, aliased },
        input.target,
      );
      const open: readonly (ReplicaActionKind | string)[] = refusal === undefined ? planned : [refusal.code];
      const findings = wrong(input);
      if (open.length > 0) {
        reached++;
        expect({ open, found: findings.length > 0 }).toEqual({ open, found: true });
      } else if (findings.length === 0) clean++;
    }),
    { numRuns: 600 },
  );
  expect(reached).toBeGreaterThan(60);
  expect(clean).toBeGreaterThan(60);
});

test("of a policy that lets a stranger in the finding is critical, whatever else is wrong", () => {
  fc.assert(
    fc.property(worlds(false), (input) => {
      const [key, ...others] = input.inspected.keys;
      if (key?.kind !== "present") return;
      const stranger = { Effect: "Allow", Principal: { AWS: STRANGER }, Action: "kms:Decrypt", Resource: "*" };
      const policy = {
        ...input.desired.admittedPolicy,
        Statement: [...input.desired.admittedPolicy.Statement, stranger],
      };
      const keys = [{ ...key, policy: read(policy) }, ...others];
      const { findings } = verifyTenantKey({ ...input, inspected: { ...input.inspected, keys } });
      expect(findings.filter(({ severity }) => severity === "critical").map(({ ruleId }) => ruleId)).toContain(
        "key-policy-not-contained",
      );
    }),
    { numRuns: 500 },
  );
});
