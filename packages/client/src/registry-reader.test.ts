import type { AttributeValue, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { describe, expect, it } from "vitest";
import { createRegistryReader } from "./registry-reader.ts";
import { answering, awsError, errorOf, KEY_ARN, REF, ROLE_ARN } from "./test-support.ts";

type Item = Record<string, AttributeValue>;
interface GetItem {
  readonly Key: { readonly pk: { readonly S: string }; readonly sk: { readonly S: string } };
}

const ACTIVE: Item = { state: { S: "active" }, keyArn: { S: KEY_ARN }, roleArn: { S: ROLE_ARN } };
const TENANT: Item = { lifeGeneration: { N: "1" } };
const SUSPENDED: Item = { ...TENANT, suspension: { M: { value: { BOOL: true }, generation: { N: "2" } } } };

/** A registry whose items and time the test changes. */
function registry(
  items: { readonly key?: Item | undefined; readonly tenant?: Item | undefined } = {},
  { recordMaxAgeMs = 60_000 } = {},
) {
  const { key, tenant } = { key: ACTIVE, tenant: TENANT, ...items };
  const world = {
    key: key as Item | undefined,
    tenant: tenant as Item | undefined,
    nowMs: 1_000_000,
    error: undefined as Error | undefined,
  };
  const { client, sent } = answering<DynamoDBClient>(({ Key }: GetItem) => {
    if (world.error !== undefined) throw world.error;
    return { Item: Key.sk.S === "TENANT" ? world.tenant : world.key };
  });
  const reader = createRegistryReader({
    dynamodb: client,
    tableName: "tenantkeys-prod-registry",
    recordMaxAgeMs,
    recordsMax: 10,
    nowMs: () => world.nowMs,
  });
  return { world, reader, reads: () => sent.length / 2 };
}

describe("a record", () => {
  it("is read once however many ask, and once more when it is older than the limit", async () => {
    const { world, reader, reads } = registry();
    await Promise.all([reader.find(REF), reader.find(REF)]);
    world.nowMs += 59_999;
    await reader.find(REF);
    expect(reads()).toBe(1);
    world.nowMs += 1;
    await reader.find(REF);
    expect(reads()).toBe(2);
  });

  it("stops a tenant no later than the limit after its suspension was declared, the key being active still", async () => {
    const { world, reader } = registry();
    await reader.find(REF);
    world.tenant = SUSPENDED;
    world.nowMs += 60_000;
    expect((await errorOf(reader.find(REF))).code).toBe("tenant_suspended");
  });

  it("that was being read for an earlier call says nothing of a suspension that was declared since, with a limit of 0", async () => {
    const { world, reader } = registry({}, { recordMaxAgeMs: 0 });
    const before = reader.find(REF);
    world.tenant = SUSPENDED;
    const after = errorOf(reader.find(REF));
    expect(await before).toMatchObject({ state: "active" });
    expect((await after).code).toBe("tenant_suspended");
  });

  it("of a tenant that may not work is kept for a second only", async () => {
    const { world, reader, reads } = registry({ tenant: SUSPENDED });
    await errorOf(reader.find(REF));
    world.nowMs += 999;
    await errorOf(reader.find(REF));
    expect(reads()).toBe(1);
    world.tenant = TENANT;
    world.nowMs += 1;
    expect(await reader.find(REF)).toMatchObject({ state: "active" });
  });

  it("that isn't there is looked for each time", async () => {
    const { world, reader } = registry({ key: undefined, tenant: undefined });
    expect((await errorOf(reader.find(REF))).code).toBe("tenant_unknown");
    Object.assign(world, { key: ACTIVE, tenant: TENANT });
    expect(await reader.find(REF)).toMatchObject({ keyArn: KEY_ARN });
  });

  it("is read anew on request, once however many request it at the same time", async () => {
    const { world, reader, reads } = registry();
    await reader.find(REF);
    world.tenant = SUSPENDED;
    const errors = await Promise.all([errorOf(reader.findAnew(REF)), errorOf(reader.findAnew(REF))]);
    expect(errors.map(({ code }) => code)).toEqual(["tenant_suspended", "tenant_suspended"]);
    expect(reads()).toBe(2);
  });

  it("is forgotten with its tenant", async () => {
    const { reader, reads } = registry();
    await reader.find(REF);
    reader.forget(REF.tenantId);
    await reader.find(REF);
    expect(reads()).toBe(2);
  });

  it("made under a clock that was put back since isn't taken for young", async () => {
    const { world, reader, reads } = registry();
    await reader.find(REF);
    world.nowMs -= 1;
    await reader.find(REF);
    expect(reads()).toBe(2);
  });
});

describe("a registry that can't be read", () => {
  it("lets a tenant go on within the limit, and not a moment longer", async () => {
    const { world, reader } = registry();
    await reader.find(REF);
    world.error = awsError("ECONNREFUSED");
    world.nowMs += 59_999;
    expect(await reader.find(REF)).toMatchObject({ state: "active" });
    world.nowMs += 1;
    expect((await errorOf(reader.find(REF))).code).toBe("registry_unavailable");
  });

  it.each([
    ["ProvisionedThroughputExceededException", 1_000],
    ["AccessDeniedException", undefined],
    ["ResourceNotFoundException", undefined],
    ["CredentialsProviderError", undefined],
    ["TimeoutError", undefined],
  ])("%s is registry_unavailable, with its cause, its table and when to try again", async (name, retryAfterMs) => {
    const { world, reader } = registry();
    world.error = awsError(name);
    const error = await errorOf(reader.find(REF));
    expect(error).toMatchObject({ code: "registry_unavailable", cause: world.error, retryable: true });
    expect(error.details).toMatchObject({ tenantId: "acme", step: "dynamodb:GetItem", retryAfterMs });
    expect(error.message).toContain("table tenantkeys-prod-registry can't be read");
  });
});

describe("an item that isn't as the worker writes it", () => {
  it.each<[string, Item | undefined, Item | undefined]>([
    ["a state of another life", { ...ACTIVE, state: { S: "paused" } }, TENANT],
    ["no state", { keyArn: { S: KEY_ARN } }, TENANT],
    ["a key that is none", { ...ACTIVE, keyArn: { S: "alias/other" } }, TENANT],
    ["a role that is none", { ...ACTIVE, roleArn: { S: "arn:aws:iam::1:user/x" } }, TENANT],
    ["a number in place of a string", { ...ACTIVE, keyArn: { N: "7" } }, TENANT],
    ["a replica without a key", { ...ACTIVE, replicas: { L: [{ M: {} }] } }, TENANT],
    ["previous keys that are no list", { ...ACTIVE, previousKeyArns: { S: KEY_ARN } }, TENANT],
    ["a date that is no number", { ...ACTIVE, deletionDateMs: { S: "soon" } }, TENANT],
    ["a suspension that doesn't say whether", ACTIVE, { ...TENANT, suspension: { M: { generation: { N: "2" } } } }],
    ["a suspension without a generation", ACTIVE, { ...TENANT, suspension: { M: { value: { BOOL: false } } } }],
  ])("is record_invalid: %s", async (_, key, tenant) => {
    const { reader } = registry({ key, tenant });
    const error = await errorOf(reader.find(REF));
    expect(error.code).toBe("record_invalid");
    expect(error.message).toContain('tenant acme and key "default"');
  });
});
