import {
  ATTEMPT_TAG,
  completeKeyProfile,
  type KeyProfile,
  PREVIOUS_KEYS_MAX,
  parseStageSettings,
} from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { tenantEvent, worker } from "./event-worker.test-support.ts";
import type { AroundCall } from "./in-memory-aws.test-support.ts";
import { awsError, lostReply, SETTINGS, START_MS } from "./test-support.ts";

/** A tenant whose key has this profile, made and in place. */
async function keyOf(profile: Partial<KeyProfile>, around?: AroundCall) {
  const profiles = { default: completeKeyProfile(profile) };
  const world = worker(around, { profiles, stage: { ...SETTINGS, profiles } });
  const xksKeyId = profile.origin === "EXTERNAL_KEY_STORE" ? { xksKeyId: "key-of-the-manager-1" } : {};
  await world.work({ body: tenantEvent("TenantKeyAdded", 1, { keyName: "default", ...xksKeyId }) });
  world.aws.log.length = 0;
  const send = (type: string, generation: number, detail: object = {}) => {
    const another = type === rotate && "xksKeyId" in xksKeyId ? { xksKeyId: "key-of-the-manager-2" } : {};
    const body = tenantEvent(type, generation, { ...another, ...detail });
    return world.work({ body, messageId: `${type}-${generation}` });
  };
  return { ...world, send };
}

const DAY_MS = 86_400_000;
const rotate = "TenantKeyRotationRequested";
const ROTATIONS = "RotateKeyOnDemand";
const count = (log: readonly string[], name: string) => log.filter((call) => call === name).length;

describe("a rotation that was asked for", () => {
  test("is recorded before KMS is called, done once, and said", async () => {
    const { aws, send } = await keyOf({});
    await expect(send(rotate, 5)).resolves.toMatchObject({ kind: "done" });
    expect(aws.log.indexOf("replace")).toBeLessThan(aws.log.indexOf(ROTATIONS));
    expect(aws.tenantRecord()).toMatchObject({ state: "active", leaseUntilMs: 0, rotation: { generation: 5 } });
    expect(aws.replies.at(-1)).toMatchObject({ detailType: "TenantKeyRotated", detail: { rotation: "on-demand" } });
  });

  test("isn't done again by the same event, nor by an older one", async () => {
    const { aws, send } = await keyOf({});
    await send(rotate, 5);
    await send(rotate, 5);
    await expect(send(rotate, 4)).resolves.toMatchObject({ result: { outcome: { kind: "superseded" } } });
    expect(aws.keys[0]?.rotatedAtMs).toHaveLength(1);
    await send(rotate, 6);
    expect(aws.keys[0]?.rotatedAtMs).toHaveLength(2);
  });

  test("whose reply is lost spends one of the key's 25 rotations and not two", async () => {
    let lost = false;
    const { aws, send } = await keyOf({}, async (name, _signal, effect) => {
      const answer = effect();
      if (name === ROTATIONS && !lost) {
        lost = true;
        throw lostReply();
      }
      return answer;
    });
    await expect(send(rotate, 5)).resolves.toMatchObject({ kind: "retry" });
    await expect(send(rotate, 5)).resolves.toMatchObject({ kind: "done" });
    expect(aws.keys[0]?.rotatedAtMs).toEqual([START_MS]);
  });

  test("that KMS certainly refused is tried again", async () => {
    let refused = false;
    const { aws, send } = await keyOf({}, async (name, _signal, effect) => {
      if (name !== ROTATIONS || refused) return effect();
      refused = true;
      throw awsError("ThrottlingException", 400);
    });
    await expect(send(rotate, 5)).resolves.toMatchObject({ kind: "retry", error: { code: "throttled" } });
    await expect(send(rotate, 5)).resolves.toMatchObject({ kind: "done" });
    expect(aws.keys[0]?.rotatedAtMs).toHaveLength(1);
  });

  test("of a key that is suspended, offboarding or unknown is refused by its own code", async () => {
    const { send } = await keyOf({});
    await send("TenantSuspended", 5);
    await expect(send(rotate, 6)).resolves.toMatchObject({ kind: "refused", error: { code: "state_conflict" } });
    await send("TenantOffboarded", 7);
    await expect(send(rotate, 8)).resolves.toMatchObject({ kind: "refused", error: { code: "tenant_offboarded" } });
    await expect(send(rotate, 9, { keyName: "payroll" })).resolves.toMatchObject({
      kind: "refused",
      error: { code: "key_unknown", details: { tenantId: "acme", keyName: "payroll" } },
    });
  });

  test("of a key with a customer's material is refused: its next material is the customer's to bring", async () => {
    const { send, aws } = await keyOf({ origin: "EXTERNAL" });
    const importToken = aws.tenantRecord()?.importParameters?.importToken;
    await send("TenantKeyMaterialSupplied", 2, { encryptedKeyMaterial: "d3JhcHBlZA==", importToken });
    await expect(send(rotate, 5)).resolves.toMatchObject({ kind: "refused", error: { code: "rotation_unsupported" } });
  });
});

