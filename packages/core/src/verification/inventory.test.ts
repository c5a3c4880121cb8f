import { describe, expect, it } from "vitest";
import { parseAttemptId, parseKeyArn, parseRegion, parseRoleArn, parseStage } from "../ids.ts";
import type { KeyRecord } from "../key-record.ts";
import { DAY_MS } from "../offboarding.ts";
import { exampleContext } from "../test-support.ts";
import {
  emptyInventory,
  type Inventory,
  keysNotCovered,
  mayBeOrphanKey,
  orphanAlias,
  orphanKey,
  orphanRole,
  takeIntoInventory,
} from "./inventory.ts";
import { denied, exampleInput, HOUR_MS, KEY_ARN, NOW_MS, OTHER_KEY_ARN, read } from "./test-support.ts";

const CONTEXT = exampleContext();
const STAGE = parseStage("dev");
const STRAY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/stray");
const TAGS = { "tenantkeys:stage": "dev", "tenantkeys:tenant": "globex", "tenantkeys:key": "default" };
const { record: RECORD } = exampleInput({ record: { previousKeyArns: [OTHER_KEY_ARN] } });

function inventoryOf(record: KeyRecord, context: typeof CONTEXT = CONTEXT): Inventory {
  const inventory = emptyInventory();
  takeIntoInventory(inventory, context, record, NOW_MS);
  return inventory;
}

const INVENTORY = inventoryOf(RECORD);

describe("keys", () => {
  const describedAs = (state: "Enabled" | "Disabled" | "PendingDeletion", ageMs = DAY_MS) =>
    read({ state, origin: "AWS_KMS", keySpec: "SYMMETRIC_DEFAULT", createdAtMs: NOW_MS - ageMs });
  const stray = { keyArn: STRAY_ARN, tags: TAGS };

  it.each([
    ["the recorded key", { keyArn: KEY_ARN, tags: TAGS }, false],
    ["a predecessor", { keyArn: OTHER_KEY_ARN, tags: TAGS }, false],
    [
      "a spare of a recorded attempt",
      { keyArn: STRAY_ARN, tags: { ...TAGS, "tenantkeys:attempt": "attempt-1" } },
      false,
    ],
    ["a key of another stage", { keyArn: STRAY_ARN, tags: { ...TAGS, "tenantkeys:stage": "prod" } }, false],
    ["a key without a stage", { keyArn: STRAY_ARN, tags: {} }, false],
    ["a key that no record names", stray, true],
    [
      "one of an attempt that no record names",
      { keyArn: STRAY_ARN, tags: { ...TAGS, "tenantkeys:attempt": "attempt-9" } },
      true,
    ],
  ])("asks whether %s is an orphan: %j", (_, tagged, expected) => {
    expect(mayBeOrphanKey(tagged, STAGE, INVENTORY)).toBe(expected);
  });

  it("knows replicas and what attempts made", () => {
    const attempts = [{ attemptId: parseAttemptId("attempt-3"), outcome: "created" as const, keyArn: STRAY_ARN }];
    const replicaArn = parseKeyArn("arn:aws:kms:eu-central-1:111122223333:key/key-1");
    const replicas = [{ region: parseRegion("eu-central-1"), keyArn: replicaArn }];
    const inventory = inventoryOf({ ...RECORD, attempts, replicas });
    expect(mayBeOrphanKey(stray, STAGE, inventory)).toBe(false);
    expect(mayBeOrphanKey({ keyArn: replicaArn, tags: TAGS }, STAGE, inventory)).toBe(false);
  });

  it("finds one that is older than an hour, and says whose it claims to be", () => {
    expect(orphanKey(stray, describedAs("Enabled"), NOW_MS)).toMatchObject({
      ruleId: "orphan-key",
      tenantId: "globex",
      keyName: "default",
      resource: STRAY_ARN,
      seen: 'Enabled, made on 2026-11-23; tagged tenantkeys:tenant = "globex", tenantkeys:key = "default"',
    });
  });

  it("passes by one that is pending deletion or younger than an hour", () => {
    expect(orphanKey(stray, describedAs("PendingDeletion"), NOW_MS)).toBeUndefined();
    expect(orphanKey(stray, describedAs("Enabled", HOUR_MS - 1), NOW_MS)).toBeUndefined();
    expect(orphanKey(stray, describedAs("Enabled", HOUR_MS), NOW_MS)).toBeDefined();
  });

  it("finds one that can't be described, and takes no id from a tag that isn't one", () => {
    const tagged = { keyArn: STRAY_ARN, tags: { "tenantkeys:stage": "dev", "tenantkeys:tenant": "Not An Id" } };
    expect(orphanKey(tagged, denied("kms:DescribeKey"), NOW_MS)).toMatchObject({
      tenantId: undefined,
      keyName: undefined,
      seen: `can't be described; tagged tenantkeys:tenant = "Not An Id", tenantkeys:key = (none)`,
    });
  });
});

