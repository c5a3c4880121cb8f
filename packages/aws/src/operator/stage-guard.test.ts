import { parseAccountId, parseRegion, parseStage } from "@tenantkeys/core";
import { expect, test } from "vitest";
import { forceStage, stageMismatch } from "./stage-guard.ts";

const HERE = {
  stage: parseStage("dev"),
  accountId: parseAccountId("111122223333"),
  region: parseRegion("eu-west-1"),
};

test.each([
  ["says nothing", {}],
  ["has no detail that could", { detail: "text" }],
  ["names this stage", { detail: { stage: "dev" } }],
  ["came over this stage's bus", { account: "111122223333", region: "eu-west-1", detail: { stage: "dev" } }],
])("an event that %s of where it belongs is this stage's", (_, event) => {
  expect(stageMismatch(event, HERE)).toBeUndefined();
});

test.each([
  [{ detail: { stage: "production" } }, "detail.stage", 'meant for stage "production"'],
  [{ detail: { stage: 7 } }, "detail.stage", 'meant for stage "7"'],
  [{ account: "999988887777" }, "account", "a bus of account 999988887777, eu-west-1"],
  [{ region: "us-east-1" }, "region", "a bus of account 111122223333, us-east-1"],
  [{ account: 1, region: "eu-west-1" }, "account", "a bus of account 1, eu-west-1"],
])("%j is another stage's, and both are named", (event, field, there) => {
  const error = stageMismatch(event, HERE);
  expect(error).toMatchObject({ code: "stage_mismatch", retryable: false, details: { field } });
  expect(error?.message).toContain(there);
  expect(error?.message).toContain('this is stage "dev" in account 111122223333, eu-west-1');
});

test("an event that is forced is this stage's in every field that says where it belongs, and no other is changed", () => {
  const event = {
    id: "1",
    account: "999988887777",
    region: "us-east-1",
    detail: { stage: "production", generation: 3 },
  };
  const forced = forceStage(event, HERE);
  expect(forced).toEqual({
    id: "1",
    account: "111122223333",
    region: "eu-west-1",
    detail: { stage: "dev", generation: 3 },
  });
  expect(stageMismatch(forced, HERE)).toBeUndefined();
  expect(forceStage({ detail: { generation: 3 } }, HERE)).toEqual({ detail: { generation: 3 } });
});
