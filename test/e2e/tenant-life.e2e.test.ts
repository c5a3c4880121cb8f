/**
 * The life of a key after its sign-up, on the real stacks: each event goes in over the bus, the deployed worker carries
 * it out under its own rights, and what AWS then has is read back.
 */
import { GetRoleCommand } from "@aws-sdk/client-iam";
import { GetKeyRotationStatusCommand, ScheduleKeyDeletionCommand } from "@aws-sdk/client-kms";
import { DAY_MS, type LifecycleState } from "@tenantkeys/core";
import { advanceClock, assumeRole, type LocalStage } from "@tenantkeys/local";
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
  describeKey,
  destructionsOf,
  encrypt,
  keyPolicySids,
  livesOn,
  mutations,
  reviewDue,
  roleThatMay,
  untilState,
  workAt,
} from "../support/life.ts";
import { provisionerCredentials } from "../support/provisioner.ts";
import { outcome, type Session, sessionOf, tenantSession } from "../support/sessions.ts";
import { sharedStage } from "../support/shared-stage.ts";

let stage: LocalStage;
let lives: ReturnType<typeof livesOn>;

beforeAll(async () => {
  const profiles = {
    default: { watchPeriodDays: 0, deletionWindowDays: 7 },
    slow: { watchPeriodDays: 0, deletionWindowDays: 30 },
    watched: { watchPeriodDays: 7, deletionWindowDays: 30 },
  };
  stage = await sharedStage({ settings: { profiles } });
  lives = livesOn(stage, await tapReplies(stage));
}, 120_000);

const roleOf = (tenantId: string) => `tk-${stage.settings.stage}-${tenantId}`;

describe("a suspended tenant", () => {
  it("can't use its key, and can again once it is resumed", async () => {
    const keyArn = await lives.signUp("paused");
    const session = await tenantSession(stage, "paused");
    const secret = await encrypt(session, keyArn, "before");

    await lives.happens("TenantSuspended", "paused", { reason: "an unpaid invoice" });
    await untilState(stage, "paused", "suspended");
    expect((await describeKey(stage, keyArn))?.KeyState).toBe("Disabled");
    expect(await outcome(encrypt(session, keyArn, "meanwhile"))).toBe("DisabledException");
    expect(await outcome(decrypt(session, keyArn, secret))).toBe("DisabledException");
    expect((await lives.replyOf("TenantSuspensionCompleted", "paused")).detail).toMatchObject({
      keys: [{ keyName: "default", keyArn, state: "suspended" }],
    });

    await lives.happens("TenantResumed", "paused");
    await untilState(stage, "paused", "active");
    expect(await decrypt(session, keyArn, secret)).toBe("before");
    await lives.replyOf("TenantResumptionCompleted", "paused");
  });

  it("isn't touched by the same event again, by an older one, or by a sign-up", async () => {
    await lives.signUp("still");
    const suspended = tenantEnvelope("TenantSuspended", { tenantId: "still" });
    await publish(stage, suspended);
    await untilState(stage, "still", "suspended");
    await lives.replyOf("TenantSuspensionCompleted", "still");
    const before = await mutations(stage);

    await publish(stage, suspended);
    await lives.happens("TenantResumed", "still", { generation: 1 });
    await lives.happens("TenantSignedUp", "still");
    await lives.replyOf("TenantSuspensionCompleted", "still");
    await untilSettled(stage);
    expect((await readRecord(stage, "still"))?.state).toBe("suspended");
    expect(await mutations(stage)).toBe(before);
  });

  it("gets a new key that is disabled from the start", async () => {
    await lives.signUp("growing");
    await lives.happens("TenantSuspended", "growing");
    await untilState(stage, "growing", "suspended");
    await lives.happens("TenantKeyAdded", "growing", { keyName: "payroll", profile: "watched" });
    const { keyArn } = await untilState(stage, "growing", "suspended", "payroll");
    expect((await describeKey(stage, keyArn ?? ""))?.KeyState).toBe("Disabled");
    await lives.happens("TenantResumed", "growing");
    await untilState(stage, "growing", "active", "payroll");
    expect(await outcome(encrypt(await tenantSession(stage, "growing"), keyArn ?? "", "x"))).toBe("worked");
  });
});

