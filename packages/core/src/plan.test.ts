import { expect, test } from "vitest";
import { desiredTenantKey } from "./desired-state.ts";
import { parseAttemptId, parseKeyArn } from "./ids.ts";
import { completeKeyProfile } from "./key-profile.ts";
import { NOTHING_OBSERVED, type ObservedKey, type ObservedRole, type ObservedTenantKey } from "./observed-state.ts";
import { type KeyTarget, type Plan, plan, type RecordedKeys } from "./plan.ts";
import { ACME, DEFAULT_KEY, exampleContext } from "./test-support.ts";

const DESIRED = desiredTenantKey(exampleContext(), ACME, DEFAULT_KEY, completeKeyProfile());
const FIRST = parseAttemptId("attempt-1");
const SECOND = parseAttemptId("attempt-2");
const KEY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/first");
const OTHER_KEY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/second");

const ROLE: ObservedRole = {
  arn: DESIRED.role.arn,
  path: DESIRED.role.path,
  tags: DESIRED.role.tags,
  trustPolicy: DESIRED.role.trustPolicy,
  boundaryArn: DESIRED.role.boundaryArn,
  policyNames: [DESIRED.role.policyName],
};
const KEY: ObservedKey = {
  keyArn: KEY_ARN,
  state: "Enabled",
  tags: DESIRED.keyTags(FIRST),
  policy: DESIRED.admittedPolicy,
  origin: "AWS_KMS",
  rotation: { enabled: true, periodDays: 365 },
};
const NEW_KEY: ObservedKey = {
  ...KEY,
  policy: DESIRED.creationPolicy,
  rotation: { enabled: false, periodDays: undefined },
};
const SPARE: ObservedKey = { ...NEW_KEY, keyArn: OTHER_KEY_ARN, tags: DESIRED.keyTags(SECOND) };
const IN_ORDER: ObservedTenantKey = {
  role: ROLE,
  rolePolicy: DESIRED.rolePolicy(KEY_ARN),
  alias: { kind: "present", key: KEY },
  taggedKeys: [KEY],
};
const RECORDED: RecordedKeys = {
  keyArn: KEY_ARN,
  attempts: [{ attemptId: FIRST, outcome: "created", keyArn: KEY_ARN }],
};
const LOST: RecordedKeys = { keyArn: undefined, attempts: [{ attemptId: FIRST, outcome: "open" }] };

function steps(observed: ObservedTenantKey, recorded: RecordedKeys): readonly (readonly string[])[] {
  const result = plan(DESIRED, observed, recorded);
  if (result.kind === "refused") throw result.error;
  return result.steps.map((step) => step.map((action) => action.kind));
}

function withKey(change: Partial<ObservedKey>): ObservedTenantKey {
  const key = { ...KEY, ...change };
  return { ...IN_ORDER, alias: { kind: "present", key }, taggedKeys: [key] };
}

test("a tenant of whom nothing is there gets role and key, then their configuration, then its admission", () => {
  expect(plan(DESIRED, NOTHING_OBSERVED, LOST)).toEqual({
    kind: "ready",
    keyArn: undefined,
    steps: [
      [{ kind: "create-role" }, { kind: "create-key" }],
      [{ kind: "enable-rotation" }, { kind: "put-role-policy" }, { kind: "create-alias" }],
      [{ kind: "admit-tenant" }],
    ],
  } satisfies Plan);
});

test("a tenant of whom everything is as it should be needs nothing", () => {
  expect(plan(DESIRED, IN_ORDER, RECORDED)).toEqual({ kind: "ready", keyArn: KEY_ARN, steps: [] } satisfies Plan);
});

test.each<[string, ObservedTenantKey, string[][]]>([
  ["another trust policy", { ...IN_ORDER, role: { ...ROLE, trustPolicy: {} } }, [["update-trust-policy"]]],
  ["rotation off", withKey({ rotation: { enabled: false, periodDays: undefined } }), [["enable-rotation"]]],
  ["another rotation period", withKey({ rotation: { enabled: true, periodDays: 90 } }), [["enable-rotation"]]],
  ["no role policy", { ...IN_ORDER, rolePolicy: undefined }, [["put-role-policy"]]],
  [
    "a role policy for another key",
    { ...IN_ORDER, rolePolicy: DESIRED.rolePolicy(OTHER_KEY_ARN) },
    [["put-role-policy"]],
  ],
  ["no alias", { ...IN_ORDER, alias: { kind: "absent" } }, [["create-alias"]]],
  ["a key policy of before admission", withKey({ policy: DESIRED.creationPolicy }), [["admit-tenant"]]],
  ["a key policy that somebody changed", withKey({ policy: { Statement: [] } }), [["admit-tenant"]]],
  [
    "no role: the new one has another unique id, so its policy and its admission are made anew",
    { ...IN_ORDER, role: undefined },
    [["create-role"], ["put-role-policy"], ["admit-tenant"]],
  ],
])("%s is put right, and nothing else is touched", (_, observed, expected) => {
  expect(steps(observed, RECORDED)).toEqual(expected);
});

