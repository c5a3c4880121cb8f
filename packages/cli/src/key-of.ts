import { type KeyName, type KeyRecord, type TenantId, TenantKeysError } from "@tenantkeys/core";
import type { TenantView } from "./wait-for-outcome.ts";

/** @throws TenantKeysError `key_unknown` */
export function keyOf({ keys }: TenantView, tenantId: TenantId, keyName: KeyName): KeyRecord {
  const key = keys.find((candidate) => candidate.keyName === keyName);
  if (key !== undefined) return key;
  const known = keys.map((candidate) => candidate.keyName).join(", ");
  const message = `tenant ${tenantId} has no key "${keyName}"; it has: ${known === "" ? "none" : known}`;
  throw new TenantKeysError("key_unknown", message, { tenantId, keyName });
}
