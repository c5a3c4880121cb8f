/** Verifies a tenant key for an operator, as the sweep does it, now. */
import type { KeyName, TenantId, TenantKeysError } from "@tenantkeys/core";
import type { Run } from "../run.ts";
import type { InspectionDepth, VerifiedTenantKey, VerifyPorts } from "../verification/ports.ts";
import { type SecurityHubPorts, withSecurityHub } from "../verification/security-hub.ts";
import { verifyTenantKeyNow } from "../verification/verify-tenant-key.ts";

export interface VerifyOptions {
  readonly depth: InspectionDepth;
  /** Reads with the caller's own credentials instead of as the stage's auditor. */
  readonly asCaller: boolean;
  /** Whether registry, bus and Security Hub learn what was found. */
  readonly record: boolean;
  /** Gets why Security Hub couldn't be told. */
  onUntold(error: TenantKeysError): void;
}

type Whose = Pick<VerifyPorts, "observing" | "observingIn">;

export interface KeyVerifierPorts extends VerifyPorts, Pick<SecurityHubPorts, "securityHub"> {
  readonly asAuditor: Whose;
  readonly asCaller: Whose;
}

/** @throws TenantKeysError where nothing can be verified: the auditor's role or the registry can't be had, or time is over */
export function verifyKey(
  ports: KeyVerifierPorts,
  run: Run,
  tenantId: TenantId,
  keyName: KeyName,
  options: VerifyOptions,
): Promise<VerifiedTenantKey> {
  const { asAuditor, asCaller, ...shared } = ports;
  const kept = options.record ? recording(ports, options) : onlyLooking(ports);
  const whose = options.asCaller ? asCaller : asAuditor;
  return verifyTenantKeyNow({ ...shared, ...whose, ...kept }, run, tenantId, keyName, options.depth);
}

type Kept = Pick<VerifyPorts, "findings" | "statuses">;

function recording(ports: KeyVerifierPorts, { onUntold }: VerifyOptions): Kept {
  const findings = withSecurityHub(ports.findings, ports, ({ error }) => onUntold(error));
  return { findings, statuses: ports.statuses };
}

/** What is kept can be read, and stays as it is. */
function onlyLooking({ findings, statuses }: KeyVerifierPorts): Kept {
  return {
    findings: { ...findings, record: async () => ({ opened: [], stillOpen: [], closed: [] }) },
    statuses: {
      get: (run, tenantId, keyName) => statuses.get(run, tenantId, keyName),
      ofTenant: (run, tenantId) => statuses.ofTenant(run, tenantId),
      record: async () => {},
    },
  };
}
