import {
  type Finding,
  finding,
  findingId,
  type KeyRecord,
  parseKeyName,
  parseStageSettings,
  parseTenantEvent,
  parseTenantId,
  type RuleId,
  type StoredFinding,
  TenantKeysError,
} from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { awsError, CONTEXT, FakeClock, fakeClients, runOn } from "../test-support.ts";
import { type AutomaticRepairPorts, repairAutomatically } from "./automatic-repair.ts";

const KEY = parseKeyName("default");

function stored(ruleId: RuleId, tenant: string): StoredFinding {
  const found: Finding = finding(ruleId, {
    tenantId: parseTenantId(tenant),
    keyName: KEY,
    resource: "r",
    expected: "",
    seen: "",
  });
  return { ...found, findingId: findingId(found), firstSeenAtMs: 1, lastSeenAtMs: 1 };
}

interface Item {
  readonly version: number;
}

/** A stage with these open findings. @param stage.keys how many a scan of its registry finds */
function stage(
  open: readonly StoredFinding[],
  stage: {
    keys?: number;
    settings?: object;
    own?: readonly string[];
    races?: number;
    broken?: string;
    living?: number;
  } = {},
) {
  const { keys = 40, living = keys, settings: changes = { automaticRepair: true }, own = [] } = stage;
  const clock = new FakeClock();
  const settings = parseStageSettings({
    stage: "dev",
    applicationRoleArns: ["arn:aws:iam::111122223333:role/app"],
    ...changes,
  });
  let item: Item | undefined;
  let races = stage.races ?? 0;
  const calls: string[] = [];
  const sent: { tenantId: string; rules: readonly string[]; automatic: boolean }[] = [];
  const clients = fakeClients(({ name, input }) => {
    calls.push(name);
    const { Item: put, ExpressionAttributeValues: values } = input as unknown as {
      Item: Item;
      ExpressionAttributeValues: Record<string, unknown>;
    };
    switch (name) {
      case "Get":
        return { Item: item };
      case "Put":
        if (races-- > 0) item = { ...put, version: (item?.version ?? 0) + 1 };
        if (item !== undefined && item.version !== values[":expected"])
          throw awsError("ConditionalCheckFailedException", 400);
        item = put;
        return {};
      case "Scan":
        return {
          Items: [
            { entity: "TenantKey" },
            ...Array.from({ length: keys - 1 }, (_, index) =>
              keyItem(index, index < living - 1 ? "active" : "destroyed"),
            ),
          ],
        };
      default: {
        const event = parseTenantEvent(input.MessageBody, settings);
        if (event.type !== "TenantKeyRepairRequested") throw new Error(event.type);
        sent.push({ tenantId: event.tenantId, rules: event.rules, automatic: event.automatic });
        return {};
      }
    }
  });
  const ports: AutomaticRepairPorts = {
    clients,
    settings,
    context: CONTEXT,
    provisioningQueueUrl: "https://sqs.example/provisioning",
    newEventId: () => `event-${sent.length}`,
    findings: {
      record: () => Promise.reject(new Error("nothing is recorded here")),
      openOfTenant: async (_run, tenantId) => open.filter((one) => one.tenantId === tenantId),
      async *listOpen() {
        yield* open;
      },
      history: async () => [],
    },
    registry: {
      get: async (_run: unknown, tenantId: string) => {
        if (tenantId === stage.broken) throw new TenantKeysError("record_invalid", "it can't be read");
        const ofOwn = own.includes(tenantId) ? { ownKeyArn: "arn:aws:kms:eu-west-1:444455556666:key/1" } : {};
        return { tenantId, ...ofOwn } as KeyRecord;
      },
    } as unknown as AutomaticRepairPorts["registry"],
  };
  const repair = (scope?: Parameters<typeof repairAutomatically>[2]) => repairAutomatically(ports, runOn(clock), scope);
  return { repair, sent, calls, clock };
}

