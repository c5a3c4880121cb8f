/** From the bus to the worker: nothing is lost at a hand-over, and the numbers that belong together fit together. */
import { EVENT_DETAIL_TYPES } from "@tenantkeys/core";
import { beforeAll, describe, expect, test } from "vitest";
import { ACCOUNT_ID, REGION, type RecordedStage, recordStage, type StageChange } from "./recorded-stage.ts";

const TWO_WEEKS_SECONDS = 14 * 24 * 60 * 60;
/** A stage with every number that this file looks at other than its default. */
const CHANGED = {
  provisionTimeoutSeconds: 10,
  receivesMax: 7,
  maximumConcurrency: 33,
  batchSize: 3,
  eventSources: ["our.app"],
  eventMappings: [
    { detailType: "CustomerCreated", source: "crm", as: "TenantSignedUp", fields: { tenantId: "$.detail.id" } },
  ],
  archiveRetentionDays: 30,
  logRetentionDays: 731,
} satisfies StageChange["settings"];
const arn = (service: string, name: string) => `arn:aws:${service}:${REGION}:${ACCOUNT_ID}:${name}`;
const roleArn = (index: number, length: number) => `arn:aws:iam::${ACCOUNT_ID}:role/${index}`.padEnd(length, "r");

let stage: RecordedStage;
let changed: RecordedStage;
let slowest: RecordedStage;
let fullest: RecordedStage;

beforeAll(async () => {
  [stage, changed] = await Promise.all([recordStage(), recordStage({ settings: CHANGED })]);
  [slowest, fullest] = await Promise.all([
    recordStage({ settings: { provisionTimeoutSeconds: 900 } }),
    // As much as the settings let the worker be told.
    recordStage({
      stage: "s".repeat(20),
      settings: {
        applicationRoleArns: [1, 2, 3, 4, 5].map((index) => roleArn(index, 280)),
        administratorRoleArns: [6, 7, 8].map((index) => roleArn(index, 566)),
      },
    }),
  ]);
});

describe("the queue", () => {
  test.each([
    ["10 s", () => changed, 10],
    ["a minute, the default", () => stage, 60],
    ["Lambda's longest, 15 minutes", () => slowest, 900],
  ])("hides a message for at least six times the worker's time-out of %s", (_, of, timeout) => {
    expect(of().one("lambda/function:Function", "-provision").inputs.timeout).toBe(timeout);
    const visibility = Number(of().one("sqs/queue:Queue", "-provisioning").inputs.visibilityTimeoutSeconds);
    expect(visibility).toBeGreaterThanOrEqual(6 * timeout);
    // SQS's longest is 12 hours.
    expect(visibility).toBeLessThanOrEqual(12 * 60 * 60);
  });

  test("hands what was received too often to its dead-letter queue", () => {
    const redrive = (of: RecordedStage) =>
      JSON.parse(String(of.one("sqs/queue:Queue", "-provisioning").inputs.redrivePolicy));
    const deadLetterTargetArn = arn("sqs", "tenantkeys-dev-provisioning-dlq");
    expect(redrive(stage)).toEqual({ deadLetterTargetArn, maxReceiveCount: 10 });
    expect(redrive(changed)).toEqual({ deadLetterTargetArn, maxReceiveCount: 7 });
  });

  test.each(["-provisioning", "-provisioning-dlq", "-sign-ups-dlq"])(
    "%s keeps messages for 14 days, SQS's longest, encrypted, in no order",
    (name) => {
      expect(stage.one("sqs/queue:Queue", name).inputs).toMatchObject({
        messageRetentionSeconds: TWO_WEEKS_SECONDS,
        sqsManagedSseEnabled: true,
        fifoQueue: false,
        delaySeconds: 0,
      });
    },
  );

  test("and those of verification are all there are: a dead-letter queue behind each hand-over", () => {
    const names = stage
      .ofType("sqs/queue:Queue")
      .map(({ inputs }) => String(inputs.name).replace("tenantkeys-dev-", ""));
    expect(names.toSorted()).toEqual([
      "guard-dlq",
      "guard-events",
      "provisioning",
      "provisioning-dlq",
      "sign-ups-dlq",
      "verification",
      "verification-dlq",
    ]);
  });
});

describe("the rule", () => {
  test("takes the events of the stage's sources, and mapped ones of theirs, off the stage's own bus", () => {
    const pattern = (of: RecordedStage) =>
      JSON.parse(String(of.one("cloudwatch/eventRule:EventRule", "-sign-ups").inputs.eventPattern));
    expect(pattern(stage)).toEqual({
      source: ["tenantkeys.application", "sbt.control.plane"],
      "detail-type": [...EVENT_DETAIL_TYPES],
    });
    expect(pattern(changed)).toEqual({
      $or: [
        { source: ["our.app"], "detail-type": [...EVENT_DETAIL_TYPES] },
        { source: ["crm"], "detail-type": ["CustomerCreated"] },
      ],
    });
    expect(stage.one("cloudwatch/eventRule:EventRule", "-sign-ups").inputs.eventBusName).toBe("tenantkeys-dev");
  });

  test("takes none of the stage's own replies, which would come round for ever", () => {
    const pattern = JSON.parse(String(stage.one("cloudwatch/eventRule:EventRule", "-sign-ups").inputs.eventPattern));
    expect(pattern.source).not.toContain("tenantkeys");
    expect(pattern["detail-type"]).not.toContain("TenantKeyProvisioned");
  });

  test("tries the queue for a day and 185 times, EventBridge's longest, then its own dead-letter queue", () => {
    expect(stage.where("cloudwatch/eventTarget:EventTarget", { rule: "tenantkeys-dev-sign-ups" }).inputs).toMatchObject(
      {
        eventBusName: "tenantkeys-dev",
        rule: "tenantkeys-dev-sign-ups",
        arn: arn("sqs", "tenantkeys-dev-provisioning"),
        deadLetterConfig: { arn: arn("sqs", "tenantkeys-dev-sign-ups-dlq") },
        retryPolicy: { maximumEventAgeInSeconds: 86_400, maximumRetryAttempts: 185 },
      },
    );
  });

  test("hands the event on whole: the worker parses the envelope", () => {
    const { inputs } = stage.where("cloudwatch/eventTarget:EventTarget", { rule: "tenantkeys-dev-sign-ups" });
    expect(Object.keys(inputs).filter((name) => name.startsWith("input"))).toEqual([]);
  });
});

