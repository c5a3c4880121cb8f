/** From a drift to a person's queue: sweep, finding, metric, alarm, composite alarm, topic. And back, once it is put right. */
import { CancelKeyDeletionCommand, EnableKeyCommand, ScheduleKeyDeletionCommand } from "@aws-sdk/client-kms";
import type { LocalStage } from "@tenantkeys/local";
import { beforeAll, expect, it } from "vitest";
import { type Alarms, alarmsOf } from "../support/alarms.ts";
import { operatorCredentials, tenantkeys } from "../support/command-line.ts";
import { type DriftBench, driftBench, driftedKey, putKeyPolicy, signUpAll } from "../support/drifts/index.ts";
import { readRecord, untilActive } from "../support/events.ts";
import { sharedStage } from "../support/shared-stage.ts";
import { sweepFromSchedule, wrongByTenant } from "../support/sweeps.ts";

const TENANTS = ["touched", "left-alone", "also-left-alone"];

let stage: LocalStage;
let bench: DriftBench;
let alarms: Alarms;

beforeAll(async () => {
  stage = await sharedStage();
  bench = driftBench(stage);
  alarms = await alarmsOf(stage);
  await signUpAll(stage, TENANTS);
  await sweepFromSchedule(stage);
}, 180_000);

async function touched() {
  return driftedKey(stage, await untilActive(stage, "touched"));
}

async function quietAgain(): Promise<void> {
  await alarms.letWindowPass();
  await sweepFromSchedule(stage);
  expect(await wrongByTenant(stage)).toEqual({});
  expect(await alarms.stateOf("page")).toBe("OK");
  await alarms.drain();
}

it("nothing is in alarm while everything is as declared", async () => {
  expect(await wrongByTenant(stage)).toEqual({});
  expect(Object.entries(await alarms.states()).filter(([, state]) => state === "ALARM")).toEqual([]);
  expect(await alarms.drain()).toBe(0);
});

it("a deletion scheduled by hand rings, and stops ringing once it is taken back", async () => {
  const { keyArn: KeyId } = await touched();
  await stage.root.kms.send(new ScheduleKeyDeletionCommand({ KeyId }));
  await sweepFromSchedule(stage);
  expect(await wrongByTenant(stage)).toEqual({ touched: ["key-pending-deletion-unintended"] });
  expect(await alarms.stateOf("unintended-deletions")).toBe("ALARM");
  expect(await alarms.stateOf("page")).toBe("ALARM");
  // By itself, as the finding opened, before any alarm.
  expect(await alarms.nextCall()).toMatchObject({ criticalFindings: ["key-pending-deletion-unintended"] });
  expect(await alarms.nextMessage()).toMatchObject({ AlarmName: "tenantkeys-local-page", NewStateValue: "ALARM" });

  await stage.root.kms.send(new CancelKeyDeletionCommand({ KeyId }));
  await stage.root.kms.send(new EnableKeyCommand({ KeyId }));
  await quietAgain();
});

it("a key policy that lets in a stranger rings as a critical finding, and not as a deletion", async () => {
  const { keyArn, desired } = await touched();
  const Principal = { AWS: stage.applicationRoleArn };
  const stranger = { Sid: "Stranger", Effect: "Allow", Principal, Action: "kms:Decrypt", Resource: "*" };
  await putKeyPolicy(bench, keyArn, [...desired.admittedPolicy.Statement, stranger]);
  await sweepFromSchedule(stage);
  expect(await wrongByTenant(stage)).toEqual({ touched: ["key-policy-not-contained"] });
  expect(await alarms.stateOf("critical-findings")).toBe("ALARM");
  expect(await alarms.stateOf("unintended-deletions")).toBe("OK");
  expect(await alarms.nextMessage()).toMatchObject({ AlarmName: "tenantkeys-local-page", NewStateValue: "ALARM" });

  await putKeyPolicy(bench, keyArn, desired.admittedPolicy.Statement);
  await quietAgain();
});

it("a key whose policy the auditor may not read rings, is told by the command, and hides no other tenant's drift", async () => {
  const { keyArn, desired } = await touched();
  const Principal = { AWS: stage.context.auditorRoleArn };
  const hidden = { Sid: "Hidden", Effect: "Deny", Principal, Action: "kms:GetKeyPolicy", Resource: "*" };
  await putKeyPolicy(bench, keyArn, [...desired.admittedPolicy.Statement, hidden]);
  const { keyArn: otherArn } = (await readRecord(stage, "left-alone")) ?? {};
  await bench.stage.root.kms.send(new ScheduleKeyDeletionCommand({ KeyId: otherArn }));

  const { readsDenied } = await sweepFromSchedule(stage);
  expect(readsDenied).toBeGreaterThan(0);
  expect(await wrongByTenant(stage)).toEqual({
    touched: ["could-not-verify"],
    "left-alone": ["key-pending-deletion-unintended"],
  });
  expect(await alarms.stateOf("could-not-verify")).toBe("ALARM");
  expect(await alarms.nextMessage()).toMatchObject({ AlarmName: "tenantkeys-local-page", NewStateValue: "ALARM" });

  const operator = await operatorCredentials(stage);
  const verified = (tenantId: string) => tenantkeys(stage, operator, ["verify", tenantId, "--json"]);
  const [denied, drifted, clean] = await Promise.all(["touched", "left-alone", "also-left-alone"].map(verified));
  expect([denied?.exitCode, drifted?.exitCode, clean?.exitCode]).toEqual([3, 2, 0]);
  expect(denied?.stdout).toContain("kms:GetKeyPolicy denied");
});
