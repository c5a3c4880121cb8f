import { completeKeyProfile, DAY_MS, type KeyProfile } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { tenantEvent, worker } from "./event-worker.test-support.ts";
import type { AroundCall } from "./in-memory-aws.test-support.ts";
import { lostReply, SETTINGS } from "./test-support.ts";

const ALICE = "AROAALICE:alice";
const BOB = "AROABOB:bob";

function worldOf(profiles: Readonly<Record<string, KeyProfile>>, around?: AroundCall) {
  const world = worker(around, { profiles, stage: { ...SETTINGS, profiles } });
  const passDays = (days: number) => {
    world.clock.advance(days * DAY_MS);
    world.aws.letTimePass();
  };
  return { ...world, passDays };
}

function tenantWith(profile: Partial<KeyProfile> = {}, around?: AroundCall) {
  const world = worldOf(
    { default: completeKeyProfile({ watchPeriodDays: 7, deletionWindowDays: 7, ...profile }) },
    around,
  );
  let generation = 0;
  /** Newer than everything before, unless it says otherwise. */
  const send = (type: string, detail: object = {}, senderId?: string) => {
    const said = { ...detail, generation: "generation" in detail ? Number(detail.generation) : ++generation };
    return world.work({ body: tenantEvent(type, said.generation, said), messageId: `${type}-${generation}`, senderId });
  };
  return { ...world, send };
}

