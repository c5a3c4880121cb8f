import { describe, expect, test } from "vitest";
import type { Stage } from "../ids.ts";
import { stageNames } from "../names.ts";
import {
  ALARM_IDS,
  ALARMS,
  type AlarmId,
  alarmDefinitions,
  alarmDescription,
  alarmName,
  pageRule,
  runbookHeading,
} from "./alarms.ts";

const STAGE = "dev" as Stage;
const DAY_SECONDS = 86_400;
const SETTINGS = { stage: STAGE, sweepIntervalMinutes: 60, canary: true, canaryIntervalMinutes: 15 };
const of = (id: AlarmId, sweepIntervalMinutes = 60) =>
  alarmDefinitions({ ...SETTINGS, sweepIntervalMinutes }).find((alarm) => alarm.id === id);

describe("the alarms of a stage", () => {
  test.each([
    ["canary-breach", "CanaryBreaches"],
    ["canary-failing", "CanaryFailures"],
    ["unintended-deletions", "UnintendedDeletions"],
    ["critical-findings", "FindingsCritical"],
    ["could-not-verify", "CouldNotVerify"],
    ["overdue-rotations", "OverdueRotations"],
    ["reads-denied", "ReadsDenied"],
  ] as const)("%s: one of %s is enough, and stays so until verification says otherwise", (id, metricName) => {
    expect(of(id)).toEqual({
      id,
      namespace: "tenantkeys/dev",
      metricName,
      dimensions: { Stage: "dev" },
      statistic: "Maximum",
      periodSeconds: 60,
      evaluationPeriods: 1,
      comparison: "GreaterThanThreshold",
      threshold: 0,
      missingData: "ignore",
    });
  });

  test("on the worker's own counts need data to ring", () => {
    expect(of("provisioning-failures")).toMatchObject({
      metricName: "ProvisioningFailed",
      statistic: "Sum",
      comparison: "GreaterThanThreshold",
      threshold: 0,
      missingData: "notBreaching",
    });
    expect(of("sign-ups-slow")).toMatchObject({
      metricName: "SignUpToActiveSeconds",
      statistic: "p99",
      periodSeconds: 900,
      threshold: 60,
      missingData: "notBreaching",
    });
  });

  test.each([
    ["provisioning", "tenantkeys-dev-provisioning-dlq"],
    ["sign-ups", "tenantkeys-dev-sign-ups-dlq"],
    ["verification", "tenantkeys-dev-verification-dlq"],
    ["guard", "tenantkeys-dev-guard-dlq"],
  ] as const)("ring for the first dead letter of %s, and again a week before SQS drops it", (which, QueueName) => {
    const queue = {
      namespace: "AWS/SQS",
      dimensions: { QueueName },
      statistic: "Maximum",
      missingData: "notBreaching",
    };
    expect(of(`dead-letters-${which}`)).toMatchObject({
      ...queue,
      metricName: "ApproximateNumberOfMessagesVisible",
      threshold: 0,
    });
    expect(of(`dead-letters-old-${which}`)).toMatchObject({
      ...queue,
      metricName: "ApproximateAgeOfOldestMessage",
      threshold: 7 * DAY_SECONDS,
    });
  });

  test.each([
    ["queue-old-provisioning", "tenantkeys-dev-provisioning", 1_800],
    ["queue-old-verification", "tenantkeys-dev-verification", 1_800],
    ["queue-old-guard", "tenantkeys-dev-guard-events", 300],
  ] as const)("%s looks at the oldest message of %s, from %i s on", (id, QueueName, threshold) => {
    const metric = { namespace: "AWS/SQS", metricName: "ApproximateAgeOfOldestMessage", dimensions: { QueueName } };
    expect(of(id)).toMatchObject({ ...metric, comparison: "GreaterThanThreshold", threshold });
  });

  test.each(["provision", "review", "sweep", "verify", "canary"] as const)(
    "count each error of the function %s",
    (which) => {
      expect(of(`function-errors-${which}`)).toMatchObject({
        namespace: "AWS/Lambda",
        metricName: "Errors",
        dimensions: { FunctionName: `tenantkeys-dev-${which}` },
        statistic: "Sum",
        threshold: 0,
        missingData: "notBreaching",
      });
    },
  );

  test("name no tenant: their dimensions are the stage, a queue or a function", () => {
    const names = Object.values(stageNames(STAGE)) as string[];
    for (const { dimensions } of alarmDefinitions(SETTINGS)) {
      for (const [dimension, value] of Object.entries(dimensions)) {
        expect(dimension === "Stage" ? [STAGE] : names).toContain(value);
      }
    }
  });
});