describe.each<[string, Partial<KeyProfile>]>([
  ["in a CloudHSM key store", { origin: "AWS_CLOUDHSM", customKeyStoreId: "cks-1234567890abcdef0" }],
  ["in an external key store", { origin: "EXTERNAL_KEY_STORE", customKeyStoreId: "cks-1234567890abcdef0" }],
  ["for HMAC", { keySpec: "HMAC_256" }],
  ["for signing", { keySpec: "ECC_NIST_P256" }],
])("a key %s, which KMS can't rotate", (_, profile) => {
  const policiesOf = (aws: Awaited<ReturnType<typeof keyOf>>["aws"]) => aws.roles.get("tk-dev-acme")?.policies;

  test("is replaced by a new one that takes over alias, role and tenant, and stays usable itself", async () => {
    const { aws, send } = await keyOf(profile);
    await expect(send(rotate, 5)).resolves.toMatchObject({ kind: "done" });
    const [old, fresh] = aws.keys.map(({ arn }) => arn);
    expect(aws.tenantRecord()).toMatchObject({
      state: "active",
      keyArn: fresh,
      previousKeyArns: [old],
      leaseUntilMs: 0,
      rotation: { generation: 5, replacedKeyArn: old },
    });
    expect([...aws.aliases.values()]).toEqual([fresh]);
    expect(aws.keys.map(({ state, everAdmitted }) => [state, everAdmitted])).toEqual([
      ["Enabled", true],
      ["Enabled", true],
    ]);
    expect(JSON.parse(policiesOf(aws)?.get("key-default") ?? "{}").Statement[0].Resource).toEqual([fresh, old]);
    expect(aws.replies.at(-1)).toMatchObject({ detail: { rotation: "new-key", previousKeyArn: old, keyArn: fresh } });
    expect(aws.log.indexOf("UpdateAlias")).toBeGreaterThan(aws.log.lastIndexOf("PutKeyPolicy"));
  });

  test("is replaced once, wherever the worker was cut off in between", async () => {
    const calls = (await replacementLog(profile)).length;
    expect(calls).toBeGreaterThan(8);
    for (let cutAt = 0; cutAt < calls; cutAt++) {
      for (const moment of ["before", "after"] as const) {
        let call = -1;
        let armed = false;
        const world = await keyOf(profile, async (_name, _signal, effect) => {
          if (!armed) return effect();
          call++;
          if (call !== cutAt) return effect();
          if (moment === "after") effect();
          throw lostReply();
        });
        armed = true;
        await world.send(rotate, 5);
        armed = false;
        world.clock.advance(100_000);
        await expect(world.send(rotate, 5), `call ${cutAt} ${moment}`).resolves.toMatchObject({ kind: "done" });
        const record = world.aws.tenantRecord();
        const usable = world.aws.keys.filter(({ state, everAdmitted }) => state === "Enabled" && everAdmitted);
        expect(usable.map(({ arn }) => arn)).toEqual([...(record?.previousKeyArns ?? []), record?.keyArn]);
        expect(record?.previousKeyArns).toHaveLength(1);
        expect([...world.aws.aliases.values()]).toEqual([record?.keyArn]);
        // The next look tidies up: a key that nobody uses and nobody knows would be paid for for ever.
        await world.send("TenantSuspended", 6);
        await world.send("TenantResumed", 7);
        const enabled = world.aws.keys.filter(({ state }) => state === "Enabled").map(({ arn }) => arn);
        expect(enabled, `call ${cutAt} ${moment}`).toEqual(usable.map(({ arn }) => arn));
      }
    }
  });

  test("is suspended, resumed, offboarded and destroyed together with its predecessors", async () => {
    const { aws, send, clock } = await keyOf({ ...profile, watchPeriodDays: 0, deletionWindowDays: 7 });
    await send(rotate, 5);
    const states = () => aws.keys.map(({ state }) => state);
    await send("TenantSuspended", 6);
    expect(states()).toEqual(["Disabled", "Disabled"]);
    await send("TenantResumed", 7);
    expect(states()).toEqual(["Enabled", "Enabled"]);
    await send("TenantOffboarded", 8);
    expect(states()).toEqual(["PendingDeletion", "PendingDeletion"]);
    await send("TenantReinstated", 9);
    expect(states()).toEqual(["Enabled", "Enabled"]);
    await send("TenantOffboarded", 10);
    clock.advance(8 * DAY_MS);
    aws.letTimePass();
    await send("TenantKeyReviewDue", 11);
    expect([aws.tenantRecord()?.state, aws.keys, aws.roles.size]).toEqual(["destroyed", [], 0]);
  });
});

