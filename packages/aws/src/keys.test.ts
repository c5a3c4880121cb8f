/**
 * What is sent to KMS for keys of custom key stores, which no local AWS has: the SDK's own types check each input when
 * this file is compiled, and the test that it is sent so.
 */
import type { CreateKeyCommandInput, DescribeCustomKeyStoresCommandInput } from "@aws-sdk/client-kms";
import { completeKeyProfile, desiredTenantKey, type KeyProfile, parseAttemptId } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { createKey, refuseDisconnectedStore } from "./keys.ts";
import { ACME, type Call, CONTEXT, DEFAULT_KEY, FakeClock, fakeClients, KEY_ARN, runOn } from "./test-support.ts";

const STORE = "cks-1234567890abcdef0";
const run = runOn(new FakeClock());

async function created(profile: Partial<KeyProfile>, xksKeyId?: string) {
  const desired = desiredTenantKey(CONTEXT, ACME, DEFAULT_KEY, completeKeyProfile(profile));
  const calls: Call[] = [];
  const clients = fakeClients((call) => {
    calls.push(call);
    return { KeyMetadata: { Arn: KEY_ARN } };
  });
  await createKey(clients, run, {
    ...desired,
    description: "a key",
    policy: desired.creationPolicy,
    tags: desired.keyTags(parseAttemptId("attempt-1")),
    xksKeyId,
  });
  const always = {
    Description: "a key",
    KeyUsage: desired.keyUsage,
    Policy: JSON.stringify(desired.creationPolicy),
    Tags: [
      { TagKey: "tenantkeys:stage", TagValue: "dev" },
      { TagKey: "tenantkeys:tenant", TagValue: "acme" },
      { TagKey: "tenantkeys:key", TagValue: "default" },
      { TagKey: "tenantkeys:attempt", TagValue: "attempt-1" },
    ],
  } satisfies CreateKeyCommandInput;
  return { sent: calls.map(({ client, name, input }) => ({ client, name, input })), always };
}

const once = (input: CreateKeyCommandInput) => [{ client: "kmsOnce", name: "CreateKey", input }];

describe("CreateKey", () => {
  test("in a CloudHSM key store names origin and store, and no other key", async () => {
    const { sent, always } = await created({ origin: "AWS_CLOUDHSM", customKeyStoreId: STORE });
    const own = { KeySpec: "SYMMETRIC_DEFAULT", Origin: "AWS_CLOUDHSM", CustomKeyStoreId: STORE } as const;
    expect(sent).toEqual(once({ ...always, ...own }));
  });

  test("in an external key store names the manager's key as well", async () => {
    const { sent, always } = await created({ origin: "EXTERNAL_KEY_STORE", customKeyStoreId: STORE }, "manager-key-1");
    const own = {
      KeySpec: "SYMMETRIC_DEFAULT",
      Origin: "EXTERNAL_KEY_STORE",
      CustomKeyStoreId: STORE,
      XksKeyId: "manager-key-1",
    } as const;
    expect(sent).toEqual(once({ ...always, ...own }));
  });

  test("of any other key names no store, and says so where the key has replicas", async () => {
    const single = await created({ keySpec: "HMAC_256" });
    expect(single.sent).toEqual(once({ ...single.always, KeySpec: "HMAC_256", Origin: "AWS_KMS" }));
    const replicated = await created({ replicaRegions: ["eu-central-1" as never] });
    const own = { KeySpec: "SYMMETRIC_DEFAULT", Origin: "AWS_KMS", MultiRegion: true } as const;
    expect(replicated.sent).toEqual(once({ ...replicated.always, ...own }));
  });
});

describe("a custom key store", () => {
  const asked = async (stores: readonly object[]) => {
    const calls: Call[] = [];
    const clients = fakeClients((call) => {
      calls.push(call);
      return { CustomKeyStores: stores };
    });
    await refuseDisconnectedStore(clients, run, STORE);
    return calls.map(({ client, name, input }) => ({ client, name, input }));
  };

  test("that is connected is asked for by its id, and nothing else", async () => {
    const input: DescribeCustomKeyStoresCommandInput = { CustomKeyStoreId: STORE };
    const sent = await asked([{ CustomKeyStoreId: STORE, ConnectionState: "CONNECTED" }]);
    expect(sent).toEqual([{ client: "kms", name: "DescribeCustomKeyStores", input }]);
  });

  test.each<[string, readonly object[], string]>([
    ["is being connected", [{ CustomKeyStoreId: STORE, ConnectionState: "CONNECTING" }], "is CONNECTING"],
    [
      "failed",
      [{ CustomKeyStoreId: STORE, ConnectionState: "FAILED", ConnectionErrorCode: "XKS_PROXY_TIMED_OUT" }],
      "is FAILED (XKS_PROXY_TIMED_OUT)",
    ],
    ["is another one", [{ CustomKeyStoreId: "cks-other", ConnectionState: "CONNECTED" }], "isn't known to KMS here"],
    ["isn't there", [], "isn't known to KMS here"],
  ])("that %s is refused with KMS's reason", async (_, stores, reason) => {
    await expect(asked(stores)).rejects.toMatchObject({
      code: "key_store_unavailable",
      retryable: true,
      message: expect.stringContaining(reason),
    });
  });
});
