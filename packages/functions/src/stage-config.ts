/** What the stack tells the functions, in one environment variable. */
import {
  parseAccountId,
  parseRegion,
  readWorkerSettings,
  type SettingsOfWorker,
  type StageContext,
  stageContext,
  TenantKeysError,
  type WorkerSettings,
} from "@tenantkeys/core";

export interface StageConfig {
  readonly settings: SettingsOfWorker;
  readonly context: StageContext;
  readonly queueUrl: string;
}

/** @throws TenantKeysError `settings_invalid` or `identifier_invalid`: the function then fails at its start, not per event */
export function readStageConfig(environment: Readonly<Record<string, string | undefined>>): StageConfig {
  const { settings: told, accountId, queueUrl } = parseConfig(environment.TENANTKEYS_STAGE_CONFIG);
  if (!isSettings(told)) {
    throw new TenantKeysError(
      "settings_invalid",
      "TENANTKEYS_STAGE_CONFIG: settings are missing: deploy the stage again",
    );
  }
  const region = parseRegion(environment.AWS_REGION ?? "");
  if (typeof queueUrl !== "string" || queueUrl === "") {
    throw new TenantKeysError("settings_invalid", "TENANTKEYS_STAGE_CONFIG: queueUrl is missing");
  }
  const settings = readWorkerSettings(told);
  return {
    settings,
    context: stageContext(settings, parseAccountId(String(accountId)), region),
    queueUrl,
  };
}

function parseConfig(text: string | undefined): Readonly<Record<string, unknown>> {
  let config: unknown;
  try {
    config = JSON.parse(text ?? "");
  } catch (cause) {
    const message = `TENANTKEYS_STAGE_CONFIG ${text === undefined ? "is missing" : "is not JSON"}: deploy the stage again`;
    throw new TenantKeysError("settings_invalid", message, { cause });
  }
  if (typeof config === "object" && config !== null) return config as Record<string, unknown>;
  throw new TenantKeysError("settings_invalid", "TENANTKEYS_STAGE_CONFIG is not an object: deploy the stage again");
}

/** Checked in full when the stage was deployed (stacks/stage.ts); checking again would cost the bundle a hundredth. */
function isSettings(value: unknown): value is WorkerSettings {
  return typeof value === "object" && value !== null && "stage" in value && "profiles" in value;
}
