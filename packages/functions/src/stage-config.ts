/** What the stack tells the functions, in one environment variable. */
import {
  parseAccountId,
  parseRegion,
  parseStageSettings,
  type StageContext,
  type StageSettings,
  stageContext,
} from "@tenantkeys/core";

export interface StageConfig {
  readonly settings: StageSettings;
  readonly context: StageContext;
  readonly queueUrl: string;
}

/** @throws TenantKeysError `settings_invalid` or `identifier_invalid`: the function then fails at its start, not per event */
export function readStageConfig(environment: Readonly<Record<string, string | undefined>>): StageConfig {
  const { settings: input, accountId, queueUrl } = JSON.parse(environment.TENANTKEYS_STAGE_CONFIG ?? "{}");
  const settings = parseStageSettings(input);
  const region = parseRegion(environment.AWS_REGION ?? "");
  return {
    settings,
    context: stageContext(settings, parseAccountId(String(accountId)), region),
    queueUrl: String(queueUrl),
  };
}
