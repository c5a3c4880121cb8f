/** Turns of the deployed sweep schedule, and what the registry then has of it. */
import { GetCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { createFindingStore, createPublisher, startRun, systemClock } from "@tenantkeys/aws";
import { parseTenantId, type RuleId, type StoredFinding, type Sweep, stageNames } from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";
import { until } from "./events.ts";
import { turnOf } from "./schedules.ts";

/** The one that is under way, or the last. */
export async function currentSweep(stage: LocalStage): Promise<Sweep | undefined> {
  const { Item } = await stage.root.documents.send(new GetCommand({ ...currentItem(stage), ConsistentRead: true }));
  return Item as Sweep | undefined;
}

function currentItem({ settings }: LocalStage) {
  return { TableName: stageNames(settings.stage).registryTable, Key: { pk: "SWEEP", sk: "CURRENT" } };
}

/** A turn of the deployed schedule's own target, role and input, now: its own next one is minutes away. */
export function turnOfSchedule(stage: LocalStage): Promise<void> {
  return turnOf(stage, stageNames(stage.settings.stage).sweepSchedule);
}

/** As if the stage's interval had passed since the last sweep began. @returns that one */
export async function letSweepBeDue(stage: LocalStage): Promise<Sweep | undefined> {
  const last = await currentSweep(stage);
  if (last === undefined) return undefined;
  const startedAtMs = Date.now() - stage.settings.sweepIntervalMinutes * 60_000 - 1_000;
  await stage.root.documents.send(
    new UpdateCommand({
      ...currentItem(stage),
      UpdateExpression: "SET startedAtMs = :before",
      ExpressionAttributeValues: { ":before": startedAtMs },
    }),
  );
  return last;
}

/** From the schedule to the sweep's end. */
export async function sweepFromSchedule(stage: LocalStage): Promise<Sweep> {
  const before = await letSweepBeDue(stage);
  await turnOfSchedule(stage);
  return untilSwept(stage, before?.sweepId);
}

/** @param before the sweep that doesn't count */
export function untilSwept(stage: LocalStage, before?: string): Promise<Sweep> {
  return until(
    "a sweep to end",
    async () => {
      const sweep = await currentSweep(stage);
      return sweep !== undefined && sweep.sweepId !== before && sweep.phase === "closed" && sweep;
    },
    110_000,
  );
}

export async function openFindings(stage: LocalStage): Promise<readonly StoredFinding[]> {
  const open: StoredFinding[] = [];
  for await (const finding of findingStore(stage).listOpen(reading())) open.push(finding);
  return open;
}

/** The rules of a tenant's findings that are closed, newest first. */
export async function closedRules(stage: LocalStage, tenantId: string): Promise<readonly RuleId[]> {
  const closed = await findingStore(stage).history(reading(), parseTenantId(tenantId), 10);
  return closed.map(({ ruleId }) => ruleId);
}

const reading = () => startRun(systemClock, 30_000, 1_000);

function findingStore({ root: clients, settings: { stage } }: LocalStage) {
  const { registryTable: tableName, bus } = stageNames(stage);
  return createFindingStore({ clients, tableName, stage, publisher: createPublisher(clients.eventBridge, bus) });
}

/** What is wrong, by tenant: the ids of the rules in alphabetical order. What only informs isn't wrong. */
export async function wrongByTenant(stage: LocalStage): Promise<Readonly<Record<string, readonly RuleId[]>>> {
  const wrong: Record<string, RuleId[]> = {};
  for (const { severity, tenantId = "-", ruleId } of await openFindings(stage)) {
    if (severity !== "information") wrong[tenantId] = [...(wrong[tenantId] ?? []), ruleId].sort();
  }
  return wrong;
}
