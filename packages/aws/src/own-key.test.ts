/** A key of the tenant's own account on the in-memory AWS: let in and shut out by our role alone, and never touched. */
import { completeKeyProfile, type KeyProfile } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { tenantEvent, worker } from "./event-worker.test-support.ts";
import { awsError, SETTINGS } from "./test-support.ts";

const OWN_KEY = "arn:aws:kms:eu-west-1:444455556666:key/own";
const ROLE = "tk-dev-acme";
const TOUCHES_KEYS = /Key|Alias|Rotat|Import/;

/** @param world.describable whether the owner's policy lets us look at the key */
function tenantWithOwnKey(given: Partial<KeyProfile> = {}, world = { describable: true }) {
  const profiles = { default: completeKeyProfile({ watchPeriodDays: 0, ...given }) };
  const made = worker(
    async (name, _signal, effect) => {
      if (name === "DescribeKey" && !world.describable) throw awsError("AccessDeniedException", 400);
      return effect();
    },
    { profiles, stage: { ...SETTINGS, profiles, tenantOwnedKeys: true } },
  );
  made.aws.keys.push({
    arn: OWN_KEY,
    tags: {},
    indexedAtMs: 0,
    policy: "{}",
    rotationPeriodDays: undefined,
    rotatedAtMs: [],
    createdAtMs: 0,
    grants: [],
    origin: "AWS_KMS",
    keySpec: profiles.default.keySpec,
    xksKeyId: undefined,
    state: "Enabled",
    deletionDateMs: undefined,
    material: undefined,
    materialExpiresAtMs: undefined,
    everAdmitted: false,
  });
  const before = structuredClone(made.aws.keys);
  const send = (type: string, generation: number, detail: object = {}) =>
    made.work({ body: tenantEvent(type, generation, detail), messageId: `${type}-${generation}` });
  return {
    ...made,
    send,
    add: (generation: number, detail: object = { keyArn: OWN_KEY }) =>
      send("TenantKeyAdded", generation, { keyName: "own", ...detail }),
    record: () => made.aws.records.get("acme/own"),
    isLetIn: () => made.aws.roles.get(ROLE)?.policies.get("key-own")?.includes(OWN_KEY) === true,
    expectKeyUntouched() {
      expect(made.aws.keys).toEqual(before);
      const reads = /^(Describe|Get|List)/;
      expect(made.aws.log.filter((call) => TOUCHES_KEYS.test(call) && !reads.test(call))).toEqual([]);
    },
  };
}

describe("a key of the tenant's own account", () => {
  test("is let in, shut out, let in again and left, and nothing is ever done to it", async () => {
    const { add, send, record, isLetIn, aws, expectKeyUntouched } = tenantWithOwnKey();
    await add(1);
    expect([record()?.state, record()?.keyArn, isLetIn()]).toEqual(["active", OWN_KEY, true]);
    await send("TenantSuspended", 2);
    expect([record()?.state, isLetIn()]).toEqual(["suspended", false]);
    await send("TenantResumed", 3);
    expect([record()?.state, isLetIn()]).toEqual(["active", true]);
    await send("TenantOffboarded", 4);
    expect([record()?.state, aws.roles.size, aws.destructions]).toEqual(["destroyed", 0, []]);
    expect(aws.replies.map(({ detailType }) => detailType)).not.toContain("TenantKeyDestroyed");
    expectKeyUntouched();
  });

  test.each<[string, Partial<KeyProfile>]>([
    ["which KMS could rotate", {}],
    ["which could be replaced by a new key", { keySpec: "HMAC_256" }],
  ])("%s isn't rotated: that is its owner's to do", async (_, profile) => {
    const { add, send, record, expectKeyUntouched } = tenantWithOwnKey(profile);
    await add(1);
    await expect(send("TenantKeyRotationRequested", 2, { keyName: "own" })).resolves.toMatchObject({
      kind: "refused",
      error: { code: "rotation_unsupported" },
    });
    expect(record()).toMatchObject({ state: "active", keyArn: OWN_KEY });
    expect(record()?.rotation).toBeUndefined();
    expectKeyUntouched();
  });

  test("takes no material from us, also where its profile is for imported material", async () => {
    const { add, send, expectKeyUntouched } = tenantWithOwnKey({ origin: "EXTERNAL" });
    await add(1);
    const importToken = Buffer.from(OWN_KEY).toString("base64");
    const material = { keyName: "own", encryptedKeyMaterial: "AAAA", importToken };
    await expect(send("TenantKeyMaterialSupplied", 2, material)).resolves.toMatchObject({
      kind: "refused",
      error: { code: "origin_mismatch" },
    });
    expectKeyUntouched();
  });

  test("that can't be used isn't let in, so that a suspension holds that passes failed keys by", async () => {
    const world = { describable: false };
    const { add, send, record, isLetIn, aws } = tenantWithOwnKey({}, world);
    await expect(add(1)).resolves.toMatchObject({ kind: "refused", error: { code: "own_key_unusable" } });
    // For its owner to name in the key's policy.
    expect(aws.roles.has(ROLE)).toBe(true);
    await send("TenantSuspended", 2);
    expect([record()?.state, isLetIn()]).toEqual(["failed", false]);
    world.describable = true;
    await add(3);
    expect([record()?.state, isLetIn()]).toEqual(["suspended", false]);
    await send("TenantResumed", 4);
    expect([record()?.state, isLetIn()]).toEqual(["active", true]);
  });

  test("that its owner took back meanwhile stays shut out when its tenant is resumed, and in use where it was", async () => {
    const world = { describable: true };
    const { add, send, record, isLetIn } = tenantWithOwnKey({}, world);
    await add(1);
    world.describable = false;
    await expect(add(2)).resolves.toMatchObject({ error: { code: "own_key_unusable" } });
    expect([record()?.state, isLetIn()]).toEqual(["active", true]);
    await send("TenantSuspended", 3);
    await expect(send("TenantResumed", 4)).resolves.toMatchObject({ error: { code: "own_key_unusable" } });
    expect([record()?.state, isLetIn()]).toEqual(["suspended", false]);
  });

  test("gives its name back at its end: the next life's key may be one that we make, or another own one", async () => {
    const { add, send, record, aws } = tenantWithOwnKey();
    await add(1);
    await expect(add(2, {})).resolves.toMatchObject({ error: { code: "state_conflict" } });
    await send("TenantOffboarded", 3);
    await expect(add(4, {})).resolves.toMatchObject({ kind: "done" });
    expect(record()).toMatchObject({ state: "active", ownKeyArn: undefined });
    expect(aws.keys.map(({ arn }) => arn)).toEqual([OWN_KEY, record()?.keyArn]);
  });
});