describe("the archive", () => {
  test("keeps every event of the bus for as long as the stage says", () => {
    const { inputs } = stage.one("cloudwatch/eventArchive:EventArchive");
    expect(inputs).toMatchObject({ eventSourceArn: arn("events", "event-bus/tenantkeys-dev"), retentionDays: 365 });
    expect(inputs.eventPattern).toBeUndefined();
    expect(changed.one("cloudwatch/eventArchive:EventArchive").inputs.retentionDays).toBe(30);
  });
});

describe("the queue's mapping to the worker", () => {
  const WORKERS = { eventSourceArn: arn("sqs", "tenantkeys-dev-provisioning") };

  test("reports failures message by message, with the stage's concurrency and batch size", () => {
    const mapping = (of: RecordedStage) => of.where("lambda/eventSourceMapping:EventSourceMapping", WORKERS).inputs;
    expect(mapping(stage)).toMatchObject({
      eventSourceArn: arn("sqs", "tenantkeys-dev-provisioning"),
      functionName: arn("lambda", "function:tenantkeys-dev-provision"),
      functionResponseTypes: ["ReportBatchItemFailures"],
      batchSize: 10,
      scalingConfig: { maximumConcurrency: 5 },
    });
    expect(mapping(changed)).toMatchObject({ batchSize: 3, scalingConfig: { maximumConcurrency: 33 } });
  });

  test("is never filtered: a message that no filter takes would be deleted unseen", () => {
    expect(stage.where("lambda/eventSourceMapping:EventSourceMapping", WORKERS).inputs.filterCriteria).toBeUndefined();
  });
});

describe("the worker", () => {
  test("runs on Node.js 24 with the stage's time-out, under the provisioner's role", () => {
    expect(stage.one("lambda/function:Function", "-provision").inputs).toMatchObject({
      name: "tenantkeys-dev-provision",
      runtime: "nodejs24.x",
      architectures: ["arm64"],
      timeout: 60,
      memorySize: 512,
      role: `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/tenantkeys-dev-provisioner`,
    });
  });

  test("logs as JSON into a group of its own that forgets when the stage says", () => {
    const group = (of: RecordedStage) => of.one("cloudwatch/logGroup:LogGroup", "-provision").inputs;
    expect(group(stage)).toMatchObject({ name: "/aws/lambda/tenantkeys-dev-provision", retentionInDays: 90 });
    expect(group(changed).retentionInDays).toBe(731);
    expect(stage.one("lambda/function:Function", "-provision").inputs.loggingConfig).toEqual({
      logFormat: "JSON",
      logGroup: "/aws/lambda/tenantkeys-dev-provision",
    });
  });

  const environment = (of: RecordedStage) =>
    (
      of.one("lambda/function:Function", "-provision").inputs.environment as {
        readonly variables: Record<string, string>;
      }
    ).variables;

  test("is told the stage's settings, its account and its queue", () => {
    expect(JSON.parse(environment(changed).TENANTKEYS_STAGE_CONFIG ?? "")).toMatchObject({
      settings: { stage: "dev", provisionTimeoutSeconds: 10, receivesMax: 7, maximumConcurrency: 33 },
      accountId: ACCOUNT_ID,
      queueUrl: `https://sqs.${REGION}.amazonaws.com/${ACCOUNT_ID}/tenantkeys-dev-provisioning`,
    });
  });

  test("holds no secret in its environment", () => {
    // SST_KEY opens the file in which SST puts linked secrets; nothing is linked here, so it opens an empty one.
    expect(Object.keys(environment(stage)).toSorted()).toEqual([
      "NODE_OPTIONS",
      "SST_KEY",
      "SST_KEY_FILE",
      "SST_RESOURCE_App",
      "TENANTKEYS_STAGE_CONFIG",
    ]);
    expect(JSON.parse(environment(stage).SST_RESOURCE_App ?? "")).toEqual({ name: "tenantkeys", stage: "dev" });
    const config = JSON.parse(environment(stage).TENANTKEYS_STAGE_CONFIG ?? "");
    expect(Object.keys(config).toSorted()).toEqual(["accountId", "queueUrl", "settings"]);
    expect(JSON.stringify(config)).not.toMatch(/secret(?!smanager)|password|token|credential|AKIA/i);
  });

  test("fits the 4 KB that Lambda gives all variables together, with the largest settings that pass", () => {
    const variables = Object.entries(environment(fullest));
    const bytes = variables.reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0);
    expect(bytes).toBeGreaterThan(3_400);
    expect(bytes).toBeLessThanOrEqual(4_096);
  });
});
