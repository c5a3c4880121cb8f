import { parseAccountId, parseKeyArn, parseRegion, parseRoleArn, TenantKeysError } from "@tenantkeys/core";
import { describe, expect, it } from "vitest";
import { createKeyAccess } from "./key-access-source.ts";
import type { KeyItem } from "./registry-items.ts";
import { awsError, errorOf, KEY_ARN, REF, ROLE_ARN } from "./test-support.ts";

const KEY: KeyItem = {
  state: "active",
  keyArn: parseKeyArn(KEY_ARN),
  roleArn: parseRoleArn(ROLE_ARN),
  replicaKeyArns: [],
  previousKeyArns: [],
};
const SUSPENDED = new TenantKeysError("tenant_suspended", "tenant acme is suspended", { tenantId: "acme" });

/** What was done, in order, with a registry and an STS that answer as the test says. */
function world() {
  const state = {
    key: KEY,
    now: undefined as TenantKeysError | undefined,
    sts: undefined as TenantKeysError | undefined,
    nowMs: 50_000,
  };
  const did: string[] = [];
  const access = createKeyAccess({
    registry: {
      find: async () => state.key,
      async findAnew() {
        did.push("look anew");
        if (state.now !== undefined) throw state.now;
        return KEY;
      },
      forget: (tenantId) => did.push(`forget record of ${tenantId}`),
    },
    sessions: {
      of: ({ region }) => ({
        kms: region as never,
        madeAtMs: 0,
        async credentials() {
          if (state.sts !== undefined) throw state.sts;
          return {} as never;
        },
      }),
      forget: (tenantId, beforeMs) =>
        did.push(`forget sessions of ${tenantId}${beforeMs ? ` before ${beforeMs}` : ""}`),
    },
    account: async () => parseAccountId("111122223333"),
    region: parseRegion("eu-west-1"),
    nowMs: () => state.nowMs,
    forgetDataKeys: (tenantId) => did.push(`forget data keys of ${tenantId}`),
  });
  return { state, did, access };
}

describe("why AWS refused", () => {
  it.each([
    "AccessDeniedException",
    "DisabledException",
    "NotFoundException",
    "KMSInvalidStateException",
    "UnrecognizedClientException",
  ])(
    "is what the registry says now, for %s, and the tenant's data keys and older sessions are forgotten",
    async (name) => {
      const { state, did, access } = world();
      state.now = SUSPENDED;
      const cause = awsError(name);
      const error = await access.explain(REF, cause, "kms:Decrypt");
      expect(error).toMatchObject({ code: "tenant_suspended", cause, message: SUSPENDED.message });
      expect(error.details).toMatchObject({ tenantId: "acme", step: "kms:Decrypt" });
      expect(did).toEqual(["forget data keys of acme", "forget sessions of acme before 40000", "look anew"]);
    },
  );

  it.each([
    ["AccessDeniedException", "access_denied"],
    ["DisabledException", "key_disabled"],
    ["NotFoundException", "key_missing"],
  ])(
    "is AWS's own word, for %s, where the registry knows nothing against the tenant or can't be read",
    async (name, code) => {
      const { state, access } = world();
      expect((await access.explain(REF, awsError(name), "kms:Decrypt")).code).toBe(code);
      state.now = new TenantKeysError("registry_unavailable", "unreachable");
      expect(await access.explain(REF, awsError(name), "kms:Decrypt")).toMatchObject({
        code,
        details: { tenantId: "acme", keyName: "default" },
      });
    },
  );

  it.each(["ThrottlingException", "KMSInternalException", "TimeoutError", "KeyUnavailableException"])(
    "isn't asked of the registry for %s, and nothing is forgotten",
    async (name) => {
      const { did, access } = world();
      await access.explain(REF, awsError(name), "kms:Decrypt");
      expect(did).toEqual([]);
    },
  );

  it("is a session that ended early: the next call has a new one", async () => {
    const { did, access } = world();
    const error = await access.explain(REF, awsError("ExpiredToken"), "s3:GetObject");
    expect([error.code, error.retryable, did]).toEqual(["aws_unavailable", true, ["forget sessions of acme"]]);
  });

  it("is an error of ours as it is, with whose key it was", async () => {
    const { did, access } = world();
    const ours = new TenantKeysError("ciphertext_corrupted", "cut short");
    expect(await access.explain(REF, ours, "decrypt")).toMatchObject({
      code: "ciphertext_corrupted",
      details: { tenantId: "acme", keyName: "default" },
    });
    expect(did).toEqual([]);
  });
});

describe("opening a key", () => {
  it("gives what the record names, with the KMS client of the key's Region", async () => {
    const { access } = world();
    expect(await access.open(REF)).toMatchObject({
      ...REF,
      keyArn: KEY_ARN,
      decryptKeyArns: [KEY_ARN],
      roleArn: ROLE_ARN,
      kms: "eu-west-1",
    });
  });

  it("checks each record that is read where it leads, however often the one before was good", async () => {
    const { state, access } = world();
    for (const _ of [1, 2]) await access.open(REF);
    state.key = { ...KEY, roleArn: parseRoleArn(ROLE_ARN.replace("acme", "globex")) };
    for (const _ of [1, 2]) expect((await errorOf(access.open(REF))).code).toBe("record_invalid");
  });

  it("says why the tenant can't have a session by the registry as it is now", async () => {
    const { state, access } = world();
    state.sts = new TenantKeysError("access_denied", "sts:AssumeRole: AccessDenied", { step: "sts:AssumeRole" });
    expect((await errorOf(access.open(REF))).code).toBe("access_denied");
    state.now = SUSPENDED;
    expect((await errorOf(access.open(REF))).code).toBe("tenant_suspended");
  });
});

it("forgets the records, sessions and data keys of a tenant", () => {
  const { did, access } = world();
  access.forget(REF.tenantId);
  expect(did).toEqual(["forget record of acme", "forget sessions of acme", "forget data keys of acme"]);
});
