/**
 * The life of a key after its sign-up, on the real stacks: each event goes in over the bus, the deployed worker carries
 * it out under its own rights, and what AWS then has is read back.
 */
import {
  CreateRoleCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  GetRoleCommand,
  ListRolePoliciesCommand,
} from "@aws-sdk/client-iam";
import { GetKeyRotationStatusCommand, ScheduleKeyDeletionCommand } from "@aws-sdk/client-kms";
import { QueryCommand } from "@aws-sdk/lib-dynamodb";
import { DAY_MS, stageNames } from "@tenantkeys/core";
import { advanceClock, type LocalStage, readCalls } from "@tenantkeys/local";
import { beforeAll, describe, expect, it } from "vitest";
import { readTenantKey } from "../support/aws-state.ts";
import {
  publish,
  type ReplyTap,
  readRecord,
  tapReplies,
  tenantEnvelope,
  untilActive,
  untilSettled,
} from "../support/events.ts";
import { decrypt, describeKey, encrypt, keyPolicySids, reviewDue, untilState, workAt } from "../support/life.ts";
import { provisionerCredentials } from "../support/provisioner.ts";
import { outcome, sessionOf, tenantSession } from "../support/sessions.ts";
import { sharedStage } from "../support/shared-stage.ts";

let stage: LocalStage;
let tap: ReplyTap;

beforeAll(async () => {
  const profiles = {
    default: { watchPeriodDays: 0, deletionWindowDays: 7 },
    watched: { watchPeriodDays: 7, deletionWindowDays: 30 },
  };
  stage = await sharedStage({ settings: { profiles } });
  tap = await tapReplies(stage);
}, 120_000);

const happens = (type: string, tenantId: string, detail: object = {}) =>
  publish(stage, tenantEnvelope(type, { tenantId, ...detail }));

/** @returns the key's ARN */
async function signUp(tenantId: string, profile?: string): Promise<string> {
  await happens("TenantSignedUp", tenantId, profile === undefined ? {} : { profile });
  return (await untilActive(stage, tenantId)).keyArn ?? "";
}

const replyOf = (detailType: string, tenantId: string) =>
  tap.next(
    `${detailType} of ${tenantId}`,
    (reply) => reply.detailType === detailType && reply.detail.tenantId === tenantId,
  );

const roleOf = (tenantId: string) => `tk-${stage.settings.stage}-${tenantId}`;

/** Changes in KMS and IAM that AWS was asked for so far, by anybody. */
async function mutations(): Promise<number> {
  const calls = await readCalls(stage.emulator.endpoint);
  const changing = calls.filter(({ action }) =>
    /^(kms|iam):(?!Get|List|Describe|Encrypt|Decrypt|Generate)/.test(action),
  );
  return changing.reduce((sum, { count }) => sum + count, 0);
}

describe("a suspended tenant", () => {
  it("can't use its key, and can again once it is resumed", async () => {
    const keyArn = await signUp("paused");
    const session = await tenantSession(stage, "paused");
    const secret = await encrypt(session, keyArn, "before");

    await happens("TenantSuspended", "paused", { reason: "an unpaid invoice" });
    await untilState(stage, "paused", "suspended");
    expect((await describeKey(stage, keyArn))?.KeyState).toBe("Disabled");
    expect(await outcome(decrypt(session, keyArn, secret))).toBe("DisabledException");
    expect((await replyOf("TenantSuspensionCompleted", "paused")).detail).toMatchObject({
      keys: [{ keyName: "default", keyArn, state: "suspended" }],
    });

    await happens("TenantResumed", "paused");
    await untilState(stage, "paused", "active");
    expect(await decrypt(session, keyArn, secret)).toBe("before");
    await replyOf("TenantResumptionCompleted", "paused");
  });

  it("isn't touched by the same event again, by an older one, or by a sign-up", async () => {
    await signUp("still");
    const suspended = tenantEnvelope("TenantSuspended", { tenantId: "still" });
    await publish(stage, suspended);
    await untilState(stage, "still", "suspended");
    await replyOf("TenantSuspensionCompleted", "still");
    const before = await mutations();

    await publish(stage, suspended);
    await happens("TenantResumed", "still", { generation: 1 });
    await happens("TenantSignedUp", "still");
    await replyOf("TenantSuspensionCompleted", "still");
    await untilSettled(stage);
    expect((await readRecord(stage, "still"))?.state).toBe("suspended");
    expect(await mutations()).toBe(before);
  });

  it("gets a new key that is disabled from the start", async () => {
    await signUp("growing");
    await happens("TenantSuspended", "growing");
    await untilState(stage, "growing", "suspended");
    await happens("TenantKeyAdded", "growing", { keyName: "payroll", profile: "watched" });
    const { keyArn } = await untilState(stage, "growing", "suspended", "payroll");
    expect((await describeKey(stage, keyArn ?? ""))?.KeyState).toBe("Disabled");
    await happens("TenantResumed", "growing");
    await untilState(stage, "growing", "active", "payroll");
    expect(await outcome(encrypt(await tenantSession(stage, "growing"), keyArn ?? "", "x"))).toBe("worked");
  });
});

