/**
 * A tenant that comes back, and a role that somebody made anew, on the real stacks: what is let in again and what never is.
 */
import {
  CreateRoleCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  GetRoleCommand,
  type Role,
} from "@aws-sdk/client-iam";
import { DAY_MS } from "@tenantkeys/core";
import { advanceClock, type LocalStage } from "@tenantkeys/local";
import { beforeAll, describe, expect, it } from "vitest";
import { readTenantKey } from "../support/aws-state.ts";
import {
  deliver,
  publish,
  readRecord,
  tapReplies,
  tenantEnvelope,
  untilActive,
  untilSettled,
} from "../support/events.ts";
import {
  decrypt,
  encrypt,
  keptBody,
  keptEvents,
  livesOn,
  mutations,
  person,
  reviewDue,
  say,
  untilState,
} from "../support/life.ts";
import { outcome, tenantSession } from "../support/sessions.ts";
import { sharedStage } from "../support/shared-stage.ts";

let stage: LocalStage;
let lives: ReturnType<typeof livesOn>;

beforeAll(async () => {
  stage = await sharedStage({ settings: { profiles: { default: { watchPeriodDays: 0, deletionWindowDays: 7 } } } });
  lives = livesOn(stage, await tapReplies(stage));
}, 120_000);

describe("a tenant that returns", () => {
  it("is refused while its key is dying, and its kept sign-up, replayed as it is, makes a new key after the end", async () => {
    const oldKey = await lives.signUp("boomerang");
    const secret = await encrypt(await tenantSession(stage, "boomerang"), oldKey, "of the first life");
    await lives.happens("TenantOffboarded", "boomerang");
    await untilState(stage, "boomerang", "pending-deletion");

    await lives.happens("TenantSignedUp", "boomerang");
    const { detail } = await lives.replyOf("TenantKeyProvisioningFailed", "boomerang");
    expect(detail).toMatchObject({ code: "tenant_offboarded", keptIn: "refused store" });
    expect((await readTenantKey(stage, "boomerang")).aliasKeyArn).toBe(oldKey);
    const [kept] = await keptEvents(stage, "boomerang");
    if (kept === undefined) throw new Error("nothing is kept");

    await advanceClock(stage.emulator.endpoint, 8 * DAY_MS);
    await deliver(stage, reviewDue("boomerang"));
    await untilState(stage, "boomerang", "destroyed");
    await deliver(stage, await keptBody(stage, kept));
    const newKey = (await untilActive(stage, "boomerang")).keyArn ?? "";
    expect([newKey === oldKey, (await readTenantKey(stage, "boomerang")).aliasKeyArn]).toEqual([false, newKey]);
    const session = await tenantSession(stage, "boomerang");
    expect(await outcome(encrypt(session, newKey, "x"))).toBe("worked");
    // Not with the new key, and the old one is nowhere.
    expect(await outcome(decrypt(session, newKey, secret))).toBe("IncorrectKeyException");
    expect(await outcome(decrypt(session, oldKey, secret))).not.toBe("worked");
  });

  it("isn't touched by the events of its first life, all replayed, nor by one that was never delivered", async () => {
    const alice = await person(stage, "alice");
    const types = ["SignedUp", "Suspended", "Resumed", "Suspended", "Offboarded", "Reinstated", "Offboarded"];
    const never = tenantEnvelope("TenantSuspended", { tenantId: "reborn" });
    const firstLife = types.map((type) => tenantEnvelope(`Tenant${type}`, { tenantId: "reborn" }));
    for (const event of firstLife) {
      await publish(stage, event);
      await untilSettled(stage);
    }
    await untilState(stage, "reborn", "pending-deletion");
    for (const type of ["TenantLegalHoldPlaced", "TenantLegalHoldReleased"]) {
      firstLife.push(await say(alice, stage, type, { tenantId: "reborn", reason: "case 4711" }));
      await untilSettled(stage);
    }
    await untilState(stage, "reborn", "pending-deletion");
    await advanceClock(stage.emulator.endpoint, 8 * DAY_MS);
    await deliver(stage, reviewDue("reborn"));
    await untilState(stage, "reborn", "destroyed");
    const keyArn = await lives.signUp("reborn");
    const before = await mutations(stage);

    for (const old of [...firstLife, never]) await publish(stage, old);
    await untilSettled(stage);
    expect(await mutations(stage)).toBe(before);
    expect(await readRecord(stage, "reborn")).toMatchObject({ state: "active", keyArn });
    expect(await outcome(encrypt(await tenantSession(stage, "reborn"), keyArn, "x"))).toBe("worked");
  });
});

/** Deletes a tenant's role, as somebody might, and makes another of its name. */
async function makeRoleAgain(tenantId: string, change: (role: Role) => Partial<Role>): Promise<string> {
  const RoleName = `tk-${stage.settings.stage}-${tenantId}`;
  const { Role } = await stage.iam.send(new GetRoleCommand({ RoleName }));
  if (Role === undefined) throw new Error(`${RoleName} isn't there`);
  await stage.iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName: "key-default" }));
  await stage.iam.send(new DeleteRoleCommand({ RoleName }));
  const { Path, AssumeRolePolicyDocument = "", PermissionsBoundary, Tags } = { ...Role, ...change(Role) };
  await stage.iam.send(
    new CreateRoleCommand({
      RoleName,
      Path,
      AssumeRolePolicyDocument: decodeURIComponent(AssumeRolePolicyDocument),
      PermissionsBoundary: PermissionsBoundary?.PermissionsBoundaryArn,
      Tags,
    }),
  );
  return RoleName;
}

describe("a role that was made again outside", () => {
  it("is let in by a new key policy where it is like ours, as the old policy holds the old role's unique id", async () => {
    const keyArn = await lives.signUp("recreated");
    await lives.replyOf("TenantKeyProvisioned", "recreated");
    await makeRoleAgain("recreated", () => ({}));
    const use = async () => outcome(encrypt(await tenantSession(stage, "recreated"), keyArn, "x"));
    expect(await use()).toBe("AccessDeniedException");

    await lives.happens("TenantSignedUp", "recreated");
    await lives.replyOf("TenantKeyProvisioned", "recreated");
    expect(await use()).toBe("worked");
  });

  it("is refused and left alone where it isn't tagged as ours", async () => {
    const keyArn = await lives.signUp("impostor");
    await makeRoleAgain("impostor", () => ({ Tags: [{ Key: "owner", Value: "somebody" }] }));

    await lives.happens("TenantSignedUp", "impostor");
    const { detail } = await lives.replyOf("TenantKeyProvisioningFailed", "impostor");
    expect(detail).toMatchObject({ code: "role_taken", keptIn: "refused store" });
    expect((await readTenantKey(stage, "impostor")).rolePolicyNames).toEqual([]);
    expect(await outcome(encrypt(await tenantSession(stage, "impostor"), keyArn, "x"))).toBe("AccessDeniedException");
    // In use: a failed run doesn't take the key's state away.
    expect(await readRecord(stage, "impostor")).toMatchObject({ state: "active", failure: { code: "role_taken" } });
  });
});
