/** A key that waits, from the deployed schedule to the worker: schedule, review function, index, queue, worker. */
import { CreateScheduleCommand, GetScheduleCommand, SchedulerClient } from "@aws-sdk/client-scheduler";
import { clientConfig, createRegistry, startRun, systemClock } from "@tenantkeys/aws";
import { type KeyRecord, stageNames } from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";
import { afterAll, beforeAll, expect, it } from "vitest";
import { publish, readRecord, signUpEnvelope, until, untilActive } from "../support/events.ts";
import { sharedStage } from "../support/shared-stage.ts";

let stage: LocalStage;
let scheduler: SchedulerClient;

beforeAll(async () => {
  stage = await sharedStage();
  scheduler = new SchedulerClient(clientConfig({ ...stage.at, credentials: stage.emulator.credentials }));
}, 120_000);

afterAll(() => scheduler.destroy());

it("has its key looked at when the schedule's turn comes, and a key whose time hasn't come is left alone", async () => {
  const hourLaterMs = Date.now() + 3_600_000;
  await Promise.all([publish(stage, signUpEnvelope("due")), publish(stage, signUpEnvelope("early"))]);
  await waitsUntil("due", Date.now());
  const early = await waitsUntil("early", hourLaterMs);

  const { Target } = await scheduler.send(
    new GetScheduleCommand({ Name: stageNames(stage.settings.stage).reviewSchedule }),
  );
  // A turn of the deployed schedule's target, role and input now: its own next one is minutes away.
  await scheduler.send(
    new CreateScheduleCommand({
      Name: "review-now",
      ScheduleExpression: `at(${new Date().toISOString().slice(0, 19)})`,
      FlexibleTimeWindow: { Mode: "OFF" },
      Target,
    }),
  );

  const reviewed = await until("the due key to be reviewed", async () => {
    const record = await readRecord(stage, "due");
    return record?.nextCheckAtMs === undefined && record?.leaseUntilMs === 0 && record;
  });
  expect(reviewed.state).toBe("active");
  expect(await readRecord(stage, "early")).toEqual(early);
});

/** What an active key of a stage without imported material never does by itself; a review puts it right. */
async function waitsUntil(tenantId: string, nextCheckAtMs: number): Promise<KeyRecord> {
  const record = await untilActive(stage, tenantId);
  const registry = createRegistry(stage.root, stageNames(stage.settings.stage).registryTable);
  const waiting = { ...record, fence: record.fence + 1, nextCheckAtMs };
  await registry.replace(startRun(systemClock, 10_000, 1_000), waiting, record.fence);
  return waiting;
}