describe("an offboarding", () => {
  test("deletes no key whose tags say that it is another tenant's, wherever a changed record leads", async () => {
    const { aws, send, passDays } = tenantWith();
    await send("TenantSignedUp");
    await send("TenantOffboarded", {}, ALICE);
    const [key] = aws.keys;
    if (key === undefined) throw new Error("no key");
    const { tags } = key;
    for (const changed of [{ ...tags, "tenantkeys:tenant": "globex" }, {}]) {
      Object.assign(key, { tags: changed });
      passDays(8);
      await expect(send("TenantKeyReviewDue")).resolves.toMatchObject({ error: { code: "key_taken" } });
      expect(key.state).toBe("Disabled");
    }
    Object.assign(key, { tags });
    passDays(8);
    await send("TenantKeyReviewDue");
    expect(key.state).toBe("PendingDeletion");
  });

  test("goes step by step to the end, each step when its time has come", async () => {
    const { aws, send, passDays, clock } = tenantWith();
    await send("TenantSignedUp");
    await send("TenantOffboarded", { reason: "contract ended" }, ALICE);
    expect(aws.tenantRecord()).toMatchObject({ state: "offboarding", waitingFor: "watch-period" });
    expect(aws.roles.get("tk-dev-acme")?.policies.size).toBe(0);
    passDays(6);
    await send("TenantKeyReviewDue");
    expect(aws.keys[0]?.state).toBe("Disabled");
    passDays(1);
    await send("TenantKeyReviewDue");
    const { state, deletionDateMs, nextCheckAtMs } = aws.tenantRecord() ?? {};
    expect([state, deletionDateMs, nextCheckAtMs]).toEqual([
      "pending-deletion",
      clock.nowMs() + 7 * DAY_MS,
      clock.nowMs() + 7 * DAY_MS,
    ]);
    passDays(6);
    await send("TenantKeyReviewDue");
    expect(aws.tenantRecord()?.state).toBe("pending-deletion");
    passDays(2);
    await send("TenantKeyReviewDue");
    expect([aws.tenantRecord()?.state, aws.keys.length, aws.roles.size]).toEqual(["destroyed", 0, 0]);
    expect(aws.destructions).toMatchObject([
      { requestedBy: ALICE, reason: "contract ended", deletionWindowDays: 7, approvedBy: [] },
    ]);
    expect(aws.replies.map(({ detailType }) => detailType)).toEqual([
      "TenantKeyProvisioned",
      "TenantOffboardingStarted",
      "TenantKeyDeletionScheduled",
      "TenantKeyDestroyed",
    ]);
  });

  test("reads the key's last use before the tenant is shut out and again before the deletion is scheduled", async () => {
    const uses = [1_000, 2_000];
    const { aws, send, passDays } = tenantWith({}, async (name, _signal, effect) => {
      if (name !== "GetKeyLastUsage") return effect();
      aws.log.push(name);
      return { KeyLastUsage: { Timestamp: new Date(uses.shift() ?? 0) } };
    });
    await send("TenantSignedUp");
    await send("TenantOffboarded");
    expect(aws.tenantRecord()?.lastUsedAtMs).toBe(1_000);
    expect(aws.log.indexOf("GetKeyLastUsage")).toBeLessThan(aws.log.indexOf("DisableKey"));
    passDays(7);
    await send("TenantKeyReviewDue");
    expect(aws.log.lastIndexOf("GetKeyLastUsage")).toBeLessThan(aws.log.indexOf("ScheduleKeyDeletion"));
    passDays(8);
    await send("TenantKeyReviewDue");
    expect(aws.destructions).toMatchObject([{ lastUsedAtMs: 2_000 }]);
    expect(aws.replies.at(-1)?.detail.destruction).toMatchObject({ lastUsedAt: new Date(2_000).toISOString() });
  });

  test("under a legal hold waits for its release, also where it was scheduled already", async () => {
    const { aws, send } = tenantWith({ watchPeriodDays: 0 });
    await send("TenantSignedUp");
    await send("TenantLegalHoldPlaced", { reason: "case 4711" }, ALICE);
    await send("TenantOffboarded");
    const stateAndWait = () => [aws.tenantRecord()?.state, aws.tenantRecord()?.waitingFor, aws.keys[0]?.state];
    expect(stateAndWait()).toEqual(["offboarding", "legal-hold", "Disabled"]);
    await send("TenantLegalHoldReleased", {}, ALICE);
    expect(stateAndWait()).toEqual(["pending-deletion", "deletion-window", "PendingDeletion"]);
    await send("TenantLegalHoldPlaced", { reason: "case 4712" }, ALICE);
    expect(stateAndWait()).toEqual(["offboarding", "legal-hold", "Disabled"]);
    expect(aws.tenantRecord()).toMatchObject({ scheduledAtMs: undefined, deletionDateMs: undefined });
  });

  test("leaves the tenant's role until its last key is gone, and deletes it when two keys end together", async () => {
    const { aws, clock, passDays, work } = worldOf({
      default: completeKeyProfile({ watchPeriodDays: 0, deletionWindowDays: 7 }),
      slow: completeKeyProfile({ watchPeriodDays: 0, deletionWindowDays: 30 }),
    });
    let generation = 0;
    const send = (type: string, detail: object = {}) => work({ body: tenantEvent(type, ++generation, detail) });
    await send("TenantSignedUp", { keyNames: ["default", "other"] });
    await send("TenantKeyAdded", { keyName: "payroll", profile: "slow" });
    await send("TenantOffboarded");
    passDays(8);
    await send("TenantKeyReviewDue");
    expect([aws.tenantRecord()?.state, aws.roles.size]).toEqual(["destroyed", 1]);
    passDays(23);
    await send("TenantKeyReviewDue", { keyName: "payroll" });
    // The third key has ended as well, unnoticed yet.
    expect([aws.keys.length, aws.roles.size]).toEqual([0, 0]);
    await send("TenantKeyReviewDue", { keyName: "other" });
    expect([...aws.records.values()].map(({ state }) => state)).toEqual(["destroyed", "destroyed", "destroyed"]);
    expect(aws.destructions.map(({ confirmedGoneAtMs }) => confirmedGoneAtMs <= clock.nowMs())).toEqual([
      true,
      true,
      true,
    ]);
  });

  test("of one key in trouble doesn't keep the tenant's other keys from being shut", async () => {
    const { aws, send } = tenantWith({ watchPeriodDays: 0 });
    await send("TenantSignedUp", { keyNames: ["default", "payroll"] });
    const [first] = aws.keys;
    const record = aws.records.get("acme/default");
    if (first === undefined || record === undefined) throw new Error("nothing was made");
    // Somebody replaced the provisioner's role: the key hides.
    aws.keys.splice(0, 1);
    await expect(send("TenantOffboarded")).resolves.toMatchObject({ kind: "refused", error: { code: "key_missing" } });
    expect(aws.keys.map(({ state }) => state)).toEqual(["PendingDeletion"]);
    expect(aws.records.get("acme/default")?.failure).toMatchObject({ code: "key_missing" });
  });

  test("of a key that hides is never taken for its end", async () => {
    const { aws, send, passDays } = tenantWith({ watchPeriodDays: 0 }, async (name, _signal, effect) => {
      if (hidden && name === "DescribeKey") throw Object.assign(new Error("no"), { name: "AccessDeniedException" });
      return effect();
    });
    let hidden = false;
    await send("TenantSignedUp");
    await send("TenantOffboarded");
    passDays(30);
    hidden = true;
    await expect(send("TenantKeyReviewDue")).resolves.toMatchObject({ error: { code: "key_missing" } });
    expect(aws.tenantRecord()).toMatchObject({ state: "pending-deletion" });
    expect(aws.destructions).toEqual([]);
  });
});

