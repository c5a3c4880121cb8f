/** KMS and STS as the canary sees them: with its own credentials, or with those of a session that it got. */
import { KMSClient } from "@aws-sdk/client-kms";
import type { RoleArn, TenantId } from "@tenantkeys/core";
import { assumeRole } from "../assume-role.ts";
import { type ClientOptions, clientConfig, type SessionCredentials } from "../clients.ts";
import type { Run } from "../run.ts";

const SESSION_NAME = "tenantkeys-canary";

export interface CanaryAws {
  /** @param as undefined: the canary itself */
  kms(as: SessionCredentials | undefined): Pick<KMSClient, "send" | "destroy">;
  assume(
    as: SessionCredentials | undefined,
    run: Run,
    roleArn: RoleArn,
    tag: TenantId | undefined,
  ): Promise<SessionCredentials>;
}

/** @param own with the canary's own credentials */
export function createCanaryAws(own: ClientOptions): CanaryAws {
  const at = (as: SessionCredentials | undefined) => (as === undefined ? own : { ...own, credentials: as });
  return {
    kms: (as) => new KMSClient(clientConfig(at(as))),
    assume: (as, run, roleArn, tag) => assumeRole(at(as), run, roleArn, SESSION_NAME, tag),
  };
}
