import { parseTenantId } from "@tenantkeys/core";
import { afterEach, describe, expect, it } from "vitest";
import { createTenantKeys } from "./create-tenant-keys.ts";
import { enterTenant } from "./current-tenant.ts";
import type { TenantKeys } from "./tenant-keys.ts";
import { errorOf } from "./test-support.ts";

const made: TenantKeys[] = [];
afterEach(() => {
  for (const one of made.splice(0)) one.destroy();
});

/** Nobody listens there: what reaches the network fails otherwise than the tests expect. */
function tenantKeys(): TenantKeys {
  const credentials = { accessKeyId: "AKIAEXAMPLE", secretAccessKey: "secret" };
  const one = createTenantKeys({ stage: "prod", region: "eu-west-1", endpoint: "http://127.0.0.1:9", credentials });
  made.push(one);
  return one;
}

it("checks ids without calling anything", () => {
  const keys = tenantKeys();
  expect(keys.for("acme")).toMatchObject({ stage: "prod", tenantId: "acme", keyName: "default" });
  expect(keys.for("acme", "payroll").keyName).toBe("payroll");
  for (const bad of ["ACME", "", "acme/default", "a".repeat(37)]) {
    expect(() => keys.for(bad)).toThrow(expect.objectContaining({ code: "identifier_invalid" }));
  }
  expect(() => keys.for("acme", "Payroll")).toThrow(expect.objectContaining({ code: "identifier_invalid" }));
});

it("says which option is wrong", () => {
  expect(() => createTenantKeys({ stage: "prod", region: "eu-west-1", sessionSeconds: 7_200 })).toThrow(
    "createTenantKeys: sessionSeconds: expected a whole number from 900 to 3600",
  );
});

it("says which argument is of the wrong type, and not what it holds", async () => {
  const acme = tenantKeys().for("acme");
  const wrong = "aGVsbG8=" as never;
  await expect(acme.encrypt(undefined as never)).rejects.toThrow(
    "encrypt takes a string or a Uint8Array, not undefined",
  );
  for (const call of [acme.decrypt(wrong), acme.decryptText(wrong), acme.openDataKey(wrong, async () => undefined)]) {
    await expect(call).rejects.toThrow(TypeError);
    await expect(call).rejects.toThrow(
      /^\w+ takes the bytes that were stored, as a Uint8Array, not string: decode it first$/,
    );
  }
});

describe("in an invocation of one tenant", () => {
  const keys = tenantKeys();
  const kept = keys.for("globex");
  const leaveNow = (calls: () => Promise<void>) => async () => {
    const { leave } = enterTenant(parseTenantId("acme"));
    await calls().finally(leave);
  };

  it(
    "no call of another tenant's key does anything, also of one that was kept from before",
    leaveNow(async () => {
      const bytes = new Uint8Array(1);
      const none = async () => undefined;
      expect(() => keys.for("globex")).toThrow(expect.objectContaining({ code: "tenant_mixed_up" }));
      const calls = [
        kept.encrypt("x"),
        kept.decrypt(bytes),
        kept.decryptText(bytes),
        kept.withDataKey(none),
        kept.openDataKey(bytes, none),
        kept.credentials(),
        kept.check(),
        kept.access(),
        kept.explain(new Error("x"), "s3:GetObject"),
      ];
      for (const call of calls) expect((await errorOf(call)).code).toBe("tenant_mixed_up");
      expect(() => kept.encryptStream()).toThrow(expect.objectContaining({ code: "tenant_mixed_up" }));
      expect(() => kept.decryptStream()).toThrow(expect.objectContaining({ code: "tenant_mixed_up" }));
    }),
  );

  it(
    "the tenant's own key is used as ever",
    leaveNow(async () => {
      expect((await errorOf(keys.for("acme").check())).code).toBe("registry_unavailable");
    }),
  );
});
