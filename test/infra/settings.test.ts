/** A wrong setting stops the deployment, before anything is made, and names the field. */
import { PROJECT_ROOT } from "@tenantkeys/local";
import { describe, expect, test } from "vitest";
import { recordStacks } from "../../packages/local/src/deploy/record-stacks.ts";
import { settingsOf } from "../../stacks/stages.ts";
import { recordStage } from "./recorded-stage.ts";

const LEAST = { applicationRoleArns: ["arn:aws:iam::111122223333:role/app"] };

describe("the stacks program", () => {
  test("stops at a bad setting, naming it", async () => {
    await expect(recordStage({ settings: { createKeyRatePerSecond: 0 } })).rejects.toMatchObject({
      code: "stacks_failed",
      message: expect.stringContaining("createKeyRatePerSecond"),
    });
  });

  test("stops for a stage without settings, naming the file to edit", async () => {
    await expect(recordStacks({ projectRoot: PROJECT_ROOT, stage: "nowhere" })).rejects.toMatchObject({
      code: "stacks_failed",
      message: expect.stringMatching(/stage "nowhere" has no settings: add it to stacks\/stages\.ts/),
    });
  });
});

describe("a stage's settings", () => {
  test("can all come from the environment", () => {
    expect(settingsOf("dev", JSON.stringify({ ...LEAST, batchSize: 2 }))).toMatchObject({
      ...LEAST,
      stage: "dev",
      batchSize: 2,
      createKeyRatePerSecond: 5,
    });
  });

  test("are of the stage that is deployed, whatever the environment says", () => {
    expect(settingsOf("dev", JSON.stringify({ ...LEAST, stage: "production" })).stage).toBe("dev");
  });

  test.each([
    ["the application's roles missing", { batchSize: 2 }, "applicationRoleArns"],
    ["no application role", { applicationRoleArns: [] }, "applicationRoleArns"],
    ["a role that is no ARN", { applicationRoleArns: ["app"] }, "applicationRoleArns.0"],
    [
      "a user in place of a role",
      { applicationRoleArns: ["arn:aws:iam::111122223333:user/app"] },
      "applicationRoleArns.0",
    ],
    ["an unknown field", { ...LEAST, creatKeyRate: 5 }, "creatKeyRate"],
    ["a rate of nothing", { ...LEAST, createKeyRatePerSecond: 0 }, "createKeyRatePerSecond"],
    ["a concurrency that Lambda doesn't take", { ...LEAST, maximumConcurrency: 1 }, "maximumConcurrency"],
    ["a batch that is too large", { ...LEAST, batchSize: 11 }, "batchSize"],
    ["a time-out longer than Lambda's", { ...LEAST, provisionTimeoutSeconds: 901 }, "provisionTimeoutSeconds"],
    ["a retention that CloudWatch doesn't have", { ...LEAST, logRetentionDays: 2 }, "logRetentionDays"],
    ["a data action with a wildcard", { ...LEAST, tenantDataActions: ["s3:*"] }, "tenantDataActions.0"],
    ["a data action on keys", { ...LEAST, tenantDataActions: ["kms:PutKeyPolicy"] }, "tenantDataActions.0"],
    [
      "a rotation shorter than KMS's",
      { ...LEAST, profiles: { default: { rotationPeriodDays: 10 } } },
      "rotationPeriodDays",
    ],
    ["no default profile", { ...LEAST, profiles: { gold: {} } }, "profiles"],
  ])("with %s are refused, naming the field", (_, settings, field) => {
    expect(() => settingsOf("dev", JSON.stringify(settings))).toThrow(
      expect.objectContaining({ code: "settings_invalid", message: expect.stringContaining(field) }),
    );
  });

  test.each(["dev-a", "Dev", "", "s".repeat(21)])(
    'of a stage named "%s" are refused: names would be ambiguous',
    (stage) => {
      expect(() => settingsOf(stage, JSON.stringify(LEAST))).toThrow(
        expect.objectContaining({ code: "settings_invalid", message: expect.stringContaining("stage") }),
      );
    },
  );

  test("that aren't JSON are refused, naming the variable", () => {
    expect(() => settingsOf("dev", "{")).toThrow(
      expect.objectContaining({
        code: "settings_invalid",
        message: expect.stringContaining("TENANTKEYS_STAGE_SETTINGS is not JSON"),
      }),
    );
  });
});