test("the key of the newest attempt, lost before its alias, is adopted", () => {
  const observed = { ...NOTHING_OBSERVED, role: ROLE, taggedKeys: [NEW_KEY] };
  expect(plan(DESIRED, observed, LOST)).toMatchObject({ keyArn: KEY_ARN });
  expect(steps(observed, LOST)).toEqual([["enable-rotation", "put-role-policy", "create-alias"], ["admit-tenant"]]);
});

test("a lost attempt's key that is dying isn't adopted: a new one is made", () => {
  const observed = { ...NOTHING_OBSERVED, role: ROLE, taggedKeys: [{ ...NEW_KEY, state: "PendingDeletion" as const }] };
  expect(plan(DESIRED, observed, LOST)).toMatchObject({ keyArn: undefined });
  expect(steps(observed, LOST)[0]).toEqual(["create-key"]);
});

test("a lost attempt's key that never admitted the tenant is discarded once the tenant has another", () => {
  const recorded = { ...RECORDED, attempts: [...RECORDED.attempts, { attemptId: SECOND, outcome: "open" as const }] };
  const observed = { ...IN_ORDER, taggedKeys: [KEY, SPARE] };
  expect(plan(DESIRED, observed, recorded)).toMatchObject({
    steps: [[{ kind: "discard-spare-key", keyArn: OTHER_KEY_ARN }]],
  });
});

test.each<[string, Partial<ObservedKey>]>([
  ["has admitted the tenant", { policy: DESIRED.admittedPolicy }],
  ["has a policy that somebody changed", { policy: { Statement: [] } }],
  ["is disabled", { state: "Disabled" }],
  ["is dying already", { state: "PendingDeletion" }],
  ["comes from no recorded attempt", { tags: DESIRED.keyTags(parseAttemptId("attempt-of-a-stranger")) }],
  ["has no attempt tag", { tags: DESIRED.keyOwnership }],
])("a spare key that %s is left alone", (_, change) => {
  const recorded = { ...RECORDED, attempts: [...RECORDED.attempts, { attemptId: SECOND, outcome: "open" as const }] };
  expect(steps({ ...IN_ORDER, taggedKeys: [KEY, { ...SPARE, ...change }] }, recorded)).toEqual([]);
});

const FOREIGN_ATTEMPT = DESIRED.keyTags(parseAttemptId("attempt-of-a-stranger"));
const UNALIASED = { ...IN_ORDER, alias: { kind: "absent" } } as const;

test.each<[string, string, ObservedTenantKey, RecordedKeys]>([
  ["role_taken", "a role under another path", { ...IN_ORDER, role: { ...ROLE, path: "/" } }, RECORDED],
  ["role_taken", "a role without our tags", { ...IN_ORDER, role: { ...ROLE, tags: {} } }, RECORDED],
  [
    "role_taken",
    "a role tagged for another tenant",
    { ...IN_ORDER, role: { ...ROLE, tags: { ...ROLE.tags, "tenantkeys:tenant": "globex" } } },
    RECORDED,
  ],
  ["role_taken", "a role without the boundary", { ...IN_ORDER, role: { ...ROLE, boundaryArn: undefined } }, RECORDED],
  ["alias_taken", "an alias on a key that we may not read", { ...IN_ORDER, alias: { kind: "unreadable" } }, RECORDED],
  ["alias_taken", "an alias on a key without our tags", withKey({ tags: {} }), RECORDED],
  ["alias_taken", "an alias on another key than the recorded", IN_ORDER, { ...RECORDED, keyArn: OTHER_KEY_ARN }],
  ["key_taken", "an alias on a key of no recorded attempt", withKey({ tags: FOREIGN_ATTEMPT }), LOST],
  [
    "key_taken",
    "an alias on a key without an attempt, none recorded",
    withKey({ tags: DESIRED.keyOwnership }),
    { attempts: [] },
  ],
  [
    "key_taken",
    "a tagged key of no recorded attempt, and none of ours",
    { ...UNALIASED, taggedKeys: [{ ...KEY, tags: FOREIGN_ATTEMPT }] },
    LOST,
  ],
  ["key_missing", "a recorded key that nothing leads to", { ...UNALIASED, taggedKeys: [] }, RECORDED],
  ["key_disabled", "a disabled key", withKey({ state: "Disabled" }), RECORDED],
  ["key_disabled", "a key that waits for its material", withKey({ state: "PendingImport" }), RECORDED],
  ["key_pending_deletion", "a dying key", withKey({ state: "PendingDeletion" }), RECORDED],
  ["key_pending_deletion", "a dying replica", withKey({ state: "PendingReplicaDeletion" }), RECORDED],
  [
    "key_disabled",
    "a recorded key, disabled, that lost its alias",
    { ...UNALIASED, taggedKeys: [{ ...KEY, state: "Disabled" }] },
    RECORDED,
  ],
])("%s refuses %s, and plans nothing", (code, _, observed, recorded) => {
  expect(plan(DESIRED, observed, recorded)).toEqual({
    kind: "refused",
    error: expect.objectContaining({
      code,
      retryable: false,
      details: { tenantId: "acme", keyName: "default", step: "plan" },
    }),
  });
});

