import { completeKeyProfile, type KeyProfile, REPAIRABLE_RULES, type RuleId } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { tenantEvent, worker } from "./event-worker.test-support.ts";
import { type AroundCall, faultsOf } from "./in-memory-aws.test-support.ts";
import { ACME, awsError, DESIRED, lostReply, SETTINGS } from "./test-support.ts";

const PERSON = "AROAPERSONEXAMPLE:alice";
const VERIFIER = "AROAVERIFIEREXAMPLE:tenantkeys-dev-verify";
const STRANGER_GRANT = {
  GrantId: "grant-1",
  GranteePrincipal: "arn:aws:iam::444455556666:root",
  IssuingAccount: "arn:aws:iam::111122223333:root",
};
const OPEN_POLICY = JSON.stringify({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: "*", Action: "kms:*", Resource: "*" }],
});

interface Setup {
  readonly profile?: Partial<KeyProfile>;
  readonly around?: AroundCall;
  readonly automaticRepair?: boolean;
  readonly cancelUnintendedDeletions?: boolean;
}

/** A tenant whose key is made and in place. */
async function tenant({ profile = {}, around, ...settings }: Setup = {}) {
  const profiles = { default: completeKeyProfile({ watchPeriodDays: 0, ...profile }) };
  const world = worker(around, { profiles, stage: { ...SETTINGS, profiles, ...settings } });
  await world.work({ body: tenantEvent("TenantSignedUp", 1) });
  world.aws.log.length = 0;
  const [key] = world.aws.keys;
  const role = world.aws.roles.get(DESIRED.role.name);
  if (key === undefined || role === undefined) throw new Error("the sign-up made no key");
  const repair = (
    rules: readonly RuleId[],
    request: { by?: string | undefined; automatic?: boolean; ageMs?: number } = {},
  ) => {
    const { by, automatic, ageMs = 0 } = { by: PERSON, ...request };
    const time = new Date(world.clock.nowMs() - ageMs).toISOString();
    const detail = { version: "1", tenantId: ACME, keyName: "default", rules, ...(automatic ? { automatic } : {}) };
    const body = JSON.stringify({
      id: "repair-1",
      source: "tenantkeys.application",
      "detail-type": "TenantKeyRepairRequested",
      time,
      detail,
    });
    return world.work({ body, messageId: "repair-1", senderId: by });
  };
  const send = (type: string, generation: number, detail: object = {}) =>
    world.work({ body: tenantEvent(type, generation, detail), messageId: `${type}-${generation}` });
  return { ...world, key, role, repair, send };
}

type Tenant = Awaited<ReturnType<typeof tenant>>;

/** What somebody does by hand, the rules of what verification then finds, and the actions that put it right. */
const DRIFTS: readonly (readonly [string, RuleId[], (world: Tenant) => void, string[]])[] = [
  ["a disabled key", ["key-disabled"], ({ key }) => Object.assign(key, { state: "Disabled" }), ["enable-key"]],
  [
    "a condemned key",
    ["key-pending-deletion-unintended"],
    ({ key, clock }) => Object.assign(key, { state: "PendingDeletion", deletionDateMs: clock.nowMs() + 1 }),
    ["cancel-deletion", "enable-key"],
  ],
  [
    "rotation off",
    ["rotation-off"],
    ({ key }) => Object.assign(key, { rotationPeriodDays: undefined }),
    ["enable-rotation"],
  ],
  ["a lost alias", ["alias-missing"], ({ aws }) => aws.aliases.clear(), ["create-alias"]],
  [
    "an open key policy",
    ["key-policy-not-contained"],
    ({ key }) => Object.assign(key, { policy: OPEN_POLICY }),
    ["admit-tenant"],
  ],
  ["a lost role", ["role-missing"], ({ aws }) => aws.roles.clear(), ["create-role", "put-role-policy", "admit-tenant"]],
  [
    "another trust policy",
    ["role-trust-policy-differs"],
    ({ role }) => Object.assign(role, { trustPolicy: "{}" }),
    ["update-trust-policy"],
  ],
  ["a lost role policy", ["role-policy-differs"], ({ role }) => role.policies.clear(), ["put-role-policy"]],
  [
    "no boundary",
    ["role-boundary-differs"],
    ({ role }) => Object.assign(role, { boundaryArn: undefined }),
    ["put-role-boundary"],
  ],
  ["lost tags of the role", ["role-tags-differ"], ({ role }) => Object.assign(role, { tags: {} }), ["tag-role"]],
  [
    "a stranger's grant",
    ["grant-foreign"],
    ({ key }) => Object.assign(key, { grants: [STRANGER_GRANT] }),
    ["revoke-grant"],
  ],
];

