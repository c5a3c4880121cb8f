/**
 * Sessions of many tenants as the application gets them: its own role first, then the tenant's, tagged. Each is made when
 * it is needed, renewed before it ends, and its clients are closed when it has done its part.
 */
import { KMSClient } from "@aws-sdk/client-kms";
import { STSClient } from "@aws-sdk/client-sts";
import type { RoleArn, TenantId } from "@tenantkeys/core";
import { assumeRole, assumeRoleBy } from "../assume-role.ts";
import { type ClientOptions, clientConfig, type SessionCredentials } from "../clients.ts";
import { createRateLimiter } from "../rate-limiter.ts";
import type { Run } from "../run.ts";
import { renewedCredentials } from "../verification/auditor-clients.ts";

/** A third of STS's quota of 600 a second, which the application's own sessions count against. */
const STS_CALLS_PER_SECOND = 200;
const SESSION_NAME = "tenantkeys-prove";

export interface TenantSession {
  /** @throws TenantKeysError where the session can't be had */
  credentials(): Promise<SessionCredentials>;
  kmsIn(region: string): KMSClient;
  close(): void;
}

export interface TenantSessions {
  of(roleArn: RoleArn, tenantId: TenantId): TenantSession;
  /** Asks for a role with a tag, as code does that mixes up two tenants. @throws TenantKeysError where it is refused */
  tryRole(roleArn: RoleArn, tag: TenantId): Promise<void>;
  close(): void;
}

/** @throws TenantKeysError where the caller can't become the application's role */
export async function createTenantSessions(
  options: ClientOptions,
  run: Run,
  applicationRoleArn: RoleArn,
): Promise<TenantSessions> {
  const limiter = createRateLimiter(STS_CALLS_PER_SECOND);
  const nowMs = () => run.clock.nowMs();
  const application = renewedCredentials(() => assumeRole(options, run, applicationRoleArn, SESSION_NAME), nowMs);
  await application();
  const sts = new STSClient(clientConfig({ ...options, credentials: application }));
  const assume = async (roleArn: RoleArn, tag: TenantId) => {
    await limiter.takeTurn(run, "sts:AssumeRole");
    return assumeRoleBy(sts, run, roleArn, SESSION_NAME, tag);
  };
  return {
    of: (roleArn, tenantId) =>
      sessionOf(
        options,
        renewedCredentials(() => assume(roleArn, tenantId), nowMs),
      ),
    async tryRole(roleArn, tag) {
      await assume(roleArn, tag);
    },
    close: () => sts.destroy(),
  };
}

function sessionOf(options: ClientOptions, credentials: TenantSession["credentials"]): TenantSession {
  const clients = new Map<string, KMSClient>();
  return {
    credentials,
    kmsIn(region) {
      const client = clients.get(region) ?? new KMSClient(clientConfig({ ...options, region, credentials }));
      clients.set(region, client);
      return client;
    },
    close() {
      for (const client of clients.values()) client.destroy();
    },
  };
}