describe("keys that were replaced", () => {
  const HMAC = { keySpec: "HMAC_256", watchPeriodDays: 0, deletionWindowDays: 7 } as const;

  test("are suspended and destroyed with their tenant, as many as may be kept", async () => {
    const { aws, send, clock } = await keyOf(HMAC);
    for (let index = 0; index < PREVIOUS_KEYS_MAX; index++) await send(rotate, 2 + index);
    expect(aws.tenantRecord()?.previousKeyArns).toHaveLength(PREVIOUS_KEYS_MAX);
    await send("TenantSuspended", 100);
    expect(new Set(aws.keys.map(({ state }) => state))).toEqual(new Set(["Disabled"]));
    await send("TenantOffboarded", 101);
    expect(new Set(aws.keys.map(({ state }) => state))).toEqual(new Set(["PendingDeletion"]));
    clock.advance(8 * DAY_MS);
    aws.letTimePass();
    await send("TenantKeyReviewDue", 102);
    expect([aws.tenantRecord()?.state, aws.keys]).toEqual(["destroyed", []]);
  });

  test("and hide are never taken for shut, deleted or gone: the others are shut, and the event is refused", async () => {
    const { aws, send, clock } = await keyOf(HMAC);
    await send(rotate, 5);
    const [old, fresh] = aws.keys;
    const answer = aws.answer.bind(aws);
    aws.answer = (name, input) => {
      if (input.KeyId === old?.arn) throw awsError("AccessDeniedException", 400);
      return answer(name, input);
    };
    for (const [type, generation] of [
      ["TenantSuspended", 6],
      ["TenantOffboarded", 7],
    ] as const) {
      await expect(send(type, generation)).resolves.toMatchObject({ kind: "refused", error: { code: "key_missing" } });
      expect(fresh?.state).toBe("Disabled");
    }
    clock.advance(8 * DAY_MS);
    aws.letTimePass();
    await send("TenantKeyReviewDue", 8);
    expect([aws.tenantRecord()?.state, fresh?.state, aws.destructions]).toEqual(["active", "Disabled", []]);
  });

  test("and hid are shut and condemned once they can be seen again, when the event is replayed", async () => {
    const { aws, send } = await keyOf(HMAC);
    await send(rotate, 5);
    const [old] = aws.keys;
    let hides = true;
    const answer = aws.answer.bind(aws);
    aws.answer = (name, input) => {
      if (hides && input.KeyId === old?.arn) throw awsError("AccessDeniedException", 400);
      return answer(name, input);
    };
    await send("TenantOffboarded", 6);
    hides = false;
    await expect(send("TenantOffboarded", 6)).resolves.toMatchObject({ kind: "done" });
    expect(aws.keys.map(({ state }) => state)).toEqual(["PendingDeletion", "PendingDeletion"]);
  });

  test.each(["Disabled", "PendingDeletion"] as const)("and that somebody left %s are left so", async (state) => {
    const { aws, send } = await keyOf(HMAC);
    await send(rotate, 5);
    const [old] = aws.keys;
    if (old !== undefined) old.state = state;
    await expect(send(rotate, 6)).resolves.toMatchObject({ kind: "done" });
    expect(aws.keys.map((key) => key.state)).toEqual([state, "Enabled", "Enabled"]);
  });

  test("aren't replaced by a key that another run has condemned as a spare", async () => {
    let armed = false;
    const { aws, send, clock } = await keyOf(HMAC, async (name, _signal, effect) => {
      const answer = effect();
      if (!armed || name !== "CreateKey") return answer;
      armed = false;
      throw lostReply();
    });
    armed = true;
    await send(rotate, 5);
    clock.advance(100_000);
    await send("TenantSuspended", 6);
    await send("TenantResumed", 7);
    expect(aws.keys.map(({ state }) => state)).toEqual(["Enabled", "PendingDeletion"]);
    await expect(send(rotate, 5)).resolves.toMatchObject({ kind: "done" });
    expect(aws.keys.map(({ state }) => state)).toEqual(["Enabled", "PendingDeletion", "Enabled"]);
    expect(aws.tenantRecord()?.keyArn).toBe(aws.keys[2]?.arn);
  });

  test("aren't replaced by a key with copied tags, where the write after CreateKey failed", async () => {
    let failing = false;
    const { aws, send } = await keyOf(HMAC, async (name, _signal, effect) => {
      if (failing && name === "replace" && aws.keys.length === 2) {
        failing = false;
        throw lostReply();
      }
      return effect();
    });
    failing = true;
    await send(rotate, 5);
    const made = aws.keys[1] as (typeof aws.keys)[number];
    aws.keys.push({ ...made, arn: `${made.arn}-copy` });
    made.state = "PendingDeletion";
    await expect(send(rotate, 5)).resolves.toMatchObject({ kind: "done" });
    expect(aws.tenantRecord()?.keyArn).toBe(aws.keys[3]?.arn);
    expect(aws.keys[2]).toMatchObject({ state: "Enabled", everAdmitted: false });
  });
});

