import { parseStage } from "@tenantkeys/core";
import { expect, it } from "vitest";
import type { KeyAccess } from "../key-access.ts";
import type { ContextOption, TenantKey, TenantKeys } from "../tenant-keys.ts";
import { errorOf, REF } from "../test-support.ts";
import { throughTenantKeys } from "./through-tenant-keys.ts";

const asked: unknown[] = [];
const access = {} as KeyAccess;

/** Says which key was asked, and for what. */
const tenantKeys = {
  for: (tenantId: string, keyName: string) =>
    ({
      ...REF,
      access: async () => access,
      explain: async (error: unknown, step: string) => ({ tenantId, keyName, error, step }),
      async encrypt(plaintext: Uint8Array, options: ContextOption) {
        asked.push([tenantId, keyName, options.context]);
        return plaintext;
      },
      async decrypt(message: Uint8Array, options: ContextOption) {
        asked.push([tenantId, keyName, options.context]);
        return message;
      },
    }) as unknown as TenantKey,
} as unknown as TenantKeys;

it("asks the key that is named, with the context that is given", async () => {
  const { source, envelope } = throughTenantKeys(tenantKeys);
  const bytes = new Uint8Array([1]);
  const error = new Error("refused");
  expect(await source.open(REF)).toBe(access);
  expect(await source.explain(REF, error, "kms:ReEncrypt")).toEqual({
    tenantId: "acme",
    keyName: "default",
    error,
    step: "kms:ReEncrypt",
  });
  expect(await envelope.encrypt(REF, bytes, { note: "1" })).toBe(bytes);
  expect(await envelope.decrypt(REF, bytes, { note: "2" })).toBe(bytes);
  expect(asked).toEqual([
    ["acme", "default", { note: "1" }],
    ["acme", "default", { note: "2" }],
  ]);
});

it("never looks for a key of another stage in its own", async () => {
  const { source } = throughTenantKeys(tenantKeys);
  const error = await errorOf(source.open({ ...REF, stage: parseStage("test") }));
  expect(error).toMatchObject({ code: "settings_invalid", details: { field: "stage" } });
});