describe("aliases", () => {
  const alias = (aliasName: string) => orphanAlias({ aliasName, targetKeyArn: STRAY_ARN }, CONTEXT, INVENTORY);

  it("passes by the tenants' own, other stages' and everybody else's", () => {
    expect(alias("alias/tenantkeys/dev/acme/default")).toBeUndefined();
    expect(alias("alias/tenantkeys/dev2/globex/default")).toBeUndefined();
    expect(alias("alias/aws/s3")).toBeUndefined();
  });

  it("finds a name of this stage that no record has", () => {
    expect(alias("alias/tenantkeys/dev/globex/default")).toMatchObject({
      ruleId: "orphan-alias",
      tenantId: "globex",
      keyName: "default",
      resource: "arn:aws:kms:eu-west-1:111122223333:alias/tenantkeys/dev/globex/default",
      seen: `leads to ${STRAY_ARN}`,
    });
    expect(alias("alias/tenantkeys/dev/Odd")).toMatchObject({ tenantId: undefined, keyName: undefined });
  });

  it("finds the name of a key that is gone, and of a key of the tenant's own account", () => {
    const mine = { aliasName: "alias/tenantkeys/dev/acme/default" };
    expect(orphanAlias(mine, CONTEXT, inventoryOf({ ...RECORD, state: "destroyed" }))).toMatchObject({
      seen: "leads to no key",
    });
    expect(orphanAlias(mine, CONTEXT, inventoryOf({ ...RECORD, ownKeyArn: KEY_ARN }))).toBeDefined();
  });
});

describe("roles", () => {
  const listed = (changes = {}) => ({
    name: "tk-dev-globex",
    path: "/tenantkeys/dev/",
    arn: parseRoleArn("arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-globex"),
    tags: { "tenantkeys:stage": "dev", "tenantkeys:tenant": "globex" },
    ...changes,
  });

  it("passes by the tenants' own and those of other paths", () => {
    expect(orphanRole(listed({ name: "tk-dev-acme" }), STAGE, INVENTORY)).toBeUndefined();
    expect(orphanRole(listed({ path: "/tenantkeys/" }), STAGE, INVENTORY)).toBeUndefined();
    expect(orphanRole(listed({ path: "/tenantkeys/prod/" }), STAGE, INVENTORY)).toBeUndefined();
  });

  it("finds one under this stage's path that no record has", () => {
    expect(orphanRole(listed(), STAGE, INVENTORY)).toMatchObject({ ruleId: "orphan-role", tenantId: "globex" });
    expect(orphanRole(listed({ tags: {} }), STAGE, INVENTORY)).toMatchObject({
      ruleId: "orphan-role",
      tenantId: "globex",
    });
    expect(orphanRole(listed({ tags: {}, name: "other" }), STAGE, INVENTORY)).toMatchObject({ tenantId: undefined });
  });

  it("finds one that another stage's tag is on", () => {
    expect(orphanRole(listed({ tags: { "tenantkeys:stage": "prod" } }), STAGE, INVENTORY)).toMatchObject({
      ruleId: "stage-mismatch",
    });
  });

  it("finds those of an earlier role mode, and of tenants that are gone", () => {
    const shared = inventoryOf(RECORD, exampleContext({ roleMode: "session-tag" }));
    const gone = inventoryOf({ ...RECORD, state: "destroyed" });
    for (const inventory of [shared, gone]) {
      expect(orphanRole(listed({ name: "tk-dev-acme" }), STAGE, inventory)).toMatchObject({ ruleId: "orphan-role" });
    }
  });
});

it("doesn't tell of what ended after the lists were read: alias and role of a tenant that has just gone", () => {
  const ended = (agoMs: number) => inventoryOf({ ...RECORD, state: "destroyed", destroyedAtMs: NOW_MS - agoMs });
  const alias = { aliasName: "alias/tenantkeys/dev/acme/default" };
  const arn = parseRoleArn("arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-acme");
  const role = { name: "tk-dev-acme", path: "/tenantkeys/dev/", arn, tags: {} };
  const found = (inventory: Inventory) => [
    orphanAlias(alias, CONTEXT, inventory)?.ruleId,
    orphanRole(role, STAGE, inventory)?.ruleId,
  ];
  expect(found(ended(HOUR_MS / 10))).toEqual([undefined, undefined]);
  expect(found(ended(HOUR_MS))).toEqual(["orphan-alias", "orphan-role"]);
});

describe("Regions", () => {
  const covered = [parseRegion("eu-west-1"), parseRegion("eu-central-1")];
  const replicaArn = parseKeyArn("arn:aws:kms:us-east-1:111122223333:key/key-1");
  const replicas = [{ region: parseRegion("us-east-1"), keyArn: replicaArn }];

  it("finds recorded keys where the stage doesn't look, each once", () => {
    expect(keysNotCovered(RECORD, covered)).toEqual([]);
    expect(keysNotCovered({ ...RECORD, replicas }, covered)).toMatchObject([
      { ruleId: "region-not-covered", tenantId: "acme", resource: replicaArn, seen: "in us-east-1" },
    ]);
    expect(keysNotCovered(RECORD, [parseRegion("us-east-1")])).toHaveLength(2);
  });

  it("asks nothing of a key that is gone", () => {
    expect(keysNotCovered({ ...RECORD, replicas, state: "destroyed" }, covered)).toEqual([]);
  });
});