describe("the alarm on a missing sweep", () => {
  test.each([
    [15, 300, 60],
    [60, 300, 150],
    [705, 300, 1_440],
    // Two intervals and the slack are now more than a day, which five-minute periods may not cover.
    [706, 3_600, 1_500],
    [1_440, 3_600, 2_940],
  ])("every %i min rings when no sweep has ended for two intervals and half an hour", (interval, period, minutes) => {
    const alarm = of("sweep-overdue", interval);
    expect(alarm).toMatchObject({
      metricName: "SweepCompleted",
      statistic: "Sum",
      comparison: "LessThanThreshold",
      threshold: 1,
      missingData: "breaching",
      periodSeconds: period,
    });
    expect((Number(alarm?.evaluationPeriods) * period) / 60).toBe(minutes);
  });

  test("is within what CloudWatch looks back, whatever the interval", () => {
    for (let interval = 15; interval <= 1_440; interval += 1) {
      const { periodSeconds = 0, evaluationPeriods = 0 } = of("sweep-overdue", interval) ?? {};
      const lookBackSeconds = periodSeconds * evaluationPeriods;
      expect(lookBackSeconds).toBeLessThanOrEqual(periodSeconds < 3_600 ? DAY_SECONDS : 7 * DAY_SECONDS);
      expect(lookBackSeconds).toBeGreaterThanOrEqual((2 * interval + 30) * 60);
    }
  });
});

test.each([
  [5, 300, 4],
  [15, 300, 8],
  [1_440, 3_600, 49],
])(
  "the alarm on a missing run of the canary, every %i min, looks back over two turns and ten minutes",
  (interval, ...window) => {
    const alarm = alarmDefinitions({ ...SETTINGS, canaryIntervalMinutes: interval }).find(
      ({ id }) => id === "canary-overdue",
    );
    expect(alarm).toMatchObject({ metricName: "CanaryCompleted", missingData: "breaching", threshold: 1 });
    expect([alarm?.periodSeconds, alarm?.evaluationPeriods]).toEqual(window);
  },
);

test("a stage without the canary has none of its alarms, and isn't paged for it", () => {
  const without = { ...SETTINGS, canary: false };
  const ids = alarmDefinitions(without).map(({ id }) => id);
  expect(ALARM_IDS.filter((id) => !ids.includes(id))).toEqual([
    "canary-breach",
    "canary-overdue",
    "canary-failing",
    "function-errors-canary",
  ]);
  expect(pageRule(without)).not.toContain("canary");
});

describe("the page", () => {
  test("rings for what loses or opens a tenant's data, or hides whether it does, and for nothing else", () => {
    expect(ALARM_IDS.filter((id) => ALARMS[id].pages)).toEqual([
      "canary-breach",
      "unintended-deletions",
      "critical-findings",
      "could-not-verify",
      "sweep-overdue",
      "canary-overdue",
      "dead-letters-provisioning",
      "dead-letters-sign-ups",
      "dead-letters-verification",
      "dead-letters-guard",
    ]);
  });

  test("is a rule over exactly those, within CloudWatch's 10,240 characters and 100 alarms", () => {
    const rule = pageRule({ ...SETTINGS, stage: "s".repeat(20) as Stage });
    expect(rule.length).toBeLessThanOrEqual(10_240);
    expect(pageRule(SETTINGS).split(" OR ")).toHaveLength(10);
    expect(pageRule(SETTINGS)).toMatch(/^ALARM\("tenantkeys-dev-canary-breach"\) OR ALARM\(/);
  });
});

test("each alarm says what is wrong and where the runbook says what to do", () => {
  expect(alarmName(STAGE, "page")).toBe("tenantkeys-dev-page");
  expect(alarmDescription("sweep-overdue")).toBe(
    "No sweep has ended for more than two intervals. What to do: docs/runbook.md#sweep-overdue",
  );
  expect(runbookHeading("dead-letters-old-guard")).toBe("dead-letters-old");
  expect(runbookHeading("queue-old-guard")).toBe("queue-old");
  expect(runbookHeading("function-errors-verify")).toBe("function-errors");
  for (const id of ALARM_IDS) expect(alarmDescription(id).length).toBeLessThanOrEqual(1_024);
});