/** Each event, what came before it, and what the key is to be afterwards, whatever happened in between. */
const STORIES: readonly (readonly [string, readonly string[], string, boolean])[] = [
  ["TenantSuspended", [], "Disabled", true],
  ["TenantResumed", ["TenantSuspended"], "Enabled", true],
  ["TenantOffboarded", [], "PendingDeletion", false],
  ["TenantOffboarded", ["TenantSuspended"], "PendingDeletion", false],
  ["TenantReinstated", ["TenantOffboarded"], "Enabled", true],
  ["TenantReinstated", ["TenantSuspended", "TenantOffboarded"], "Disabled", true],
];

describe.each(STORIES)("%s after %j", (type, before, state, admitted) => {
  async function storyOf(around: (armed: () => boolean) => AroundCall) {
    let armed = false;
    const world = tenantWith(
      { watchPeriodDays: 0 },
      around(() => armed),
    );
    await world.send("TenantSignedUp", { generation: 1 });
    for (const [index, earlier] of before.entries()) await world.send(earlier, { generation: 2 + index });
    armed = true;
    await world.send(type, { generation: 9 });
    armed = false;
    return world;
  }

  test("is carried out once, wherever its worker is cut off", async () => {
    let calls = 0;
    await storyOf((armed) => async (_name, _signal, effect) => {
      if (armed()) calls++;
      return effect();
    });
    expect(calls).toBeGreaterThan(6);
    for (let cutAt = 0; cutAt < calls; cutAt++) {
      for (const moment of ["before", "after"] as const) {
        let call = -1;
        const world = await storyOf((armed) => async (_name, _signal, effect) => {
          if (!armed() || ++call !== cutAt) return effect();
          if (moment === "after") effect();
          throw lostReply();
        });
        world.clock.advance(100_000);
        const again = await world.send(type, { generation: 9 });
        const keys = world.aws.keys.map((key) => [key.state, key.policy.includes("UseByTenant")]);
        expect([again.kind, keys], `call ${cutAt} ${moment}`).toEqual(["done", [[state, admitted]]]);
      }
    }
  });
});

test("a suspension that was cut off anywhere, and never done again, is overtaken by its resumption", async () => {
  const storyOf = async (around: (armed: () => boolean) => AroundCall) => {
    let armed = false;
    const world = tenantWith(
      {},
      around(() => armed),
    );
    await world.send("TenantSignedUp");
    armed = true;
    await world.send("TenantSuspended");
    armed = false;
    return world;
  };
  let calls = 0;
  await storyOf((armed) => async (_name, _signal, effect) => {
    if (armed()) calls++;
    return effect();
  });
  expect(calls).toBeGreaterThan(5);
  for (let cutAt = 0; cutAt < calls; cutAt++) {
    let call = -1;
    const world = await storyOf((armed) => async (_name, _signal, effect) => {
      // From there on nothing works: also what would write the failure down.
      if (!armed() || ++call < cutAt) return effect();
      if (call === cutAt) effect();
      throw lostReply();
    });
    world.clock.advance(100_000);
    const resumed = await world.send("TenantResumed");
    expect([resumed.kind, world.aws.keys[0]?.state], `call ${cutAt}`).toEqual(["done", "Enabled"]);
    expect(world.aws.tenantRecord()?.disablingSinceMs).toBeUndefined();
  }
});

test("a key that a person disabled is left so by its tenant's resumption", async () => {
  const { aws, send } = tenantWith();
  await send("TenantSignedUp");
  for (const key of aws.keys) key.state = "Disabled";
  await expect(send("TenantResumed")).resolves.toMatchObject({ kind: "refused", error: { code: "key_disabled" } });
});

