/** The table of branch keys: only where the stage asks for it, never lost, and written by whoever makes branch keys alone. */
import { beforeAll, expect, test } from "vitest";
import { ACCOUNT_ID, REGION, type RecordedStage, recordStage } from "./recorded-stage.ts";

const TABLE = "tenantkeys-dev-branch-keys";
const TABLE_ARN = `arn:aws:dynamodb:${REGION}:${ACCOUNT_ID}:table/${TABLE}`;

let without: RecordedStage;
let stage: RecordedStage;
let again: RecordedStage;

beforeAll(async () => {
  const settings = { branchKeys: true };
  [without, stage, again] = await Promise.all([
    recordStage(),
    recordStage({ settings }),
    recordStage({ settings, existingArns: [TABLE_ARN] }),
  ]);
});

test("a stage has no such table unless it asks for one", () => {
  expect(JSON.stringify(without.resources)).not.toContain("branch-key");
});

test("the table has the form of the Encryption SDK's key store", () => {
  expect(stage.one("dynamodb/table:Table", "-branch-keys").inputs).toMatchObject({
    hashKey: "branch-key-id",
    rangeKey: "type",
    attributes: [
      { name: "branch-key-id", type: "S" },
      { name: "type", type: "S" },
    ],
    billingMode: "PAY_PER_REQUEST",
  });
});

test("the table can be restored to any second, is encrypted, outlives its stage and is taken up again", () => {
  const { inputs, retainOnDelete, importId } = stage.one("dynamodb/table:Table", "-branch-keys");
  expect(inputs).toMatchObject({
    pointInTimeRecovery: { enabled: true },
    deletionProtectionEnabled: true,
    serverSideEncryption: { enabled: true },
  });
  expect([retainOnDelete, importId]).toEqual([true, undefined]);
  expect(again.one("dynamodb/table:Table", "-branch-keys").importId).toBe(TABLE);
});

test("an application only reads it, item by item", () => {
  expect(stage.statements("tenantkeys-dev-branch-key-reader policy")).toEqual([
    { Sid: "ReadBranchKeys", Effect: "Allow", Action: "dynamodb:GetItem", Resource: TABLE_ARN },
  ]);
});

test("who makes branch keys deletes none", () => {
  expect(stage.statements("tenantkeys-dev-branch-key-maker policy")).toEqual([
    {
      Sid: "MakeBranchKeys",
      Effect: "Allow",
      Action: ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
      Resource: TABLE_ARN,
    },
  ]);
});

test("no role of the stage's own reaches it", () => {
  const holders = [...stage.documents()].filter(([, document]) => JSON.stringify(document).includes(TABLE));
  expect(holders.map(([name]) => name).toSorted()).toEqual([
    "tenantkeys-dev-branch-key-maker policy",
    "tenantkeys-dev-branch-key-reader policy",
  ]);
});