async function replacementLog(profile: Partial<KeyProfile>): Promise<readonly string[]> {
  const { aws, send } = await keyOf(profile);
  await send(rotate, 5);
  return aws.log;
}

describe("a key in a custom key store", () => {
  test("isn't made while its store isn't connected, and costs no attempt", async () => {
    const profiles = { default: completeKeyProfile({ origin: "AWS_CLOUDHSM", customKeyStoreId: "cks-1234" }) };
    const { aws, work } = worker(undefined, { profiles, stage: { ...SETTINGS, profiles } });
    aws.storeState = "DISCONNECTED";
    const body = tenantEvent("TenantSignedUp", 1);
    await expect(work({ body })).resolves.toMatchObject({
      kind: "retry",
      error: { code: "key_store_unavailable", message: expect.stringContaining("cks-1234 is DISCONNECTED") },
    });
    expect([aws.keys, aws.tenantRecord()?.attempts]).toEqual([[], [expect.objectContaining({ outcome: "unused" })]]);
    aws.storeState = "CONNECTED";
    await expect(work({ body })).resolves.toMatchObject({ kind: "done" });
    expect(aws.keys.map(({ origin, tags }) => [origin, tags[ATTEMPT_TAG]])).toEqual([["AWS_CLOUDHSM", "attempt-1"]]);
  });
});

