/** The parts of the client put together: one per process of an application. */
import { types } from "node:util";
import { parseKeyName, parseTenantId, stageNames } from "@tenantkeys/core";
import { createApplicationClients } from "./aws-clients.ts";
import { clientSettings } from "./client-settings.ts";
import { refuseOtherTenant } from "./current-tenant.ts";
import { createEnvelope, type Envelope } from "./envelope.ts";
import type { TenantKeyRef } from "./key-access.ts";
import { createKeyAccess, type TenantAccess } from "./key-access-source.ts";
import { createRegistryReader } from "./registry-reader.ts";
import { stageAccount } from "./stage-account.ts";
import type { TenantKey, TenantKeys, TenantKeysOptions } from "./tenant-keys.ts";
import { createTenantSessions } from "./tenant-sessions.ts";

/**
 * Made once per process, outside of a Lambda handler: what it keeps is what saves calls.
 * @throws TenantKeysError `settings_invalid`, naming the option
 */
export function createTenantKeys(options: TenantKeysOptions): TenantKeys {
  const settings = clientSettings(options);
  const { stage, region, nowMs, tenantsMax } = settings;
  const clients = createApplicationClients(settings);
  const access = createKeyAccess({
    registry: createRegistryReader({
      dynamodb: clients.dynamodb,
      tableName: stageNames(stage).registryTable,
      recordMaxAgeMs: settings.recordMaxAgeMs,
      recordsMax: tenantsMax,
      nowMs,
    }),
    sessions: createTenantSessions({
      sts: clients.sts,
      kmsConfig: clients.config,
      applicationName: settings.applicationName,
      sessionSeconds: settings.sessionSeconds,
      sessionsMax: tenantsMax,
      nowMs,
      random: Math.random,
    }),
    account: stageAccount(clients.sts, settings.accountId),
    region,
    nowMs,
    forgetDataKeys: (tenantId) => envelope.forget(tenantId),
  });
  const envelope =
    settings.envelope?.(access, { dynamodb: clients.dynamodb, nowMs }) ??
    createEnvelope(access, { cache: settings.cache, nowMs, cachedKeysMax: tenantsMax });
  return {
    for(tenantId, keyName = "default") {
      const ref = { stage, tenantId: parseTenantId(tenantId), keyName: parseKeyName(keyName) };
      return tenantKey(access, envelope, ref);
    },
    forget: (tenantId) => access.forget(parseTenantId(tenantId)),
    destroy() {
      envelope.destroy();
      clients.destroy();
    },
  };
}

function tenantKey(access: TenantAccess, envelope: Envelope, ref: TenantKeyRef): TenantKey {
  /** Before anything is done, also with a key that was kept from an invocation of another tenant. */
  const mine = () => {
    refuseOtherTenant(ref.tenantId);
    return ref;
  };
  mine();
  return Object.freeze<TenantKey>({
    ...ref,
    encrypt: async (plaintext, { context } = {}) => envelope.encrypt(mine(), bytes(plaintext), context),
    decrypt: async (message, { context } = {}) => envelope.decrypt(mine(), stored("decrypt", message), context),
    async decryptText(message, { context } = {}) {
      return text(await envelope.decrypt(mine(), stored("decryptText", message), context));
    },
    encryptStream: ({ context } = {}) => envelope.encryptStream(mine(), context),
    decryptStream: ({ context } = {}) => envelope.decryptStream(mine(), context),
    withDataKey: async (use, { context } = {}) => envelope.withDataKey(mine(), use, context),
    openDataKey: async (wrapped, use, { context } = {}) =>
      envelope.openDataKey(mine(), stored("openDataKey", wrapped), use, context),
    credentials: async () => (await access.open(mine())).credentials(),
    check: async () => access.check(mine()),
    access: async () => access.open(mine()),
    explain: async (error, step) => access.explain(mine(), error, step),
  });
}

/** What came from a request or a store has the type that somebody said it has: an absent body, base64 not yet decoded. */
function bytes(plaintext: Uint8Array | string): Uint8Array {
  if (typeof plaintext === "string") return new TextEncoder().encode(plaintext);
  if (types.isUint8Array(plaintext)) return plaintext;
  throw new TypeError(`encrypt takes a string or a Uint8Array, not ${typeName(plaintext)}`);
}

function stored(call: string, value: Uint8Array): Uint8Array {
  if (types.isUint8Array(value)) return value;
  throw new TypeError(
    `${call} takes the bytes that were stored, as a Uint8Array, not ${typeName(value)}: decode it first`,
  );
}

/** Never the value: it may be what is to be kept secret. */
function typeName(value: unknown): string {
  return value === null ? "null" : typeof value;
}

function text(plaintext: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(plaintext);
}
