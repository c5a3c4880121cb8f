/** What a key of an external key store needs beside its profile. */
import { type KeyProfile, TenantKeysError } from "@tenantkeys/core";

/**
 * KMS makes a key of an external key store for one key of the manager behind it, which only its owner can name.
 * @throws TenantKeysError `event_invalid`
 */
export function refuseMissingXksKey(profile: KeyProfile | undefined, xksKeyId: string | undefined): void {
  if (profile?.origin !== "EXTERNAL_KEY_STORE" || xksKeyId !== undefined) return;
  const message =
    "detail.xksKeyId: is missing: a key of an external key store needs the id of the key behind it (TenantKeyAdded)";
  throw new TenantKeysError("event_invalid", message, { field: "detail.xksKeyId", step: "declare" });
}
