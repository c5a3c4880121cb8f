/** The grants of a key, as far as they shouldn't be. */
import { type GrantListEntry, ListGrantsCommand } from "@aws-sdk/client-kms";
import {
  asTenantKeysError,
  type DesiredTenantKey,
  type GrantTooMany,
  grantKind,
  type KeyArn,
  type KeyTarget,
  type ObservedGrant,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Clients } from "./clients.ts";
import { narrowAwsError } from "./narrow-error.ts";
import type { Run } from "./run.ts";

/** Of 100 grants each: a key has 50,000 at most, and one with more than this isn't a tenant's any more. */
const PAGES_MAX = 20;
const PAGE_GRANTS = 100;

/** Read now, by the same rule as verification's: a finding says that there are some, and by the time of its repair not which. */
export async function readGrantsTooMany(
  clients: Clients,
  run: Run,
  desired: DesiredTenantKey,
  keyArns: readonly KeyArn[],
  target: KeyTarget,
): Promise<readonly GrantTooMany[]> {
  const isLeaving = target === "withdrawn" || target === "deleted";
  const moment = { isLeaving, nowMs: run.clock.nowMs() };
  const found: GrantTooMany[] = [];
  for (const keyArn of keyArns) {
    for (const grant of await readGrants(clients, run, keyArn)) {
      const kind = grantKind(grant, desired, moment);
      if (kind !== "allowed") found.push({ keyArn, grantId: grant.grantId, kind });
    }
  }
  return found;
}

/**
 * The same for a repair that enables a key and has no right to revoke: where KMS doesn't let us look, nothing is known, and
 * that keeps nobody from cancelling the key's deletion.
 */
export async function readGrantsIfAllowed(
  ...args: Parameters<typeof readGrantsTooMany>
): Promise<readonly GrantTooMany[] | undefined> {
  try {
    return await readGrantsTooMany(...args);
  } catch (error) {
    if (asTenantKeysError(error).code === "access_denied") return undefined;
    throw error;
  }
}

export async function readGrants(clients: Clients, run: Run, keyArn: KeyArn): Promise<readonly ObservedGrant[]> {
  const step = "kms:ListGrants";
  const grants: ObservedGrant[] = [];
  let marker: string | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const command = new ListGrantsCommand({
      KeyId: keyArn,
      Limit: PAGE_GRANTS,
      ...(marker === undefined ? {} : { Marker: marker }),
    });
    const answer = await clients.kms.send(command, { abortSignal: run.signal }).catch((error) => {
      throw narrowAwsError(error, step);
    });
    grants.push(...(answer.Grants ?? []).map(observedGrant));
    if (answer.Truncated !== true) return grants;
    marker = answer.NextMarker;
  }
  throw new TenantKeysError("aws_unexpected", `${step}: ${keyArn} has more than ${PAGES_MAX} pages of grants`, {
    step,
  });
}

export function observedGrant(entry: GrantListEntry): ObservedGrant {
  return {
    grantId: entry.GrantId ?? "",
    granteePrincipal: entry.GranteePrincipal ?? "",
    issuingAccount: entry.IssuingAccount ?? "",
    retiringPrincipal: entry.RetiringPrincipal,
    operations: entry.Operations ?? [],
    encryptionContext: entry.Constraints?.EncryptionContextEquals ?? entry.Constraints?.EncryptionContextSubset,
    name: entry.Name,
    createdAtMs: entry.CreationDate?.getTime() ?? 0,
  };
}
