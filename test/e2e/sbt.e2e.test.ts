/**
 * SBT-AWS's control plane, without glue: its requests as it publishes them go in over the bus, and what its registration
 * service's handler reads comes out. The samples are made from its published contract (events/sbt-*). The end of the
 * tenant goes through the deployed review function.
 */
import { readFileSync } from "node:fs";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { clientConfig, createRegistry, startRun, systemClock } from "@tenantkeys/aws";
import { DAY_MS, SBT_REPLY_SOURCE, stageNames } from "@tenantkeys/core";
import { advanceClock, type LocalStage } from "@tenantkeys/local";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readTenantKey } from "../support/aws-state.ts";
import { type Envelope, publish, type ReplyTap, readRecord, tapReplies, until } from "../support/events.ts";
import { sharedStage } from "../support/shared-stage.ts";

const readSample = (path: string): Envelope =>
  JSON.parse(readFileSync(`${import.meta.dirname}/../../events/${path}.json`, "utf8"));
const ONBOARDING = readSample("sbt-onboarding-request/accepted/as-the-toolkit-sends-it");
const { tenantId, tenantRegistrationId } = ONBOARDING.detail as Record<string, string> & { readonly tenantId: string };
/** A later request about the same tenant, with whatever else the control plane puts into it. */
const later = (type: string, minutes: number): Envelope => {
  const sample = readSample(
    `sbt-${type}-request/accepted/${type === "offboarding" ? "as-the-toolkit-sends-it" : "with-the-tenants-fields"}`,
  );
  const time = new Date(Date.parse(ONBOARDING.time) + minutes * 60_000).toISOString();
  return { ...sample, time, detail: { ...(sample.detail as object), tenantId, tenantRegistrationId } };
};

let stage: LocalStage;
let tap: ReplyTap;
let lambda: LambdaClient;

beforeAll(async () => {
  stage = await sharedStage({ settings: { profiles: { default: { watchPeriodDays: 0, deletionWindowDays: 7 } } } });
  tap = await tapReplies(stage);
  lambda = new LambdaClient(clientConfig({ ...stage.at, credentials: stage.emulator.credentials }));
}, 120_000);

afterAll(() => lambda.destroy());

const untilState = (state: string) =>
  until(`the tenant to be ${state}`, async () => {
    const record = await readRecord(stage, tenantId);
    return record?.state === state && record.leaseUntilMs === 0 && record;
  });
const reply = (detailType: string) => tap.next(detailType, (candidate) => candidate.detailType === detailType);

it("answers an onboarding request with what the control plane writes into the registration and the tenant", async () => {
  await publish(stage, ONBOARDING);
  const { detail } = await reply("sbt_aws_provisionSuccess");
  const { aliasKeyArn } = await readTenantKey(stage, tenantId);

  expect(detail.tenantRegistrationId).toBe(tenantRegistrationId);
  const { tenantData, tenantRegistrationData } = detail.jobOutput as Record<string, Record<string, string>>;
  expect(tenantRegistrationData).toEqual({ registrationStatus: "created" });
  expect(tenantData?.tenantkeysRoleArn).toMatch(new RegExp(`/tk-local-${tenantId}$`));
  expect(JSON.parse(tenantData?.tenantkeysKeys ?? "")).toMatchObject([{ keyName: "default", keyArn: aliasKeyArn }]);
});

it("disables the key at a deactivate request, and enables it at an activate request", async () => {
  await publish(stage, later("deactivate", 1));
  await untilState("suspended");
  expect((await readTenantKey(stage, tenantId)).keys).toMatchObject([{ state: "Disabled" }]);
  await publish(stage, later("activate", 2));
  await untilState("active");
  expect((await readTenantKey(stage, tenantId)).keys).toMatchObject([{ state: "Enabled" }]);
});

it("answers an offboarding request when the key is gone, which the guard or the schedule's function finds out", async () => {
  await publish(stage, later("offboarding", 3));
  const dying = await untilState("pending-deletion");
  await advanceClock(stage.emulator.endpoint, 8 * DAY_MS);
  // KMS's time is moved and the function's isn't: so its turn is moved to now. But KMS tells of a key that is gone, and
  // the guard may have had it looked at by then: who comes second finds nothing due, or the record changed.
  const registry = createRegistry(stage.root, stageNames(stage.settings.stage).registryTable);
  const due = { ...dying, nextCheckAtMs: Date.now() };
  await registry.replace(startRun(systemClock, 10_000, 1_000), due, dying.fence).catch((error) => {
    expect(error).toMatchObject({ code: "lease_lost" });
  });
  const FunctionName = stageNames(stage.settings.stage).reviewFunction;
  const { FunctionError } = await lambda.send(new InvokeCommand({ FunctionName }));
  expect(FunctionError).toBeUndefined();

  const { detail } = await reply("sbt_aws_deprovisionSuccess");
  expect(detail).toEqual({
    tenantRegistrationId,
    jobOutput: { tenantData: {}, tenantRegistrationData: { registrationStatus: "deleted" } },
  });
  expect((await untilState("destroyed")).keyArn).toBe(dying.keyArn);
});

it("answers a request that is refused with its status where the control plane reads it", async () => {
  const detail = { ...(ONBOARDING.detail as object), tenantId: "Not A Tenant", tenantRegistrationId: "registration-2" };
  await publish(stage, { ...ONBOARDING, detail });
  const failure = await reply("sbt_aws_provisionFailure");
  expect(failure.detail).toMatchObject({
    tenantRegistrationId: "registration-2",
    jobOutput: {
      tenantRegistrationData: {
        registrationStatus: expect.stringContaining("Failed"),
        tenantkeysErrorCode: "event_invalid",
      },
    },
  });
  expect(SBT_REPLY_SOURCE).toBe("sbt.application.plane");
});