test("an event about a key that another worker has in hand is given back, and touches nothing", async () => {
  const { aws, send, clock } = tenantWith();
  await send("TenantSignedUp");
  const record = aws.tenantRecord();
  if (record === undefined) throw new Error("nothing was made");
  aws.records.set("acme/default", { ...record, leaseUntilMs: clock.nowMs() + 1_000 });
  await expect(send("TenantSuspended", { generation: 5 })).resolves.toMatchObject({
    kind: "retry",
    error: { code: "lease_taken" },
  });
  expect(aws.keys[0]?.state).toBe("Enabled");
  clock.advance(1_001);
  await expect(send("TenantSuspended", { generation: 5 })).resolves.toMatchObject({ kind: "done" });
  expect(aws.keys[0]?.state).toBe("Disabled");
});

describe("a review", () => {
  test("that fails is put off for a day, so that its key isn't refused at every turn", async () => {
    const { aws, send, passDays, clock } = tenantWith();
    await send("TenantSignedUp");
    await send("TenantOffboarded");
    passDays(8);
    aws.keys.splice(0, 1);
    await expect(send("TenantKeyReviewDue")).resolves.toMatchObject({ kind: "refused" });
    expect(aws.tenantRecord()?.nextCheckAtMs).toBe(clock.nowMs() + DAY_MS);
  });

  test("of a key that the registry doesn't know, or that is gone, is nothing", async () => {
    const { send } = tenantWith();
    await expect(send("TenantKeyReviewDue")).resolves.toMatchObject({ result: { outcome: { kind: "ignored" } } });
  });
});

describe("events that come too late", () => {
  test("for a tenant whose keys are gone are refused by their own code, and a new sign-up begins anew", async () => {
    const { aws, send, passDays } = tenantWith({ watchPeriodDays: 0 });
    await send("TenantSignedUp");
    await send("TenantOffboarded");
    passDays(8);
    await send("TenantKeyReviewDue");
    for (const type of ["TenantSuspended", "TenantResumed", "TenantReinstated"]) {
      await expect(send(type)).resolves.toMatchObject({ kind: "refused", error: { code: "key_destroyed" } });
    }
    await expect(send("TenantLegalHoldPlaced", { reason: "late" })).resolves.toMatchObject({
      error: { code: "key_destroyed" },
    });
    await expect(send("TenantOffboarded", { generation: 2 })).resolves.toMatchObject({ kind: "done" });
    await expect(send("TenantSignedUp")).resolves.toMatchObject({ kind: "done" });
    expect(aws.tenantRecord()?.state).toBe("active");
    await expect(send("TenantOffboarded", { generation: 2 })).resolves.toMatchObject({ kind: "done" });
    expect([aws.tenantRecord()?.state, aws.keys.map(({ state }) => state)]).toEqual(["active", ["Enabled"]]);
  });

  test("find a key that KMS has deleted meanwhile looked at first, so that its end is recorded and they are refused", async () => {
    for (const late of ["TenantReinstated", "TenantLegalHoldPlaced"]) {
      const { aws, send, passDays } = tenantWith({ watchPeriodDays: 0 });
      await send("TenantSignedUp");
      await send("TenantOffboarded", {}, ALICE);
      passDays(8);
      const said = late === "TenantReinstated" ? {} : { reason: "late" };
      await expect(send(late, said), late).resolves.toMatchObject({ error: { code: "key_destroyed" } });
      expect(aws.tenantRecord()?.state).toBe("destroyed");
      expect(aws.destructions).toMatchObject([{ requestedBy: ALICE, offboardingGeneration: 2 }]);
      expect(aws.tenants.get("acme")).toMatchObject({ leaving: { value: true, generation: 2 } });
    }
  });

  test("before the tenant is known are kept, and count when it signs up", async () => {
    const { aws, send } = tenantWith();
    await expect(send("TenantSuspended", { generation: 9 })).resolves.toMatchObject({ kind: "done" });
    await send("TenantSignedUp", { generation: 3 });
    expect([aws.tenantRecord()?.state, aws.keys[0]?.state]).toEqual(["suspended", "Disabled"]);
  });
});

