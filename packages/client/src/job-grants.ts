/**
 * Lends a tenant's key to a job for a while, by a KMS grant that is bound to the tenant's data: docs/job-grants.md. A
 * grant has no end in KMS, so it has one in its name: retire it when the job is done, and verification looks after the rest.
 */
import { jobGrantName, type KeyArn } from "@tenantkeys/core";
import { type JobGrantRequest, parseJobGrantRequest } from "./job-grant-request.ts";
import type { TenantKey } from "./tenant-keys.ts";

export type { JobGrantRequest } from "./job-grant-request.ts";

/** A tenant's key, of all that it can do: `createTenantKeys(…).for("acme")` is one. */
export type LendableKey = Pick<TenantKey, "access" | "explain">;

export interface JobGrant {
  readonly keyArn: KeyArn;
  readonly grantId: string;
  /** For the first five minutes, until the grant is known everywhere in KMS: the job's `GrantTokens`. It is no secret. */
  readonly grantToken: string;
  readonly jobId: string;
  /** Epoch milliseconds. From then on verification finds the grant and repair revokes it; until then KMS honours it. */
  readonly endsAtMs: number;
}

/** What AWS lists among RetireGrant's errors for a grant that isn't there. */
const GONE = ["NotFoundException", "InvalidGrantIdException"];

interface Clock {
  /** For tests. */
  readonly nowMs?: (() => number) | undefined;
}

/**
 * Asked again for the same job with the same `endsAtMs`, it gives the same grant: KMS tells it by its name and content.
 * @throws TenantKeysError `job_grant_invalid`, `encryption_context_invalid`; `access_denied` where the key's policy lets
 *   the tenant make no such grant; else why the tenant may not work now
 */
export async function createJobGrant(
  key: LendableKey,
  request: JobGrantRequest,
  { nowMs = Date.now }: Clock = {},
): Promise<JobGrant> {
  const access = await key.access();
  const { jobId, granteeRoleArn, operations, keyArn, endsAtMs, context } = parseJobGrantRequest(
    access,
    request,
    nowMs(),
  );
  const asked = {
    KeyId: keyArn,
    Name: jobGrantName(endsAtMs, jobId),
    GranteePrincipal: granteeRoleArn,
    RetiringPrincipal: access.roleArn,
    Operations: [...operations],
    Constraints: { EncryptionContextSubset: context },
  };
  const step = "kms:CreateGrant";
  const { GrantId = "", GrantToken = "" } = await access.kms.createGrant(asked).catch(async (error: unknown) => {
    throw await key.explain(error, step);
  });
  return { keyArn, grantId: GrantId, grantToken: GrantToken, jobId, endsAtMs };
}

/**
 * Takes the key back. A grant that is gone already, by its job or by a repair, is no error.
 * @throws TenantKeysError why the tenant may not work now; the grant then ends with its time
 */
export async function retireJobGrant(
  key: LendableKey,
  { keyArn, grantId }: Pick<JobGrant, "keyArn" | "grantId">,
): Promise<void> {
  const access = await key.access();
  await access.kms.retireGrant({ KeyId: keyArn, GrantId: grantId }).catch(async (error: unknown) => {
    if (error instanceof Error && GONE.includes(error.name)) return;
    throw await key.explain(error, "kms:RetireGrant");
  });
}

/**
 * Lends the key while `use` runs, and takes it back however that ends. What `use` throws is thrown; where only taking
 * back fails, that is: the work is done then, and the grant is there until its end.
 */
export async function withJobGrant<T>(
  key: LendableKey,
  request: JobGrantRequest,
  use: (grant: JobGrant) => Promise<T>,
  clock: Clock = {},
): Promise<T> {
  const grant = await createJobGrant(key, request, clock);
  let result: T;
  try {
    result = await use(grant);
  } catch (error) {
    // The grant ends with its time in any case: why the work failed is what the caller has to know.
    await retireJobGrant(key, grant).catch(() => undefined);
    throw error;
  }
  await retireJobGrant(key, grant);
  return result;
}
