/** A turn of a deployed schedule at once: its own next one is minutes away. */
import { randomUUID } from "node:crypto";
import { CreateScheduleCommand, GetScheduleCommand, SchedulerClient } from "@aws-sdk/client-scheduler";
import { clientConfig } from "@tenantkeys/aws";
import type { LocalStage } from "@tenantkeys/local";

/** With the schedule's own target, role and input. */
export async function turnOf(stage: LocalStage, scheduleName: string): Promise<void> {
  const scheduler = new SchedulerClient(clientConfig({ ...stage.at, credentials: stage.emulator.credentials }));
  try {
    const { Target } = await scheduler.send(new GetScheduleCommand({ Name: scheduleName }));
    await scheduler.send(
      new CreateScheduleCommand({
        Name: `now-${randomUUID()}`,
        ScheduleExpression: `at(${new Date().toISOString().slice(0, 19)})`,
        FlexibleTimeWindow: { Mode: "OFF" },
        ActionAfterCompletion: "DELETE",
        Target,
      }),
    );
  } finally {
    scheduler.destroy();
  }
}