describe("an offboarded tenant", () => {
  it("is shut out, its key scheduled with its profile's window, and reinstated on the last day", async () => {
    const keyArn = await signUp("leaver");
    const session = await tenantSession(stage, "leaver");
    const secret = await encrypt(session, keyArn, "from before the end");

    await happens("TenantOffboarded", "leaver");
    const record = await untilState(stage, "leaver", "pending-deletion");
    expect(await describeKey(stage, keyArn)).toMatchObject({
      KeyState: "PendingDeletion",
      DeletionDate: new Date(record.deletionDateMs ?? 0),
    });
    expect(await keyPolicySids(stage, keyArn)).not.toContain("UseByTenant");
    const RoleName = roleOf("leaver");
    expect((await stage.iam.send(new ListRolePoliciesCommand({ RoleName }))).PolicyNames).toEqual([]);
    expect((await readTenantKey(stage, "leaver")).aliasKeyArn).toBe(keyArn);
    await replyOf("TenantOffboardingStarted", "leaver");
    await replyOf("TenantKeyDeletionScheduled", "leaver");

    await advanceClock(stage.emulator.endpoint, 7 * DAY_MS - 60_000);
    await happens("TenantReinstated", "leaver");
    await untilState(stage, "leaver", "active");
    const { KeyRotationEnabled, RotationPeriodInDays } = await stage.root.kms.send(
      new GetKeyRotationStatusCommand({ KeyId: keyArn }),
    );
    expect([KeyRotationEnabled, RotationPeriodInDays]).toEqual([true, 365]);
    expect((await readTenantKey(stage, "leaver")).aliasKeyArn).toBe(keyArn);
    expect(await decrypt(await tenantSession(stage, "leaver"), keyArn, secret)).toBe("from before the end");
    await replyOf("TenantReinstatementCompleted", "leaver");
  });

  it("ends with its keys gone, its role gone with the last of them, and a record of the destruction", async () => {
    await happens("TenantSignedUp", "gone", { keyNames: ["default", "payroll"] });
    const [first, second] = [await untilActive(stage, "gone"), await untilActive(stage, "gone", "payroll")];
    await happens("TenantOffboarded", "gone", { reason: "contract ended" });
    await untilState(stage, "gone", "pending-deletion");
    await untilState(stage, "gone", "pending-deletion", "payroll");
    await advanceClock(stage.emulator.endpoint, 8 * DAY_MS);

    await workAt(stage, reviewDue("gone"), 0);
    await untilState(stage, "gone", "destroyed");
    await workAt(stage, reviewDue("gone", "payroll"), 0);
    await untilState(stage, "gone", "destroyed", "payroll");
    for (const { keyArn = "" } of [first, second]) {
      expect(await outcome(describeKey(stage, keyArn))).toBe("NotFoundException");
      expect((await replyOf("TenantKeyDestroyed", "gone")).detail.destruction).toMatchObject({ approvedBy: [] });
    }
    expect(await outcome(stage.iam.send(new GetRoleCommand({ RoleName: roleOf("gone") })))).toMatch(/^NoSuchEntity/);
    expect(await destructions("gone")).toMatchObject([
      { keyName: "default", keyArn: first.keyArn, reason: "contract ended", deletionWindowDays: 7 },
      { keyName: "payroll", keyArn: second.keyArn },
    ]);
  });

  it("waits out its watch period, which a schedule ends and no sleeping function", async () => {
    const keyArn = await signUp("watched", "watched");
    await happens("TenantOffboarded", "watched");
    const waiting = await untilState(stage, "watched", "offboarding");
    expect(waiting).toMatchObject({ waitingFor: "watch-period" });
    expect(waiting.nextCheckAtMs).toBe((waiting.offboardedAtMs ?? 0) + 7 * DAY_MS);
    expect((await describeKey(stage, keyArn))?.KeyState).toBe("Disabled");

    await workAt(stage, reviewDue("watched"), 7 * DAY_MS - 60_000);
    expect((await describeKey(stage, keyArn))?.KeyState).toBe("Disabled");
    await workAt(stage, reviewDue("watched"), 7 * DAY_MS + 60_000);
    expect((await describeKey(stage, keyArn))?.KeyState).toBe("PendingDeletion");
    expect(await readRecord(stage, "watched")).toMatchObject({
      state: "pending-deletion",
      waitingFor: "deletion-window",
    });
  });

  it("can't lose its key sooner than its profile says, whoever asks", async () => {
    const keyArn = await signUp("guarded", "watched");
    const provisioner = sessionOf(stage.at, await provisionerCredentials(stage));
    const schedule = (PendingWindowInDays: number) =>
      outcome(provisioner.kms.send(new ScheduleKeyDeletionCommand({ KeyId: keyArn, PendingWindowInDays })));
    // In use: not at all.
    expect(await schedule(30)).toBe("AccessDeniedException");
    await happens("TenantOffboarded", "guarded");
    await untilState(stage, "guarded", "offboarding");
    expect(await schedule(29)).toBe("AccessDeniedException");
    expect(await schedule(30)).toBe("worked");
  });
});