describe("a key in an external key store", () => {
  test("is made for the key of the manager that its event names, and rotated to another", async () => {
    const { aws, send } = await keyOf({ origin: "EXTERNAL_KEY_STORE", customKeyStoreId: "cks-1234567890abcdef0" });
    await send(rotate, 5);
    expect(aws.keys.map(({ xksKeyId }) => xksKeyId)).toEqual(["key-of-the-manager-1", "key-of-the-manager-2"]);
  });

  test("isn't made by an event that doesn't name one", async () => {
    const profiles = { default: completeKeyProfile({ origin: "EXTERNAL_KEY_STORE", customKeyStoreId: "cks-1" }) };
    const { aws, work } = worker(undefined, { profiles, stage: { ...SETTINGS, profiles } });
    await expect(work({ body: tenantEvent("TenantSignedUp", 1) })).resolves.toMatchObject({
      kind: "refused",
      error: { code: "event_invalid", details: { field: "detail.xksKeyId", tenantId: "acme" } },
    });
    expect(aws.keys).toEqual([]);
  });
});

describe("material that a customer brings", () => {
  const supplied = "TenantKeyMaterialSupplied";
  const material = (text: string) => Buffer.from(text).toString("base64");

  async function waiting(around?: AroundCall) {
    const world = await keyOf({ origin: "EXTERNAL" }, around);
    const importToken = world.aws.tenantRecord()?.importParameters?.importToken ?? "";
    const supply = (generation: number, change: object = {}) =>
      world.send(supplied, generation, { encryptedKeyMaterial: material("first"), importToken, ...change });
    return { ...world, supply };
  }

  test("makes the key usable, and the same event again imports nothing", async () => {
    const { aws, supply } = await waiting();
    expect(aws.tenantRecord()).toMatchObject({ state: "awaiting-material", waitingFor: "material" });
    await supply(5);
    expect(aws.tenantRecord()).toMatchObject({ state: "active", importParameters: undefined, waitingFor: undefined });
    await supply(5);
    await supply(4);
    expect(count(aws.log, "ImportKeyMaterial")).toBe(1);
  });

  test.each<[string, object, string]>([
    ["that isn't the first", { encryptedKeyMaterial: material("other") }, "material_mismatch"],
    ["with a token of another key", { importToken: material("another key") }, "material_mismatch"],
    ["that has expired before it came", { expiresAt: "2025-01-01T00:00:00Z" }, "event_invalid"],
    ["that lasts longer than a year", { expiresAt: "2027-06-01T00:00:00Z" }, "event_invalid"],
  ])("%s is refused by its own code, and the key stays as it was", async (_, change, code) => {
    const { aws, supply } = await waiting();
    await supply(5);
    await expect(supply(6, change)).resolves.toMatchObject({ kind: "refused", error: { code } });
    expect(aws.tenantRecord()?.state).toBe("active");
  });

  test("whose token is older than a day is refused by its own code", async () => {
    const { aws, supply } = await waiting(async (name, _signal, effect) => {
      if (name === "ImportKeyMaterial") throw awsError("ExpiredImportTokenException", 400);
      return effect();
    });
    await expect(supply(5)).resolves.toMatchObject({ kind: "refused", error: { code: "import_token_expired" } });
    expect(aws.tenantRecord()).toMatchObject({ state: "awaiting-material", leaseUntilMs: 0 });
  });

  test("of an older generation than what was imported is no longer taken", async () => {
    const { aws, supply } = await waiting();
    await supply(5);
    await expect(supply(4, { encryptedKeyMaterial: material("older") })).resolves.toMatchObject({
      kind: "done",
      result: { outcome: { kind: "superseded", byGeneration: 5 } },
    });
    expect(count(aws.log, "ImportKeyMaterial")).toBe(1);
  });

  test("for a suspended tenant is imported, and the key disabled at once", async () => {
    const { aws, supply, send } = await waiting();
    await send("TenantSuspended", 5);
    await supply(6);
    expect([aws.tenantRecord()?.state, aws.keys[0]?.state]).toEqual(["suspended", "Disabled"]);
  });

  test("that expires leaves a key that waits again, with new parameters, and is said", async () => {
    const { aws, supply, send, clock } = await waiting();
    await supply(5, { expiresAt: new Date(START_MS + 86_400_000).toISOString() });
    expect(aws.tenantRecord()?.nextCheckAtMs).toBe(START_MS + 86_400_000);
    clock.advance(86_400_001);
    aws.letTimePass();
    await send("TenantKeyReviewDue", 6);
    expect(aws.tenantRecord()).toMatchObject({
      state: "awaiting-material",
      importParameters: { expiresAtMs: clock.nowMs() + 86_400_000 },
    });
    expect(aws.replies.at(-1)?.detailType).toBe("TenantKeyAwaitingMaterial");
  });

  test("that has expired by the time its event comes again isn't imported again, nor said to be", async () => {
    const { aws, supply, send, clock } = await waiting();
    await supply(5, { expiresAt: new Date(START_MS + 86_400_000).toISOString() });
    clock.advance(86_400_001);
    aws.letTimePass();
    await send("TenantKeyReviewDue", 6);
    aws.replies.length = 0;
    await expect(supply(5)).resolves.toMatchObject({ kind: "done" });
    expect([aws.tenantRecord()?.state, count(aws.log, "ImportKeyMaterial")]).toEqual(["awaiting-material", 1]);
    expect(aws.replies).toEqual([]);
  });

  test("that KMS shows late is waited for: the key isn't taken for one that still waits", async () => {
    let late = 0;
    const { aws, supply } = await waiting(async (name, _signal, effect) => {
      const answer = effect();
      if (name === "ImportKeyMaterial") late = 3;
      if (name !== "DescribeKey" || late === 0) return answer;
      late--;
      const { KeyMetadata } = answer as { readonly KeyMetadata: object };
      return { KeyMetadata: { ...KeyMetadata, KeyState: "PendingImport" } };
    });
    await expect(supply(5)).resolves.toMatchObject({ kind: "done" });
    expect(aws.tenantRecord()).toMatchObject({ state: "active", waitingFor: undefined, importParameters: undefined });
    expect(aws.replies.at(-1)).toMatchObject({ detailType: "TenantKeyMaterialImported", detail: { state: "active" } });
  });

  test("that KMS doesn't show within the budget isn't imported twice: the event comes back and finds it", async () => {
    let hidden = false;
    const { aws, supply, clock } = await waiting(async (name, _signal, effect) => {
      const answer = effect();
      if (name === "ImportKeyMaterial") hidden = true;
      if (name !== "DescribeKey" || !hidden) return answer;
      const { KeyMetadata } = answer as { readonly KeyMetadata: object };
      return { KeyMetadata: { ...KeyMetadata, KeyState: "PendingImport" } };
    });
    await expect(supply(5)).resolves.toMatchObject({ kind: "retry", error: { code: "plan_not_converging" } });
    hidden = false;
    clock.advance(5_000);
    await expect(supply(5)).resolves.toMatchObject({ kind: "done" });
    expect([aws.tenantRecord()?.state, count(aws.log, "ImportKeyMaterial")]).toEqual(["active", 1]);
  });

  test.each(["TenantKeyReviewDue", "TenantSignedUp"])(
    "can be wrapped anew after %s, once the parameters are a day old, and not before",
    async (type) => {
      const { aws, send, clock } = await waiting();
      const parameters = () => aws.tenantRecord()?.importParameters;
      await send(type, 5);
      expect([parameters()?.expiresAtMs, count(aws.log, "GetParametersForImport")]).toEqual([START_MS + DAY_MS, 0]);
      clock.advance(DAY_MS);
      await send(type, 6);
      expect([parameters()?.expiresAtMs, count(aws.log, "GetParametersForImport")]).toEqual([START_MS + 2 * DAY_MS, 1]);
      expect(aws.tenantRecord()?.state).toBe("awaiting-material");
    },
  );

  test("isn't taken for a key whose material AWS made", async () => {
    const { send } = await keyOf({});
    const change = { encryptedKeyMaterial: material("first"), importToken: material("token") };
    await expect(send(supplied, 5, change)).resolves.toMatchObject({
      kind: "refused",
      error: { code: "origin_mismatch" },
    });
  });
});

test("settings that these tests use are ones that a stage can have", () => {
  const profiles = { default: { origin: "AWS_CLOUDHSM" as const, customKeyStoreId: "cks-1234567890abcdef0" } };
  expect(() =>
    parseStageSettings({ stage: "dev", applicationRoleArns: ["arn:aws:iam::111122223333:role/app"], profiles }),
  ).not.toThrow();
});
