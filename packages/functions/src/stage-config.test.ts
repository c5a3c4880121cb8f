import { parseStageSettings, TenantKeysError, workerSettings } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { readStageConfig } from "./stage-config.ts";

const CONFIG = {
  settings: workerSettings(
    parseStageSettings({ stage: "dev", applicationRoleArns: ["arn:aws:iam::111122223333:role/app"] }),
  ),
  accountId: "111122223333",
  queueUrl: "https://sqs.eu-west-1.amazonaws.com/111122223333/tenantkeys-dev-provisioning",
};

const read = (config: object | string | undefined, region: string | undefined = "eu-west-1") =>
  readStageConfig({
    TENANTKEYS_STAGE_CONFIG: typeof config === "object" ? JSON.stringify(config) : config,
    AWS_REGION: region,
  });

describe("the stage's configuration", () => {
  test("gives the settings, the context and the queue", () => {
    const { settings, context, queueUrl } = read(CONFIG);
    expect(settings).toMatchObject({ stage: "dev", createKeyRatePerSecond: 5, provisionTimeoutSeconds: 60 });
    expect(context).toMatchObject({
      accountId: "111122223333",
      region: "eu-west-1",
      provisionerRoleArn: "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-dev-provisioner",
    });
    expect(queueUrl).toBe(CONFIG.queueUrl);
  });

  test.each([
    ["isn't there", undefined, "settings_invalid", "TENANTKEYS_STAGE_CONFIG is missing"],
    ["is empty", "", "settings_invalid", "TENANTKEYS_STAGE_CONFIG is not JSON"],
    ["isn't JSON", "{", "settings_invalid", "TENANTKEYS_STAGE_CONFIG is not JSON"],
    ["is null", "null", "settings_invalid", "TENANTKEYS_STAGE_CONFIG is not an object"],
    ["is a number", "7", "settings_invalid", "TENANTKEYS_STAGE_CONFIG is not an object"],
    ["has no settings", { ...CONFIG, settings: undefined }, "settings_invalid", "settings are missing"],
    ["has settings of another kind", { ...CONFIG, settings: 7 }, "settings_invalid", "settings are missing"],
    ["has no account", { ...CONFIG, accountId: undefined }, "identifier_invalid", "accountId"],
    ["has no queue", { ...CONFIG, queueUrl: undefined }, "settings_invalid", "queueUrl"],
    ["has an empty queue", { ...CONFIG, queueUrl: "" }, "settings_invalid", "queueUrl"],
  ])("that %s stops the function at its start", (_, config, code, words) => {
    const thrown = thrownBy(() => read(config));
    expect(thrown).toBeInstanceOf(TenantKeysError);
    expect(thrown).toMatchObject({ code, message: expect.stringContaining(words) });
  });

  test("without a Region stops the function at its start", () => {
    expect(thrownBy(() => read(CONFIG, ""))).toMatchObject({ code: "identifier_invalid" });
  });
});

function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
}