describe("an offboarded tenant", () => {
  it("is shut out, its key scheduled with its profile's window, and reinstated on the last day", async () => {
    const keyArn = await lives.signUp("leaver");
    const session = await tenantSession(stage, "leaver");
    const secret = await encrypt(session, keyArn, "from before the end");

    const before = await describeKey(stage, keyArn);
    await lives.happens("TenantOffboarded", "leaver");
    const record = await untilState(stage, "leaver", "pending-deletion");
    const DeletionDate = new Date(record.deletionDateMs ?? 0);
    expect(await describeKey(stage, keyArn)).toMatchObject({ KeyState: "PendingDeletion", DeletionDate });
    const windowMs = DeletionDate.getTime() - (before?.CreationDate?.getTime() ?? 0);
    expect(Math.round(windowMs / DAY_MS)).toBe(7);
    expect(await keyPolicySids(stage, keyArn)).not.toContain("UseByTenant");
    const shut = await readTenantKey(stage, "leaver");
    expect([shut.aliasKeyArn, shut.rolePolicyNames]).toEqual([keyArn, []]);
    const { offboardedAtMs = 0, scheduledAtMs = 0 } = record;
    expect([offboardedAtMs > 0, scheduledAtMs >= offboardedAtMs, record.waitingFor]).toEqual([
      true,
      true,
      "deletion-window",
    ]);
    await lives.replyOf("TenantOffboardingStarted", "leaver");
    const { detail } = await lives.replyOf("TenantKeyDeletionScheduled", "leaver");
    expect(detail).toMatchObject({ keyArn, deletionDate: DeletionDate.toISOString() });

    await advanceClock(stage.emulator.endpoint, 7 * DAY_MS - 60_000);
    await lives.happens("TenantReinstated", "leaver");
    await untilState(stage, "leaver", "active");
    const { KeyRotationEnabled, RotationPeriodInDays } = await stage.root.kms.send(
      new GetKeyRotationStatusCommand({ KeyId: keyArn }),
    );
    expect([KeyRotationEnabled, RotationPeriodInDays]).toEqual([true, 365]);
    const back = await readTenantKey(stage, "leaver");
    expect([back.aliasKeyArn, back.rolePolicyNames]).toEqual([keyArn, ["key-default"]]);
    expect(await decrypt(await tenantSession(stage, "leaver"), keyArn, secret)).toBe("from before the end");
    await lives.replyOf("TenantReinstatementCompleted", "leaver");
  });

  it("ends with its keys gone, its role gone with the last of them, and a record of each destruction", async () => {
    await lives.signUp("gone");
    await lives.happens("TenantKeyAdded", "gone", { keyName: "payroll", profile: "slow" });
    const [first, second] = [await untilActive(stage, "gone"), await untilActive(stage, "gone", "payroll")];
    // Back once in between: the second departure is the one that counts.
    const bothAre = async (state: LifecycleState) => {
      for (const keyName of ["default", "payroll"]) await untilState(stage, "gone", state, keyName);
    };
    await lives.happens("TenantOffboarded", "gone", { reason: "a mistake" });
    await bothAre("pending-deletion");
    await lives.happens("TenantReinstated", "gone");
    await bothAre("active");
    await lives.happens("TenantOffboarded", "gone", { reason: "contract ended" });
    await bothAre("pending-deletion");
    const role = () => outcome(stage.iam.send(new GetRoleCommand({ RoleName: roleOf("gone") })));

    await advanceClock(stage.emulator.endpoint, 8 * DAY_MS);
    await deliver(stage, reviewDue("gone"));
    await untilState(stage, "gone", "destroyed");
    expect(await outcome(describeKey(stage, first.keyArn ?? ""))).toBe("NotFoundException");
    expect([await lives.stateInKms(second.keyArn ?? ""), await role()]).toEqual(["PendingDeletion", "worked"]);

    await advanceClock(stage.emulator.endpoint, 23 * DAY_MS);
    await deliver(stage, reviewDue("gone", "payroll"));
    await untilState(stage, "gone", "destroyed", "payroll");
    expect(await outcome(describeKey(stage, second.keyArn ?? ""))).toBe("NotFoundException");
    expect(await role()).toMatch(/^NoSuchEntity/);
    expect((await readTenantKey(stage, "gone")).aliasKeyArn).toBeUndefined();
    for (const { keyArn } of [first, second]) {
      const { detail } = await lives.replyOf("TenantKeyDestroyed", "gone");
      expect(detail).toMatchObject({ keyArn, state: "destroyed", destruction: { approvedBy: [] } });
    }
    expect(await destructionsOf(stage, "gone")).toMatchObject([
      { keyName: "default", keyArn: first.keyArn, reason: "contract ended", deletionWindowDays: 7 },
      { keyName: "payroll", keyArn: second.keyArn, reason: "contract ended", deletionWindowDays: 30 },
    ]);
  });

  it("waits out its watch period, which a schedule ends and no sleeping function", async () => {
    const keyArn = await lives.signUp("watched", "watched");
    await lives.happens("TenantOffboarded", "watched");
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
    const keyArn = await lives.signUp("guarded", "watched");
    const RoleArn = await roleThatMay(stage, "an-administrator", "kms:*");
    const administrator = sessionOf(stage.at, await assumeRole(stage.at, stage.emulator.credentials, RoleArn));
    const provisioner = sessionOf(stage.at, await provisionerCredentials(stage));
    const schedule = ({ kms }: Session, PendingWindowInDays: number) =>
      outcome(kms.send(new ScheduleKeyDeletionCommand({ KeyId: keyArn, PendingWindowInDays })));
    // In use: not at all, by the service itself.
    expect(await schedule(provisioner, 30)).toBe("AccessDeniedException");
    await lives.happens("TenantOffboarded", "guarded");
    await untilState(stage, "guarded", "offboarding");
    for (const windowDays of [7, 29]) {
      expect(await schedule(provisioner, windowDays)).toBe("AccessDeniedException");
      expect(await schedule(administrator, windowDays)).toBe("AccessDeniedException");
    }
    expect(await lives.stateInKms(keyArn)).toBe("Disabled");
    expect(await schedule(provisioner, 30)).toBe("worked");
  });
});
