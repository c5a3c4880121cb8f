/** A declaration may change a key's profile, and never what KMS decides of a key when it is made. */
import { completeKeyProfile } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { tenantEvent, worker } from "./event-worker.test-support.ts";
import { SETTINGS } from "./test-support.ts";

const PROFILES = {
  default: completeKeyProfile(),
  slow: completeKeyProfile({ deletionWindowDays: 14, watchPeriodDays: 0, actions: "decrypt-only" }),
  byok: completeKeyProfile({ origin: "EXTERNAL" }),
  codes: completeKeyProfile({ keySpec: "HMAC_256" }),
  module: completeKeyProfile({ origin: "AWS_CLOUDHSM", customKeyStoreId: "cks-1" }),
  "other-module": completeKeyProfile({ origin: "AWS_CLOUDHSM", customKeyStoreId: "cks-2" }),
};
type Profile = keyof typeof PROFILES;

async function keyMadeWith(profile: Profile) {
  const world = worker(undefined, { profiles: PROFILES, stage: { ...SETTINGS, profiles: PROFILES } });
  const send = (type: string, generation: number, detail: object = {}) =>
    world.work({ body: tenantEvent(type, generation, detail), messageId: `${type}-${generation}` });
  await send("TenantSignedUp", 1, { profile });
  return { ...world, send };
}

describe("a key that was made", () => {
  test.each<[Profile, Profile, string]>([
    ["default", "byok", "is of origin EXTERNAL"],
    ["byok", "default", "is of origin AWS_KMS"],
    ["default", "codes", "is of keySpec HMAC_256"],
    ["module", "other-module", "is of customKeyStoreId cks-2"],
  ])("with profile %s isn't declared with %s", async (made, declared, reason) => {
    const { aws, send } = await keyMadeWith(made);
    const before = structuredClone([aws.tenantRecord(), aws.keys]);
    await expect(send("TenantSignedUp", 2, { profile: declared })).resolves.toMatchObject({
      kind: "refused",
      error: { code: "origin_mismatch", message: expect.stringContaining(reason) },
    });
    expect([aws.tenantRecord(), aws.keys]).toEqual(before);
  });

  test("isn't declared so while its tenant leaves either, and so comes back as it was", async () => {
    const { aws, send } = await keyMadeWith("default");
    await send("TenantOffboarded", 2);
    await expect(send("TenantSignedUp", 3, { profile: "byok" })).resolves.toMatchObject({
      error: { code: "origin_mismatch" },
    });
    await send("TenantReinstated", 4);
    expect(aws.tenantRecord()).toMatchObject({ state: "active", profile: "default" });
  });

  test("is suspended all the same after such a declaration", async () => {
    const { aws, send } = await keyMadeWith("default");
    await send("TenantSignedUp", 2, { profile: "byok" });
    await send("TenantSuspended", 3);
    expect([aws.tenantRecord()?.state, aws.keys[0]?.state]).toEqual(["suspended", "Disabled"]);
  });

  test("is declared with another profile of its kind", async () => {
    const { aws, send } = await keyMadeWith("default");
    await expect(send("TenantSignedUp", 2, { profile: "slow" })).resolves.toMatchObject({ kind: "done" });
    expect(aws.tenantRecord()).toMatchObject({ state: "active", profile: "slow" });
  });
});

test("a key that isn't made yet is declared with any profile", async () => {
  const { aws, send } = await keyMadeWith("module");
  aws.storeState = "DISCONNECTED";
  await send("TenantKeyAdded", 2, { keyName: "own", profile: "module" });
  expect(aws.records.get("acme/own")).toMatchObject({ state: "failed", failure: { code: "key_store_unavailable" } });
  await expect(send("TenantKeyAdded", 3, { keyName: "own", profile: "byok" })).resolves.toMatchObject({ kind: "done" });
  expect(aws.records.get("acme/own")).toMatchObject({ state: "awaiting-material", profile: "byok" });
});

test("the key of a new life is of any kind", async () => {
  const { aws, send, clock } = await keyMadeWith("slow");
  await send("TenantOffboarded", 2);
  clock.advance(31 * 86_400_000);
  aws.letTimePass();
  await send("TenantKeyReviewDue", 3);
  expect(aws.tenantRecord()?.state).toBe("destroyed");
  await expect(send("TenantSignedUp", 4, { profile: "byok" })).resolves.toMatchObject({ kind: "done" });
  expect(aws.keys.map(({ origin }) => origin)).toEqual(["EXTERNAL"]);
});
