import type { TenantId } from "@tenantkeys/core";

export interface ReplayOptions {
  readonly tenantId: TenantId | undefined;
  /** Only what was refused, or given up, with this error. */
  readonly code: string | undefined;
  readonly dryRun: boolean;
  /** Sends what was meant for another stage to this one. */
  readonly forceStage: boolean;
  readonly limit: number | undefined;
}