test("a refused role says everything that differs", () => {
  const role = { ...ROLE, path: "/", tags: {}, boundaryArn: undefined };
  expect(plan(DESIRED, { ...IN_ORDER, role }, RECORDED)).toHaveProperty(
    "error.message",
    "role tk-dev-acme exists and tenantkeys didn't make it: its path is /, not /tenantkeys/dev/; it doesn't carry this tenant's tenantkeys tags; it doesn't have the stage's permissions boundary",
  );
});

test.each(["Disabled", "PendingDeletion"] as const)(
  "a key that we shut ourselves, %s, is given back to a tenant who stays, even where the record doesn't know of it",
  (state) => {
    const shut = withKey({ state, policy: DESIRED.departingPolicy });
    expect(plan(DESIRED, shut, { ...RECORDED, state: "active" }).kind).toBe("ready");
  },
);

const REPLACED: ObservedKey = { ...KEY, keyArn: OTHER_KEY_ARN, tags: DESIRED.keyTags(SECOND) };
const ROTATED: RecordedKeys = { ...RECORDED, state: "active", previousKeyArns: [OTHER_KEY_ARN] };

function planned(observed: Partial<ObservedTenantKey>, target: KeyTarget): Plan {
  return plan(DESIRED, { ...IN_ORDER, alias: { kind: "absent" }, ...observed }, ROTATED, target);
}

test.each(["withdrawn", "deleted"] as const)(
  "while the key hides, the keys that it replaced are shut but not condemned: %s",
  (target) => {
    for (const recordedKey of ["denied", "gone"] as const) {
      const result = planned({ taggedKeys: [REPLACED], recordedKey }, target);
      expect(result).toMatchObject({ kind: "ready", refusal: { code: "key_missing" } });
      const kinds = result.kind === "ready" ? result.steps.flat().map(({ kind }) => kind) : [];
      expect(kinds).toEqual(["delete-role-policy", "disable-key", "shut-out-tenant"]);
    }
  },
);

test.each(["usable", "disabled", "withdrawn", "deleted"] as const)(
  "a replaced key that hides is told, after the rest was done: %s",
  (target) => {
    const hiddenPreviousKeys = [OTHER_KEY_ARN];
    const result = planned({ taggedKeys: [KEY], recordedKey: "read", hiddenPreviousKeys }, target);
    expect(result).toMatchObject({ kind: "ready", refusal: { code: "key_missing" } });
    expect(JSON.stringify(result)).not.toContain("schedule-deletion");
  },
);

test("a replaced key that hides is no key that is gone", () => {
  const recorded: RecordedKeys = { ...ROTATED, state: "pending-deletion" };
  const gone = { ...NOTHING_OBSERVED, recordedKey: "gone" } as const;
  const hides = { ...gone, hiddenPreviousKeys: [OTHER_KEY_ARN] };
  expect(plan(DESIRED, hides, recorded, "deleted")).toMatchObject({ kind: "refused", error: { code: "key_missing" } });
  expect(plan(DESIRED, gone, recorded, "deleted")).toEqual({ kind: "ready", keyArn: undefined, steps: [] });
});

test("a replaced key whose store isn't connected doesn't pass for disabled", () => {
  const taggedKeys = [KEY, { ...REPLACED, state: "Unavailable" as const }];
  const result = planned({ taggedKeys, recordedKey: "read" }, "disabled");
  expect(result).toMatchObject({ kind: "ready", refusal: { code: "key_store_unavailable" } });
});
