/** What runs need, from what an application has: `createTenantKeys` keeps the parts that it is made of to itself. */
import { TenantKeysError } from "@tenantkeys/core";
import type { Envelope } from "../envelope.ts";
import type { KeyAccessSource, TenantKeyRef } from "../key-access.ts";
import type { TenantKey, TenantKeys } from "../tenant-keys.ts";

export interface ThroughTenantKeys {
  readonly source: KeyAccessSource;
  readonly envelope: Pick<Envelope, "encrypt" | "decrypt">;
}

/**
 * For `reEncryptDataKeys` and `reEncryptMessages`: `{ ...throughTenantKeys(tenantKeys), store, to, from }`.
 * @param tenantKeys of KMS keys: what branch keys encrypt names no KMS key, and would be moved again in each run
 */
export function throughTenantKeys(tenantKeys: TenantKeys): ThroughTenantKeys {
  const keyOf = ({ stage, tenantId, keyName }: TenantKeyRef): TenantKey => {
    const key = tenantKeys.for(tenantId, keyName);
    if (key.stage === stage) return key;
    const message = `the key is of stage ${stage}, and createTenantKeys was called for stage ${key.stage}`;
    throw new TenantKeysError("settings_invalid", message, { tenantId, keyName, field: "stage" });
  };
  return {
    source: {
      open: async (ref) => keyOf(ref).access(),
      explain: async (ref, error, step) => keyOf(ref).explain(error, step),
    },
    envelope: {
      encrypt: async (ref, plaintext, context) => keyOf(ref).encrypt(plaintext, { context }),
      decrypt: async (ref, message, context) => keyOf(ref).decrypt(message, { context }),
    },
  };
}