describe("a repair that a person asks for", () => {
  test.each(DRIFTS)("puts right %s, says so, and has the key verified", async (_, rules, drift, actions) => {
    const world = await tenant();
    drift(world);
    await expect(world.repair(rules)).resolves.toMatchObject({ kind: "done" });
    expect(faultsOf(world.aws)).toEqual([]);
    expect(world.key.grants).toEqual([]);
    expect(world.aws.roles.get(DESIRED.role.name)).toMatchObject({
      tags: DESIRED.role.tags,
      boundaryArn: DESIRED.role.boundaryArn,
    });
    const detail = { rules, actions, withheld: [], automatic: false, eventId: "repair-1", state: "active" };
    expect(world.aws.replies.at(-1)).toMatchObject({ detailType: "TenantKeyRepaired", detail });
    expect(world.askedToVerify).toEqual([
      {
        queueUrl: "https://sqs.example/verification",
        version: "1",
        kind: "tenant-key",
        tenantId: "acme",
        keyName: "default",
      },
    ]);
  });

  test.each(DRIFTS)("leaves %s where its rules are about something else", async (_, rules, drift) => {
    const world = await tenant();
    drift(world);
    const before = structuredClone([world.aws.keys, [...world.aws.aliases], [...world.aws.roles]]);
    const others = REPAIRABLE_RULES.filter(
      (ruleId) => !rules.includes(ruleId) && /^(rotation|material|replica)/.test(ruleId),
    );
    await world.repair(others.length === 0 || rules[0] === "rotation-off" ? ["grant-stale"] : others);
    expect([world.aws.keys, [...world.aws.aliases], [...world.aws.roles]]).toEqual(before);
    expect(world.aws.tenantRecord()).toMatchObject({ state: "active", leaseUntilMs: 0, lastRepair: { by: PERSON } });
  });

  test("moves the alias back from another key, also from one that hides", async () => {
    for (const hides of [false, true]) {
      const other = "arn:aws:kms:eu-west-1:111122223333:key/other";
      let armed = false;
      const world = await tenant({
        around: async (name, _signal, effect) => {
          if (armed && hides && name === "DescribeKey" && world.aws.aliases.get(DESIRED.aliasName) === other) {
            throw awsError("AccessDeniedException", 400);
          }
          return effect();
        },
      });
      world.aws.keys.push({ ...structuredClone(world.key), arn: other, tags: {} });
      world.aws.aliases.set(DESIRED.aliasName, other);
      armed = hides;
      await world.repair(["rotation-off"]);
      expect(world.aws.aliases.get(DESIRED.aliasName)).toBe(other);
      armed = false;
      await expect(world.repair(["alias-on-another-key"])).resolves.toMatchObject({ kind: "done" });
      expect(world.aws.aliases.get(DESIRED.aliasName)).toBe(world.key.arn);
    }
  });

  test("is done, and says what else is needed, where its rules aren't enough; the record keeps its state", async () => {
    const world = await tenant();
    Object.assign(world.key, { state: "Disabled", policy: OPEN_POLICY, rotationPeriodDays: undefined });
    await world.repair(["key-policy-not-contained"]);
    expect(world.key).toMatchObject({ state: "Disabled" });
    expect(world.aws.replies.at(-1)).toMatchObject({
      detail: { actions: ["admit-tenant"], withheld: ["enable-key", "enable-rotation"] },
    });
    expect(world.aws.tenantRecord()).toMatchObject({ state: "active", leaseUntilMs: 0 });
  });

  test("doesn't enable a key that lets in a stranger", async () => {
    const world = await tenant();
    Object.assign(world.key, { state: "Disabled", policy: OPEN_POLICY });
    await world.repair(["key-disabled"]);
    expect(world.key.state).toBe("Disabled");
    await world.repair(["key-disabled", "key-policy-not-contained"]);
    expect(faultsOf(world.aws)).toEqual([]);
  });

  test("doesn't enable a key that a stranger may use by a grant, or whose tenant's role a stranger may take on", async () => {
    const world = await tenant({ cancelUnintendedDeletions: true });
    const { grants } = world.key;
    Object.assign(world.key, { state: "PendingDeletion", grants: [STRANGER_GRANT] });
    await world.repair(["key-pending-deletion-unintended"], { by: VERIFIER, automatic: true });
    expect(world.key.state).toBe("Disabled");
    expect(world.aws.replies.at(-1)).toMatchObject({
      detail: { actions: ["cancel-deletion"], withheld: ["revoke-grant", "enable-key"] },
    });
    Object.assign(world.key, { grants });
    const { trustPolicy } = world.role;
    world.role.trustPolicy = trustPolicy.replaceAll("acme-web", "stranger");
    await world.repair(["key-disabled"]);
    expect(world.key.state).toBe("Disabled");
    Object.assign(world.key, { grants: [STRANGER_GRANT] });
    await world.repair(["key-disabled", "grant-foreign", "role-trust-policy-differs"]);
    expect(faultsOf(world.aws)).toEqual([]);
    expect([world.key.grants, world.role.trustPolicy]).toEqual([[], trustPolicy]);
  });

  test("cancels a deletion whatever KMS hides, and enables no key whose grants it can't see", async () => {
    let armed = false;
    const world = await tenant({
      around: async (name, _signal, effect) => {
        if (armed && name === "ListGrants") throw awsError("AccessDeniedException", 400);
        return effect();
      },
    });
    armed = true;
    world.key.state = "PendingDeletion";
    await world.repair(["key-pending-deletion-unintended"]);
    expect(world.key.state).toBe("Disabled");
    armed = false;
    await world.repair(["key-disabled"]);
    expect(faultsOf(world.aws)).toEqual([]);
  });

  test("of a key whose tags say nothing lets nobody in, and is refused; what protects is done", async () => {
    const world = await tenant();
    Object.assign(world.key, { tags: {}, state: "PendingDeletion", policy: OPEN_POLICY });
    const rules: RuleId[] = ["key-pending-deletion-unintended", "key-policy-not-contained"];
    await expect(world.repair(rules)).resolves.toMatchObject({ kind: "refused", error: { code: "key_taken" } });
    expect(world.key).toMatchObject({ state: "Disabled", policy: OPEN_POLICY });
  });

  test("of a key that carries another tenant's tags is refused, whatever the registry and the attempt say", async () => {
    const world = await tenant();
    Object.assign(world.key, { tags: { ...world.key.tags, "tenantkeys:tenant": "globex" }, policy: OPEN_POLICY });
    await expect(world.repair(["key-policy-not-contained"])).resolves.toMatchObject({ error: { code: "key_taken" } });
    expect(world.key.policy).toBe(OPEN_POLICY);
  });

  test("that was partial records nothing as reached: a tenant that left isn't recorded as scheduled", async () => {
    const world = await tenant();
    const before = world.aws.tenantRecord();
    await world.send("TenantOffboarded", 5);
    // Of an offboarding that was recorded of the tenant and never carried out for the key.
    if (before !== undefined) world.aws.records.set("acme/default", { ...before, leaseUntilMs: 0 });
    Object.assign(world.key, { state: "Enabled", deletionDateMs: undefined });
    await world.repair(["key-open"]);
    expect(world.key.state).toBe("Disabled");
    expect(world.aws.tenantRecord()).toMatchObject({
      state: "active",
      lastRepair: { withheld: ["schedule-deletion"] },
    });
    expect(world.aws.tenantRecord()?.scheduledAtMs).toBeUndefined();
  });

  test("takes up a role that lost its tags only where the registry names it", async () => {
    const world = await tenant();
    Object.assign(world.role, { tags: {} });
    const record = world.aws.tenantRecord();
    if (record !== undefined) world.aws.records.set("acme/default", { ...record, roleArn: undefined });
    await expect(world.repair(["role-tags-differ"])).resolves.toMatchObject({
      kind: "refused",
      error: { code: "role_taken" },
    });
    expect(world.role.tags).toEqual({});
  });

  test("goes on with an offboarding that is overdue, and records it", async () => {
    const world = await tenant();
    await world.send("TenantOffboarded", 5);
    Object.assign(world.key, { state: "Enabled", deletionDateMs: undefined });
    await world.repair(["key-open"]);
    expect(world.key.state).toBe("Disabled");
    expect(world.aws.replies.at(-1)).toMatchObject({ detail: { withheld: ["schedule-deletion"] } });
    await world.repair(["key-deletion-overdue"]);
    expect(world.key.state).toBe("PendingDeletion");
    expect(world.aws.tenantRecord()).toMatchObject({ state: "pending-deletion" });
  });

  test("never makes a key, and never discards one", async () => {
    const world = await tenant();
    world.aws.keys.length = 0;
    world.aws.aliases.clear();
    await expect(world.repair([...REPAIRABLE_RULES])).resolves.toMatchObject({ error: { code: "key_missing" } });
    expect(world.aws.log).not.toContain("CreateKey");
    expect(world.aws.log).not.toContain("ScheduleKeyDeletion");
  });
});

