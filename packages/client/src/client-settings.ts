/** The options of `createTenantKeys`, checked when it is called: a bad value stops an application at its start. */
import {
  type AccountId,
  parseAccountId,
  parseRegion,
  parseStage,
  type Region,
  type Stage,
  TenantKeysError,
} from "@tenantkeys/core";
import type { TenantKeysOptions } from "./tenant-keys.ts";

export interface ClientSettings {
  readonly stage: Stage;
  readonly region: Region;
  readonly endpoint: string | undefined;
  readonly credentials: TenantKeysOptions["credentials"];
  readonly accountId: AccountId | undefined;
  readonly applicationName: string;
  readonly recordMaxAgeMs: number;
  readonly sessionSeconds: number;
  readonly tenantsMax: number;
  readonly cache: TenantKeysOptions["cache"];
  readonly envelope: TenantKeysOptions["envelope"];
  readonly nowMs: () => number;
}

const OPTIONS: Readonly<Record<keyof TenantKeysOptions, true>> = {
  stage: true,
  region: true,
  endpoint: true,
  credentials: true,
  accountId: true,
  applicationName: true,
  recordMaxAgeSeconds: true,
  sessionSeconds: true,
  tenantsMax: true,
  cache: true,
  envelope: true,
  nowMs: true,
};

/** With a tenant id of 36 characters and `@` between, STS's 64 characters of a session's name. */
const APPLICATION_NAME_PATTERN = /^[\w=,.-]{1,27}$/;

/** @throws TenantKeysError `settings_invalid`, naming the field */
export function clientSettings(options: TenantKeysOptions): ClientSettings {
  // A misspelt limit would otherwise be the default, and nobody would notice.
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(OPTIONS, name));
  if (unknown !== undefined) throw invalid(unknown, `one of ${Object.keys(OPTIONS).join(", ")}`);
  const { accountId, applicationName = "tenantkeys", endpoint, nowMs = Date.now } = options;
  if (endpoint !== undefined && !URL.canParse(endpoint)) throw invalid("endpoint", "a URL");
  if (!APPLICATION_NAME_PATTERN.test(applicationName)) {
    throw invalid("applicationName", "1 to 27 of A-Z a-z 0-9 _ = , . -");
  }
  if (typeof nowMs !== "function") throw invalid("nowMs", "a function");
  if (options.envelope !== undefined && typeof options.envelope !== "function") throw invalid("envelope", "a function");
  return {
    stage: identifier("stage", options.stage, parseStage),
    region: identifier("region", options.region, parseRegion),
    endpoint,
    credentials: options.credentials,
    accountId: accountId === undefined ? undefined : identifier("accountId", accountId, parseAccountId),
    applicationName,
    recordMaxAgeMs: 1000 * wholeNumber("recordMaxAgeSeconds", options.recordMaxAgeSeconds ?? 60, 0, 300),
    sessionSeconds: wholeNumber("sessionSeconds", options.sessionSeconds ?? 3_600, 900, 3_600),
    tenantsMax: wholeNumber("tenantsMax", options.tenantsMax ?? 1_000, 1, 100_000),
    cache: options.cache,
    envelope: options.envelope,
    nowMs,
  };
}

function identifier<Id>(field: keyof TenantKeysOptions, value: string, parse: (value: string) => Id): Id {
  if (typeof value !== "string") throw invalid(field, "a string");
  try {
    return parse(value);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TenantKeysError("settings_invalid", `createTenantKeys: ${reason}`, { field, cause });
  }
}

function wholeNumber(field: keyof TenantKeysOptions, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalid(field, `a whole number from ${min} to ${max}`);
}

function invalid(field: string, expected: string): TenantKeysError {
  return new TenantKeysError("settings_invalid", `createTenantKeys: ${field}: expected ${expected}`, { field });
}
