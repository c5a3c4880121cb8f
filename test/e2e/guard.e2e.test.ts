/** The guard on the real stacks: CloudTrail's event, rule on the default bus, queue, verify function, worker. */
import { DisableKeyCommand, ScheduleKeyDeletionCommand } from "@aws-sdk/client-kms";
import { type LocalStage, startTrail } from "@tenantkeys/local";
import { beforeAll, expect, it } from "vitest";
import { type Alarms, alarmsOf } from "../support/alarms.ts";
import { DRIFT_PROFILES, signUpAll } from "../support/drifts/index.ts";
import { publish, readRecord, tenantEnvelope, until } from "../support/events.ts";
import { describeKey, untilState } from "../support/life.ts";
import { sharedStage } from "../support/shared-stage.ts";
import { closedRules, openFindings, sweepFromSchedule, wrongByTenant } from "../support/sweeps.ts";

let stage: LocalStage;
let alarms: Alarms;

beforeAll(async () => {
  // Of so few keys the usual share is one a day.
  const settings = { profiles: DRIFT_PROFILES, cancelUnintendedDeletions: true, repairSharePercent: 100 };
  stage = await sharedStage({ settings });
  alarms = await alarmsOf(stage);
  await signUpAll(stage, ["leaver", "by-hand", "found-by-sweep", "shut"], { leaver: "brief" });
  await sweepFromSchedule(stage);
}, 180_000);

const keyArnOf = async (tenantId: string) => (await readRecord(stage, tenantId))?.keyArn ?? "";

async function alarmsNow(): Promise<readonly string[]> {
  return Object.entries(await alarms.states()).flatMap(([name, state]) => (state === "ALARM" ? [name] : []));
}

/** The stage says that nobody is asked: the worker cancels the deletion and enables the key. */
async function untilUndone(tenantId: string, keyArn: string): Promise<void> {
  await until("the key to be enabled again", async () => (await describeKey(stage, keyArn))?.KeyState === "Enabled");
  await until("the finding to close", async () => (await wrongByTenant(stage))[tenantId] === undefined);
  expect(await closedRules(stage, tenantId)).toContain("key-pending-deletion-unintended");
}

it("isn't needed for a deletion that a sweep finds, where no trail tells of the call", async () => {
  const KeyId = await keyArnOf("found-by-sweep");
  await stage.root.kms.send(new ScheduleKeyDeletionCommand({ KeyId }));
  expect(await wrongByTenant(stage)).toEqual({});

  await sweepFromSchedule(stage);
  expect(await alarms.nextMessage()).toMatchObject({ AlarmName: "tenantkeys-local-page", NewStateValue: "ALARM" });
  await untilUndone("found-by-sweep", KeyId);

  await alarms.letWindowPass();
  await sweepFromSchedule(stage);
  expect([await wrongByTenant(stage), await alarmsNow()]).toEqual([{}, []]);
  await alarms.drain();
});

it("has nothing to say but for information when an offboarding schedules a deletion", async () => {
  await startTrail(stage.emulator);
  await publish(stage, tenantEnvelope("TenantOffboarded", { tenantId: "leaver" }));
  await untilState(stage, "leaver", "pending-deletion");
  const [intended] = await until("the guard to see the deletion", async () => {
    const open = await openFindings(stage);
    return open.length > 0 && open;
  });
  expect(intended).toMatchObject({ ruleId: "key-pending-deletion-intended", tenantId: "leaver" });

  await sweepFromSchedule(stage);
  expect(await wrongByTenant(stage)).toEqual({});
  expect(await alarmsNow()).toEqual([]);
  expect(await alarms.drain()).toBe(0);
});

it("rings for a deletion that somebody schedules by hand, and has the key enabled again", async () => {
  const KeyId = await keyArnOf("by-hand");
  await stage.root.kms.send(new ScheduleKeyDeletionCommand({ KeyId }));
  await untilUndone("by-hand", KeyId);
  expect(await alarmsNow()).toEqual(
    expect.arrayContaining(["tenantkeys-local-unintended-deletions", "tenantkeys-local-page"]),
  );
  expect(await alarms.nextMessage()).toMatchObject({ AlarmName: "tenantkeys-local-page", NewStateValue: "ALARM" });
  expect((await readRecord(stage, "by-hand"))?.state).toBe("active");
});

it("finds within moments what else somebody does to a key, and leaves that to a person", async () => {
  const KeyId = await keyArnOf("shut");
  await stage.root.kms.send(new DisableKeyCommand({ KeyId }));
  const wrong = await until("the guard to find it", async () => (await wrongByTenant(stage)).shut);
  expect(wrong).toEqual(["key-disabled"]);
  expect((await describeKey(stage, KeyId))?.KeyState).toBe("Disabled");
});