describe("who asks for a repair", () => {
  test("is a session that AWS names: over the bus it is refused and kept", async () => {
    const world = await tenant();
    world.key.state = "Disabled";
    for (const by of [undefined, "AIDAEVENTBRIDGEEXAMPLE"]) {
      await expect(world.repair(["key-disabled"], { by })).resolves.toMatchObject({
        kind: "refused",
        error: { code: "repair_refused" },
      });
    }
    expect(world.key.state).toBe("Disabled");
    expect(world.kept).toHaveLength(2);
    expect(world.aws.replies.at(-1)).toMatchObject({ detailType: "TenantKeyRepairFailed" });
  });

  test("isn't one of the stage's functions in a person's name", async () => {
    const world = await tenant({ automaticRepair: true });
    world.key.rotationPeriodDays = undefined;
    await expect(world.repair(["rotation-off"], { by: VERIFIER })).resolves.toMatchObject({
      error: { code: "repair_refused" },
    });
  });

  test.each<[RuleId, boolean, boolean, boolean]>([
    ["rotation-off", true, false, true],
    ["rotation-off", false, true, false],
    ["key-disabled", true, true, false],
    ["key-deletion-overdue", true, true, false],
    ["key-pending-deletion-unintended", true, false, false],
    ["key-pending-deletion-unintended", false, true, true],
  ])(
    "may be the stage itself, for %s, where it says so (%s, %s): %s",
    async (ruleId, automaticRepair, cancelUnintendedDeletions, allowed) => {
      const world = await tenant({ automaticRepair, cancelUnintendedDeletions });
      for (const by of [VERIFIER, PERSON]) {
        await expect(world.repair([ruleId], { by, automatic: true })).resolves.toMatchObject(
          allowed ? { kind: "done" } : { kind: "refused", error: { code: "repair_refused" } },
        );
      }
    },
  );

  test("didn't ask more than an hour ago, nor from the future", async () => {
    const world = await tenant();
    for (const ageMs of [3_600_001, -3_600_001]) {
      await expect(world.repair(["key-disabled"], { ageMs })).resolves.toMatchObject({
        error: { code: "repair_refused" },
      });
    }
    await expect(world.repair(["key-disabled"], { ageMs: 3_600_000 })).resolves.toMatchObject({ kind: "done" });
  });
});