describe("a tenant that returns", () => {
  async function gone(before: readonly string[] = [], meanwhile: readonly string[] = []) {
    const world = tenantWith({ watchPeriodDays: 0 });
    for (const type of ["TenantSignedUp", ...before, "TenantOffboarded"]) await world.send(type);
    for (const type of meanwhile) await world.send(type);
    world.passDays(8);
    await world.send("TenantKeyReviewDue");
    expect(world.aws.tenantRecord()?.state).toBe("destroyed");
    return world;
  }

  test("too early is refused, and gets its new key when that very event is replayed after the end", async () => {
    const { aws, send } = await gone([], ["TenantSignedUp"]);
    await expect(send("TenantSignedUp", { generation: 3 })).resolves.toMatchObject({
      kind: "done",
      result: { keys: [{ kind: "active" }] },
    });
    expect(aws.keys.map(({ state }) => state)).toEqual(["Enabled"]);
    await send("TenantSignedUp", { generation: 3 });
    expect(aws.keys).toHaveLength(1);
  });

  test("isn't suspended by what was declared in its old life", async () => {
    const { aws, send } = await gone(["TenantSuspended"], ["TenantSuspended"]);
    await send("TenantSignedUp");
    expect([aws.tenantRecord()?.state, aws.keys[0]?.state]).toEqual(["active", "Enabled"]);
    await send("TenantSuspended");
    expect(aws.tenantRecord()?.state).toBe("suspended");
  });

  test("isn't touched by any event of its old life, whether it was known then or not, and nobody is told", async () => {
    const { aws, send } = await gone();
    await send("TenantSignedUp", { generation: 20 });
    const callsOfAws = () => aws.log.filter((call) => /^[A-Z]/.test(call)).length;
    const before = [callsOfAws(), aws.replies.length];
    const old: readonly (readonly [string, number, object?])[] = [
      ["TenantSignedUp", 1],
      ["TenantOffboarded", 2],
      ["TenantSuspended", 1],
      ["TenantSuspended", 18],
      ["TenantResumed", 19],
      ["TenantReinstated", 17],
      ["TenantOffboarded", 18],
      ["TenantOffboardingApproved", 3, { offboardingGeneration: 2 }],
    ];
    for (const [type, generation, detail] of old) {
      const again = send(type, { ...detail, generation }, BOB);
      await expect(again, `${type} ${generation}`).resolves.toMatchObject({ kind: "done" });
    }
    expect([callsOfAws(), aws.replies.length]).toEqual(before);
    expect(aws.tenantRecord()?.state).toBe("active");
  });
});

describe("a sign-up that names an easier profile", () => {
  const strict = completeKeyProfile({ watchPeriodDays: 7, deletionWindowDays: 30, approvalRequired: true });
  const profiles = { default: completeKeyProfile({ watchPeriodDays: 0, deletionWindowDays: 7 }), strict };
  const orders = [
    ["before the tenant leaves", ["TenantSignedUp", "TenantOffboarded"]],
    ["while it is leaving, refused", ["TenantOffboarded", "TenantSignedUp", "TenantOffboarded"]],
  ] as const;

  test.each(orders)("%s doesn't make the key's end any easier", async (_, types) => {
    const { aws, passDays, work } = worldOf(profiles);
    let generation = 0;
    const send = (type: string, detail: object = {}) => work({ body: tenantEvent(type, ++generation, detail) });
    await send("TenantSignedUp", { profile: "strict" });
    for (const type of types) await send(type);
    expect(aws.tenantRecord()).toMatchObject({ profile: "default", state: "offboarding", waitingFor: "watch-period" });
    passDays(7);
    await send("TenantKeyReviewDue");
    expect(aws.tenantRecord()).toMatchObject({ state: "offboarding", waitingFor: "approval" });
    const { generation: offboardingGeneration } = aws.tenants.get("acme")?.leaving ?? {};
    for (const senderId of [ALICE, BOB]) {
      const body = tenantEvent("TenantOffboardingApproved", ++generation, { offboardingGeneration });
      await work({ body, senderId });
    }
    expect(aws.tenantRecord()?.deletionDateMs).toBe((aws.tenantRecord()?.scheduledAtMs ?? 0) + 30 * DAY_MS);
  });
});

test("an approval counts only from somebody else, as SQS says who sent it", async () => {
  const { aws, send } = tenantWith({ watchPeriodDays: 0, approvalRequired: true });
  await send("TenantSignedUp");
  await send("TenantOffboarded", { generation: 5 }, ALICE);
  expect(aws.tenantRecord()).toMatchObject({ state: "offboarding", waitingFor: "approval" });
  const approve = (sender?: string) => send("TenantOffboardingApproved", { offboardingGeneration: 5 }, sender);
  for (const sender of [ALICE, "AROAALICE:another-session", "AIDAEXAMPLE", undefined]) {
    await expect(approve(sender), String(sender)).resolves.toMatchObject({ error: { code: "approval_refused" } });
  }
  await expect(approve(BOB)).resolves.toMatchObject({ kind: "done" });
  expect(aws.tenantRecord()?.state).toBe("pending-deletion");
});
