/** The way to a tenant's key: what the registry says, then a session of the tenant's role; and why AWS refused. */
import { type AccountId, type ErrorCode, type TenantId, TenantKeysError } from "@tenantkeys/core";
import { isExpiredToken, narrowAwsError } from "./aws-errors.ts";
import type { KeyAccess, KeyAccessSource, TenantKeyRef } from "./key-access.ts";
import type { KeyItem } from "./registry-items.ts";
import type { RegistryReader } from "./registry-reader.ts";
import { type Leads, type Place, whereItLeads } from "./tenant-role.ts";
import type { TenantSessions } from "./tenant-sessions.ts";

export interface TenantAccess extends KeyAccessSource {
  /** By the registry alone: no session is made. @throws TenantKeysError as `open` */
  check(ref: TenantKeyRef): Promise<void>;
  forget(tenantId: TenantId): void;
}

interface AccessParts {
  readonly registry: RegistryReader;
  readonly sessions: TenantSessions;
  readonly account: () => Promise<AccountId>;
  readonly region: Place["region"];
  readonly nowMs: () => number;
  /** Wipes the data keys that are kept of the tenant. */
  readonly forgetDataKeys: (tenantId: TenantId) => void;
}

/** AWS's answers that may mean that what was kept of the tenant isn't true any more. An outage means nothing of it. */
const LOOK_AGAIN: readonly ErrorCode[] = [
  "access_denied",
  "key_disabled",
  "key_missing",
  "key_not_active",
  "key_pending_deletion",
];
/**
 * A refused session is made anew only when it is older: where a policy is wrong, every call of the application would
 * otherwise cost an AssumeRole, of which an account has 600 a second.
 */
const SESSION_DOUBTED_AFTER_MS = 10_000;

export function createKeyAccess(parts: AccessParts): TenantAccess {
  const { registry, sessions, nowMs } = parts;
  const forget = (tenantId: TenantId) => {
    registry.forget(tenantId);
    sessions.forget(tenantId);
    parts.forgetDataKeys(tenantId);
  };
  const explain = async (ref: TenantKeyRef, error: unknown, step: string) => {
    const { tenantId, keyName } = ref;
    const narrowed = narrowAwsError(error, step).within({ tenantId, keyName });
    if (isExpiredToken(error)) sessions.forget(tenantId);
    if (!LOOK_AGAIN.includes(narrowed.code) || cameFromRegistry(error)) return narrowed;
    parts.forgetDataKeys(tenantId);
    sessions.forget(tenantId, nowMs() - SESSION_DOUBTED_AFTER_MS);
    const refusal = await whyNow(registry, ref);
    if (refusal === undefined) return narrowed;
    const { code, message, details } = refusal;
    return new TenantKeysError(code, message, { ...details, step, cause: error });
  };
  /** Checked once for as long as the record is kept: a key is opened for every message. */
  const checked = new WeakMap<KeyItem, Leads>();
  return {
    async open(ref) {
      const asked = parts.account();
      // Looked at below: until then nobody may call its failure unhandled.
      asked.catch(() => undefined);
      const key = await registry.find(ref);
      const accountId = await asked;
      const leads = checked.get(key) ?? whereItLeads(ref, key, { accountId, region: parts.region });
      checked.set(key, leads);
      const { stage, tenantId, keyName } = ref;
      const { keyArn, decryptKeyArns, roleArn } = leads;
      const session = sessions.of({ tenantId, roleArn, region: leads.region });
      const access: KeyAccess = {
        stage,
        tenantId,
        keyName,
        keyArn,
        decryptKeyArns,
        roleArn,
        kms: session.kms,
        credentials: session.credentials,
      };
      // So that it is told here, with its own code, why there is no session: the Encryption SDK would only quote it.
      try {
        await session.credentials();
      } catch (error) {
        throw await explain(ref, error, "sts:AssumeRole");
      }
      return access;
    },
    explain,
    async check(ref) {
      await registry.find(ref);
    },
    forget,
  };
}

/** Why the tenant may not work, by the registry as it is now; undefined where it may, or where nobody can tell. */
async function whyNow(registry: RegistryReader, ref: TenantKeyRef): Promise<TenantKeysError | undefined> {
  try {
    await registry.findAnew(ref);
    return undefined;
  } catch (error) {
    if (!(error instanceof TenantKeysError)) throw error;
    // What AWS said of the key itself is more than that the registry can't be read just now.
    return error.code === "registry_unavailable" || error.code === "record_invalid" ? undefined : error;
  }
}

/** Ours, and not about a call to AWS: the registry was just read for it. */
function cameFromRegistry(error: unknown): boolean {
  return error instanceof TenantKeysError && error.code !== "access_denied";
}