describe("a repair that nobody asks for", () => {
  const automatic = { by: VERIFIER, automatic: true };

  test("takes a stranger out of a key policy, and doesn't let the tenant in again by that", async () => {
    const world = await tenant({ automaticRepair: true });
    const admitted = JSON.parse(world.key.policy);
    const [stranger] = JSON.parse(OPEN_POLICY).Statement;
    world.key.policy = JSON.stringify({ ...admitted, Statement: [...admitted.Statement, stranger] });
    await world.repair(["key-policy-not-contained"], automatic);
    expect(faultsOf(world.aws)).toEqual([]);
    world.key.policy = OPEN_POLICY;
    await world.repair(["key-policy-not-contained"], automatic);
    expect(world.key.policy).toBe(OPEN_POLICY);
    expect(world.aws.replies.at(-1)).toMatchObject({
      detail: { actions: [], withheld: ["admit-tenant"], automatic: true },
    });
  });

  test("cancels a deletion that nobody meant", async () => {
    const world = await tenant({ cancelUnintendedDeletions: true });
    world.key.state = "PendingDeletion";
    await world.repair(["key-pending-deletion-unintended"], automatic);
    expect(faultsOf(world.aws)).toEqual([]);
  });

  test("never has to do with a key of the tenant's own account", async () => {
    const world = await tenant({ automaticRepair: true });
    const record = world.aws.tenantRecord();
    if (record?.keyArn === undefined) throw new Error("no key");
    world.aws.records.set("acme/default", { ...record, ownKeyArn: record.keyArn });
    world.role.boundaryArn = undefined;
    await expect(world.repair(["role-boundary-differs"], automatic)).resolves.toMatchObject({
      error: { code: "repair_refused" },
    });
    await expect(world.repair(["role-boundary-differs"])).resolves.toMatchObject({ kind: "done" });
    expect(world.role.boundaryArn).toBe(DESIRED.role.boundaryArn);
  });
});