describe("a tenant that returns", () => {
  it("is refused while its key is dying, gets a new key once it is gone, and old events change nothing", async () => {
    const first = tenantEnvelope("TenantSignedUp", { tenantId: "boomerang" });
    await publish(stage, first);
    const oldKey = (await untilActive(stage, "boomerang")).keyArn ?? "";
    const secret = await encrypt(await tenantSession(stage, "boomerang"), oldKey, "of the first life");
    const leaves = tenantEnvelope("TenantOffboarded", { tenantId: "boomerang" });
    await publish(stage, leaves);
    await untilState(stage, "boomerang", "pending-deletion");

    const returns = tenantEnvelope("TenantSignedUp", { tenantId: "boomerang" });
    await publish(stage, returns);
    const { detail } = await replyOf("TenantKeyProvisioningFailed", "boomerang");
    expect(detail).toMatchObject({ code: "tenant_offboarded", keptIn: "refused store" });

    await advanceClock(stage.emulator.endpoint, 8 * DAY_MS);
    await workAt(stage, reviewDue("boomerang"), 0);
    await untilState(stage, "boomerang", "destroyed");
    await publish(stage, { ...returns, detail: { ...(returns.detail as object), generation: Date.now() + 1_000 } });
    const newKey = (await untilActive(stage, "boomerang")).keyArn ?? "";
    expect(newKey).not.toBe(oldKey);
    const session = await tenantSession(stage, "boomerang");
    expect(await outcome(encrypt(session, newKey, "x"))).toBe("worked");
    expect(await outcome(decrypt(session, newKey, secret))).not.toBe("worked");

    const before = await mutations();
    for (const old of [first, leaves]) await publish(stage, old);
    await untilSettled(stage);
    expect([(await readRecord(stage, "boomerang"))?.state, await mutations()]).toEqual(["active", before]);
  });
});

describe("a role that was made again outside", () => {
  it("is let in by a new key policy where it is like ours, as the old policy holds the old role's unique id", async () => {
    const keyArn = await signUp("recreated");
    const RoleName = roleOf("recreated");
    const { Role } = await stage.iam.send(new GetRoleCommand({ RoleName }));
    await stage.iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName: "key-default" }));
    await stage.iam.send(new DeleteRoleCommand({ RoleName }));
    await stage.iam.send(
      new CreateRoleCommand({
        RoleName,
        Path: Role?.Path,
        AssumeRolePolicyDocument: decodeURIComponent(Role?.AssumeRolePolicyDocument ?? ""),
        PermissionsBoundary: Role?.PermissionsBoundary?.PermissionsBoundaryArn,
        Tags: Role?.Tags,
      }),
    );
    const use = async () => outcome(encrypt(await tenantSession(stage, "recreated"), keyArn, "x"));
    expect(await use()).toBe("AccessDeniedException");

    const again = tenantEnvelope("TenantSignedUp", { tenantId: "recreated" });
    await publish(stage, again);
    await replyOf("TenantKeyProvisioned", "recreated");
    await replyOf("TenantKeyProvisioned", "recreated");
    expect(await use()).toBe("worked");
  });
});

async function destructions(tenantId: string) {
  const command = new QueryCommand({
    TableName: stageNames(stage.settings.stage).registryTable,
    KeyConditionExpression: "pk = :pk AND begins_with(sk, :prefix)",
    ExpressionAttributeValues: { ":pk": `TENANT#${tenantId}`, ":prefix": "DESTROYED#" },
  });
  return (await stage.root.documents.send(command)).Items ?? [];
}
