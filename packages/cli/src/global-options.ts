import { parseRegion, parseStage, type Region, type Stage, TenantKeysError } from "@tenantkeys/core";
import { UsageError } from "./usage-error.ts";

export interface GlobalOptions {
  readonly stage: Stage;
  readonly region: Region;
  readonly endpoint: string | undefined;
  readonly json: boolean;
  readonly progress: boolean;
}

/** As commander gives them: nothing is checked yet. */
export interface GlobalFlags {
  readonly stage?: string;
  readonly region?: string;
  readonly endpoint?: string;
  readonly json?: boolean;
  readonly progress?: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws UsageError naming the option or variable at fault and what was expected */
export function globalOptions(flags: GlobalFlags, environment: Environment): GlobalOptions {
  const region = flags.region ?? (environment.AWS_REGION || environment.AWS_DEFAULT_REGION || undefined);
  if (region === undefined) {
    throw new UsageError("no Region: expected --region, or AWS_REGION or AWS_DEFAULT_REGION in the environment");
  }
  const stage = flags.stage ?? (environment.TENANTKEYS_STAGE || "dev");
  const endpoint = flags.endpoint ?? (environment.AWS_ENDPOINT_URL || undefined);
  if (endpoint !== undefined && !/^https?:\/\//.test(endpoint)) {
    throw new UsageError(`endpoint "${endpoint}" is not valid: expected a URL such as http://127.0.0.1:4566`);
  }
  return {
    stage: checked("--stage", () => parseStage(stage)),
    region: checked("--region", () => parseRegion(region)),
    endpoint,
    json: flags.json === true,
    progress: flags.progress === true,
  };
}

/** @throws UsageError with the message of the TenantKeysError that `parse` throws */
export function checked<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof TenantKeysError) throw new UsageError(`${what}: ${error.message}`);
    throw error;
  }
}
