/** What the stage was deployed with: stacks/registry.ts writes it, and the command line reads it instead of guessing. */
import { GetCommand } from "@aws-sdk/lib-dynamodb";
import {
  parseAccountId,
  parseRegion,
  parseStageSettings,
  type Stage,
  type StageContext,
  type StageSettings,
  stageContext,
  stageNames,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import { narrowAwsError } from "../narrow-error.ts";
import type { Run } from "../run.ts";

export interface DeployedStage {
  readonly settings: StageSettings;
  readonly context: StageContext;
}

/**
 * @throws TenantKeysError `stage_not_deployed` where table or item is missing, `settings_invalid` where the stage was
 *   deployed by another version whose settings this one doesn't know
 */
export async function readDeployedStage(clients: Clients, run: Run, stage: Stage): Promise<DeployedStage> {
  const item = await readItem(clients, run, stage);
  if (item === undefined) throw notDeployed(stage, "its registry holds no settings");
  const settings = parseStageSettings(parseJson(stage, item.settings));
  if (settings.stage !== stage) {
    throw new TenantKeysError("settings_invalid", `the registry of stage "${stage}" holds stage "${settings.stage}"`);
  }
  const accountId = parseAccountId(String(item.accountId));
  return { settings, context: stageContext(settings, accountId, parseRegion(String(item.region))) };
}

async function readItem(clients: Clients, run: Run, stage: Stage): Promise<Record<string, unknown> | undefined> {
  const command = new GetCommand({
    TableName: stageNames(stage).registryTable,
    Key: { pk: "STAGE", sk: "SETTINGS" },
    ConsistentRead: true,
  });
  try {
    return (await clients.documents.send(command, { abortSignal: run.signal })).Item;
  } catch (error) {
    const narrowed = narrowAwsError(error, "dynamodb:GetItem");
    throw narrowed.code === "stage_not_deployed" ? notDeployed(stage, "it has no registry", error) : narrowed;
  }
}

function notDeployed(stage: Stage, reason: string, cause?: unknown): TenantKeysError {
  return new TenantKeysError("stage_not_deployed", `stage "${stage}" is not deployed here: ${reason}`, {
    step: "connect",
    cause,
  });
}

function parseJson(stage: Stage, text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch (cause) {
    throw new TenantKeysError("settings_invalid", `the settings of stage "${stage}" in its registry are not JSON`, {
      cause,
    });
  }
}