const ruin = ({ aws, key, clock }: Tenant) => {
  Object.assign(key, {
    state: "PendingDeletion",
    deletionDateMs: clock.nowMs() + 86_400_000,
    rotationPeriodDays: undefined,
    policy: OPEN_POLICY,
    grants: [STRANGER_GRANT],
  });
  aws.roles.clear();
  aws.aliases.clear();
};

test("everything at once is put right, wherever the worker was cut off in between", async () => {
  const clean = await tenant();
  ruin(clean);
  await clean.repair([...REPAIRABLE_RULES]);
  expect(faultsOf(clean.aws)).toEqual([]);
  const calls = clean.aws.log.length;
  expect(calls).toBeGreaterThan(25);
  for (let cutAt = 0; cutAt < calls; cutAt++) {
    for (const moment of ["before", "after"] as const) {
      let call = -1;
      let armed = false;
      const world = await tenant({
        around: async (_name, _signal, effect) => {
          if (!armed || ++call !== cutAt) return effect();
          if (moment === "after") effect();
          throw lostReply();
        },
      });
      ruin(world);
      armed = true;
      await world.repair([...REPAIRABLE_RULES]);
      armed = false;
      world.clock.advance(100_000);
      await expect(world.repair([...REPAIRABLE_RULES]), `call ${cutAt} ${moment}`).resolves.toMatchObject({
        kind: "done",
      });
      expect(faultsOf(world.aws), `call ${cutAt} ${moment}`).toEqual([]);
      expect(world.key.grants).toEqual([]);
    }
  }
});