const keyItem = (index: number, state: string) => ({
  pk: `TENANT#t${index}`,
  sk: "KEY#default",
  entity: "TenantKey",
  tenantId: `t${index}`,
  keyName: "default",
  state,
  generation: 1,
  profile: "default",
  attempts: [],
  fence: 1,
  leaseUntilMs: 0,
  eventId: "e",
  declaredAtMs: 1,
  updatedAtMs: 1,
});

describe("automatic repair", () => {
  test("does nothing, and reads nothing, where the stage doesn't want it", async () => {
    const { repair, calls } = stage([stored("rotation-off", "acme")], { settings: {} });
    await expect(repair()).resolves.toEqual({ asked: [], waiting: [], beyond: [] });
    expect(calls).toEqual([]);
  });

  test("asks the worker per key for the rules that need no person, and says that nobody asked", async () => {
    const open = [stored("rotation-off", "acme"), stored("alias-missing", "acme"), stored("key-disabled", "globex")];
    const { repair, sent } = stage(open);
    await expect(repair()).resolves.toMatchObject({ asked: [{ tenantId: "acme" }], limit: 2 });
    expect(sent).toEqual([{ tenantId: "acme", rules: ["rotation-off", "alias-missing"], automatic: true }]);
  });

  test("stops at the limit of a day, in the next run too, and says what it left", async () => {
    const open = ["a", "b", "c", "d"].map((tenant) => stored("rotation-off", tenant));
    const { repair, sent, clock } = stage(open);
    await expect(repair()).resolves.toMatchObject({ limit: 2, beyond: [{ tenantId: "c" }, { tenantId: "d" }] });
    clock.advance(60 * 60_000);
    await expect(repair()).resolves.toMatchObject({ asked: [{ tenantId: "a" }, { tenantId: "b" }] });
    expect(sent.map(({ tenantId }) => tenantId)).toEqual(["a", "b", "a", "b"]);
  });

  test("takes the share of the keys that are there, counted anew after a sweep, and counts no more than it must", async () => {
    const open = ["a", "b", "c", "d"].map((tenant) => stored("rotation-off", tenant));
    const { repair, calls } = stage(open, { keys: 60 });
    await expect(repair()).resolves.toMatchObject({ limit: 3 });
    calls.splice(0);
    await expect(repair({ tenantId: parseTenantId("a") })).resolves.toMatchObject({ limit: 3 });
    expect(calls).not.toContain("Scan");
    await repair();
    expect(calls).toContain("Scan");
    const many = stage(open, { keys: 500 });
    await expect(many.repair()).resolves.toMatchObject({ limit: 10, beyond: [] });
  });

  test("counts no key that is gone: the share of a stage that many have left is small", async () => {
    const open = ["a", "b", "c"].map((tenant) => stored("rotation-off", tenant));
    const { repair } = stage(open, { keys: 500, living: 40 });
    await expect(repair()).resolves.toMatchObject({ limit: 2, beyond: [{ tenantId: "c" }] });
  });

  test("looks at one tenant's findings alone where the guard says so", async () => {
    const { repair, sent } = stage([stored("rotation-off", "acme"), stored("rotation-off", "globex")]);
    await repair({ tenantId: parseTenantId("globex") });
    expect(sent.map(({ tenantId }) => tenantId)).toEqual(["globex"]);
  });

  test("leaves keys of tenants' own accounts to people", async () => {
    const { repair, sent } = stage([stored("role-boundary-differs", "acme")], { own: ["acme"] });
    await repair();
    expect(sent).toEqual([]);
  });

  test("of the others goes on where one tenant's record can't be read", async () => {
    const open = [stored("rotation-off", "acme"), stored("rotation-off", "globex")];
    const { repair, sent } = stage(open, { broken: "acme" });
    await repair();
    expect(sent.map(({ tenantId }) => tenantId)).toEqual(["globex"]);
  });

  test("of two functions that ask at once the later sees what the first has asked for", async () => {
    const { repair, sent } = stage([stored("rotation-off", "acme")], { races: 1 });
    await expect(repair()).resolves.toMatchObject({ asked: [], waiting: [{ tenantId: "acme" }] });
    expect(sent).toEqual([]);
  });
});
