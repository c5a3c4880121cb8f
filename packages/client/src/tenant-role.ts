/** Which role a record may lead to: the tenant's own by its name, or the stage's shared one; pure. */
import {
  type AccountId,
  type KeyArn,
  type Region,
  type RoleArn,
  regionOfKey,
  stageArns,
  TenantKeysError,
  tenantOfRole,
} from "@tenantkeys/core";
import type { TenantKeyRef } from "./key-access.ts";
import type { KeyItem } from "./registry-items.ts";

export interface Place {
  readonly accountId: AccountId;
  readonly region: Region;
}

/** Of a key that is active. */
export interface Leads {
  readonly keyArn: KeyArn;
  readonly decryptKeyArns: readonly KeyArn[];
  readonly roleArn: RoleArn;
  /** Of the key: for a KMS client. */
  readonly region: string;
}

/**
 * Whoever may write to the registry must not lead an application's session, or its data, to a role or key of theirs: so
 * the role is compared with the names that tenantkeys gives, and keys must be of the stage's account, but for a key that
 * the tenant brought.
 * @throws TenantKeysError `record_invalid`
 */
export function whereItLeads(ref: TenantKeyRef, key: KeyItem, { accountId, region }: Place): Leads {
  const refuse = (field: string, seen: string | undefined, expected: string) => {
    const message = `the registry's record of key "${ref.keyName}" of tenant ${ref.tenantId} has ${field} ${seen ?? "missing"}: expected ${expected}`;
    const { tenantId, keyName } = ref;
    return new TenantKeysError("record_invalid", message, { tenantId, keyName, field });
  };
  const { keyArn, roleArn, ownKeyArn } = key;
  const { sharedTenantRole } = stageArns(accountId, region, ref.stage);
  const isItsOwn = roleArn !== undefined && tenantOfRole(accountId, ref.stage, roleArn) === ref.tenantId;
  if (roleArn === undefined || !(isItsOwn || roleArn === sharedTenantRole)) {
    throw refuse("roleArn", roleArn, `the tenant's own role, or ${sharedTenantRole}`);
  }
  if (keyArn === undefined) throw refuse("keyArn", keyArn, "the ARN of the active key");
  if (ownKeyArn !== undefined && ownKeyArn !== keyArn) throw refuse("keyArn", keyArn, `the tenant's own, ${ownKeyArn}`);
  if (ownKeyArn === undefined && !keyArn.startsWith(`arn:aws:kms:${region}:${accountId}:key/`)) {
    throw refuse("keyArn", keyArn, `a key of account ${accountId} in ${region}`);
  }
  const others = [...key.replicaKeyArns, ...key.previousKeyArns];
  const stranger = others.find((arn) => accountOf(arn) !== accountId);
  if (stranger !== undefined) throw refuse("replicas or previousKeyArns", stranger, `keys of account ${accountId}`);
  return { keyArn, decryptKeyArns: [keyArn, ...others], roleArn, region: regionOfKey(keyArn) };
}

function accountOf(keyArn: KeyArn): string {
  return keyArn.split(":")[4] ?? "";
}
