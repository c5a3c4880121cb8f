/** What the stack tells the functions of verification. The stage's settings they read from its registry. */
import {
  type AccountId,
  parseAccountId,
  parseRegion,
  parseStage,
  type Region,
  type Stage,
  TenantKeysError,
} from "@tenantkeys/core";

type Environment = Readonly<Record<string, string | undefined>>;

export interface VerificationConfig {
  readonly stage: Stage;
  readonly accountId: AccountId;
  readonly region: Region;
  readonly tableName: string;
  /** Where the worker takes its work from. */
  readonly provisioningQueueUrl: string;
}

export interface SweepConfig extends VerificationConfig {
  /** Of the verification queue. */
  readonly queueUrl: string;
}

/** @throws TenantKeysError `settings_invalid` or `identifier_invalid`: the function then fails at its start */
export function readSweepConfig(environment: Environment): SweepConfig {
  const queueUrl = given(environment, "TENANTKEYS_VERIFICATION_QUEUE_URL");
  return { ...readVerifyConfig(environment), queueUrl };
}

/** @throws TenantKeysError `settings_invalid` or `identifier_invalid`: the function then fails at its start */
export function readVerifyConfig(environment: Environment): VerificationConfig {
  return {
    stage: parseStage(environment.TENANTKEYS_STAGE ?? ""),
    accountId: parseAccountId(environment.TENANTKEYS_ACCOUNT_ID ?? ""),
    region: parseRegion(environment.AWS_REGION ?? ""),
    tableName: given(environment, "TENANTKEYS_REGISTRY_TABLE"),
    provisioningQueueUrl: given(environment, "TENANTKEYS_QUEUE_URL"),
  };
}

function given(environment: Environment, name: string): string {
  const value = environment[name];
  if (value !== undefined && value !== "") return value;
  throw new TenantKeysError("settings_invalid", `${name} is missing: deploy the stage again`);
}
