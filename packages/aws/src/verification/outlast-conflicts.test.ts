import { finding, parseKeyName, parseStage, parseTenantId, type Sweep } from "@tenantkeys/core";
import { expect, test } from "vitest";
import { awsError, FakeClock, fakeClients, runOn } from "../test-support.ts";
import { createFindingStore } from "./finding-store.ts";
import { createSweepStore } from "./sweep/sweep-store-dynamodb.ts";

const TENANT = parseTenantId("acme");
const KEY = parseKeyName("default");
const SWEEP: Sweep = {
  ...{ sweepId: "sweep-1", number: 1, phase: "checking", fence: 1, leaseUntilMs: 1, startedAtMs: 1 },
  ...{ shards: 2, shardsDone: 0, shardsLost: 0, tenantKeys: 2, tenants: 1, tenantKeysVerified: 0, tenantsVerified: 0 },
  ...{ readsDenied: 0, pagesCut: 0, rounds: 1 },
};

const cancelled = (...codes: string[]) =>
  Object.assign(awsError("TransactionCanceledException", 400), {
    CancellationReasons: codes.map((Code) => ({ Code })),
  });

/** A registry of which the first writes meet another's transaction. */
function contended(operation: string, error: Error, conflicts: number, items: readonly object[] = []) {
  const writes: string[] = [];
  const clients = fakeClients(({ name }) => {
    if (name === "Query") return { Items: items };
    if (name !== operation) return {};
    writes.push(name);
    if (writes.length <= conflicts) throw error;
    return {};
  });
  return { clients, writes };
}

const openFinding = {
  ...{ pk: "TENANT#acme", sk: "FINDING#open#x", entity: "Finding", owner: "acme", openFinding: "open" },
  ...{ findingId: "rotation-off/acme/default/r", ruleId: "rotation-off", severity: "high", tenantId: "acme" },
  ...{ keyName: "default", resource: "r", expected: "", seen: "", firstSeenAtMs: 1, lastSeenAtMs: 1 },
};
const scope = { tenantId: TENANT, keyName: KEY, unjudged: [] };

test.each([
  ["TransactWrite", cancelled("TransactionConflict", "None"), []],
  ["Put", awsError("TransactionConflictException", 400), ["seen again"]],
])("a finding is written (%s) though another check writes it in the same moment", async (operation, error, found) => {
  const { clients, writes } = contended(operation, error, 2, [openFinding]);
  const publisher = { publishReply: async () => {} } as never;
  const store = createFindingStore({ clients, tableName: "registry", stage: parseStage("dev"), publisher });
  const findings = found.map((seen) =>
    finding("rotation-off", { tenantId: TENANT, keyName: KEY, resource: "r", expected: "", seen }),
  );
  await store.record(runOn(new FakeClock()), scope, findings);
  expect(writes).toHaveLength(3);
});

test("that everything was sent is written though shards end in the same moment", async () => {
  const { clients, writes } = contended("Update", awsError("TransactionConflictException", 400), 2);
  const store = createSweepStore(clients.documents, "registry");
  await expect(store.sent(runOn(new FakeClock()), SWEEP)).resolves.toBe(true);
  expect(writes).toHaveLength(3);
});

test("a condition that isn't met beside a conflict decides it", async () => {
  const { clients, writes } = contended("TransactWrite", cancelled("TransactionConflict", "ConditionalCheckFailed"), 9);
  const store = createSweepStore(clients.documents, "registry");
  await expect(store.close(runOn(new FakeClock()), SWEEP, {})).resolves.toBe(false);
  expect(writes).toHaveLength(1);
});

test("a conflict that doesn't pass is thrown", async () => {
  const { clients } = contended("TransactWrite", cancelled("TransactionConflict"), 99);
  const store = createSweepStore(clients.documents, "registry");
  await expect(store.close(runOn(new FakeClock()), SWEEP, {})).rejects.toMatchObject({ name: "TenantKeysError" });
});

test("shards are cleared away in transactions that hold ten of the largest", async () => {
  const sizes: number[] = [];
  const clients = fakeClients(({ name, input }) => {
    if (name === "Query")
      return { Items: Array.from({ length: 25 }, (_, sk) => ({ pk: "SWEEP#1", sk: `SHARD#${sk}` })) };
    sizes.push((input as unknown as { TransactItems: unknown[] }).TransactItems.length);
    return {};
  });
  await createSweepStore(clients.documents, "registry").deleteShards(runOn(new FakeClock()), "sweep-1");
  expect(sizes).toEqual([10, 10, 5]);
});
