import { CreateRoleCommand, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { CreateAliasCommand, CreateKeyCommand } from "@aws-sdk/client-kms";
import { parseAccountId, parseRegion, stageContext } from "@tenantkeys/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../../../../local/src/emulator/index.ts";
import { type Clients, createClients, destroyClients } from "../../clients.ts";
import { startRun, systemClock } from "../../run.ts";
import { SETTINGS } from "../../test-support.ts";
import { inspectedRoleOf } from "../inspect-role.ts";
import { type BulkLists, readBulkLists } from "./bulk-lists.ts";

/** More than a page of each kind holds. */
const TENANTS = 120;

let emulator: Emulator;
let clients: Clients;
let lists: BulkLists;

beforeAll(async () => {
  emulator = await startEmulator();
  const { endpoint, region, credentials } = emulator;
  clients = createClients({ endpoint, region, credentials });
  for (let index = 0; index < TENANTS; index++) await make("dev", `tenant-${index}`);
  await make("dev2", "tenant-0");
  const context = stageContext(SETTINGS, parseAccountId(emulator.accountId), parseRegion(region));
  const reader = { run: startRun(systemClock, 60_000, 1_000), quota: { takeTurn: async () => {} } };
  lists = await readBulkLists(clients, reader, context);
});

afterAll(async () => {
  if (clients !== undefined) destroyClients(clients);
  await emulator?.stop();
});

async function make(stage: string, tenant: string): Promise<void> {
  const tags = { "tenantkeys:stage": stage, "tenantkeys:tenant": tenant, "tenantkeys:key": "default", team: "x" };
  const Tags = Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
  const { KeyMetadata } = await clients.kms.send(new CreateKeyCommand({ Tags }));
  const alias = { AliasName: `alias/tenantkeys/${stage}/${tenant}/default`, TargetKeyId: KeyMetadata?.KeyId };
  await clients.kms.send(new CreateAliasCommand(alias));
  const RoleName = `tk-${stage}-${tenant}`;
  const AssumeRolePolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: [] });
  const role = { RoleName, Path: `/tenantkeys/${stage}/`, AssumeRolePolicyDocument };
  await clients.iam.send(
    new CreateRoleCommand({ ...role, Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) }),
  );
  const statement = { Effect: "Allow", Action: "kms:Decrypt", Resource: KeyMetadata?.Arn };
  const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
  await clients.iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: "key-default", PolicyDocument }));
}

test("every list of the local AWS is whole, page by page", () => {
  const { aliases, taggedKeys, roles } = lists;
  expect([aliases.fault, taggedKeys.fault, roles.fault]).toEqual([undefined, undefined, undefined]);
  expect(aliases.facts.size).toBe(TENANTS);
  expect(taggedKeys.facts).toHaveLength(TENANTS);
  expect(roles.facts.size).toBe(TENANTS);
});

test("a tenant's alias leads to the key with its tags, of which only ours are kept", () => {
  const [key, ...more] = lists.taggedKeys.facts.filter(({ tags }) => tags["tenantkeys:tenant"] === "tenant-7");
  expect(more).toEqual([]);
  expect(key?.tags).toEqual({
    "tenantkeys:stage": "dev",
    "tenantkeys:tenant": "tenant-7",
    "tenantkeys:key": "default",
  });
  expect(lists.aliases.facts.get("alias/tenantkeys/dev/tenant-7/default")).toBe(key?.keyArn);
});

test("a tenant's role comes with its policies and tags", () => {
  const detail = lists.roles.facts.get("tk-dev-tenant-7");
  expect(inspectedRoleOf(detail ?? {})).toMatchObject({
    path: "/tenantkeys/dev/",
    trustPolicy: { Statement: [] },
    inlinePolicies: { "key-default": { Statement: [{ Action: "kms:Decrypt" }] } },
    tags: { "tenantkeys:tenant": "tenant-7" },
  });
});
