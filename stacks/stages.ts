/**
 * THE FILE TO EDIT: what each stage of yours is set to. Every setting, its default and its limits:
 * packages/core/src/stage-settings.ts. A wrong value stops the deployment and names the field.
 */
import { parseStageSettings, type StageSettings, type StageSettingsInput, TenantKeysError } from "@tenantkeys/core";

type Settings = Omit<StageSettingsInput, "stage">;

const STAGES: Readonly<Record<string, Settings>> = {
  // production: {
  //   applicationRoleArns: ["arn:aws:iam::111122223333:role/notes-api"],
  //   administratorRoleArns: ["arn:aws:iam::111122223333:role/security-on-call"],
  // },
};

/**
 * @param override the settings as JSON, instead of or on top of those above: how `npm start`, the tests and a
 *   deployment pipeline set a stage (environment variable TENANTKEYS_STAGE_SETTINGS)
 * @throws TenantKeysError `settings_invalid`
 */
export function settingsOf(stage: string, override: string | undefined): StageSettings {
  const settings = { ...STAGES[stage], ...parseOverride(override) };
  if (Object.keys(settings).length === 0) {
    const message = `stage "${stage}" has no settings: add it to stacks/stages.ts with at least applicationRoleArns`;
    throw new TenantKeysError("settings_invalid", message);
  }
  return parseStageSettings({ ...settings, stage });
}

function parseOverride(text: string | undefined): Partial<Settings> {
  if (text === undefined || text === "") return {};
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TenantKeysError("settings_invalid", "TENANTKEYS_STAGE_SETTINGS is not JSON", { cause });
  }
}
