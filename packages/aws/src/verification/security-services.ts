/** AWS's own security services, as far as the stage's settings give them a part in verification. */
import type { AccessAnalyzerClient } from "@aws-sdk/client-accessanalyzer";
import type { SecurityHubClient } from "@aws-sdk/client-securityhub";
import type { StageSettings } from "@tenantkeys/core";
import type { ClientOptions } from "../clients.ts";
import { createAccessAnalyzer } from "./access-analyzer.ts";
import { createSecurityHub, type UntoldFindings } from "./security-hub.ts";

export interface SecurityServices {
  readonly securityHub: SecurityHubClient | undefined;
  readonly accessAnalyzer: AccessAnalyzerClient | undefined;
  /** Gets what Security Hub couldn't be told, to be logged: it stops nothing. */
  onUntold(untold: UntoldFindings): void;
}

/** @param options whose credentials may call them: a function's own, not the auditor's */
export function createSecurityServices(
  options: ClientOptions,
  settings: Pick<StageSettings, "securityHub" | "accessAnalyzer">,
  onUntold: SecurityServices["onUntold"],
): SecurityServices {
  return {
    securityHub: createSecurityHub(options, settings),
    accessAnalyzer: createAccessAnalyzer(options, settings),
    onUntold,
  };
}
