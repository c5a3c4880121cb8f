/**
 * The alarms as they are deployed. Those on queues, on metrics from log lines and on missing data can't be seen ringing on
 * the local AWS, which has none of these: these definitions are what is shown of them.
 */
import {
  ALARM_IDS,
  alarmDefinitions,
  alarmDescription,
  alarmName,
  CANARY_METRICS,
  FINDINGS_METRICS,
  PROVISIONING_METRICS,
  pageRule,
  parseStageSettings,
  type Stage,
  type StageSettings,
  stageNames,
  VERIFICATION_METRICS,
} from "@tenantkeys/core";
import { beforeAll, describe, expect, test } from "vitest";
import { ACCOUNT_ID, REGION, type RecordedStage, recordStage } from "./recorded-stage.ts";

const STAGE = "dev" as Stage;
const TOPIC = `arn:aws:sns:${REGION}:${ACCOUNT_ID}:tenantkeys-dev-alarms`;
const alarmArn = (name: string) => `arn:aws:cloudwatch:${REGION}:${ACCOUNT_ID}:alarm:${name}`;
const EMAILS = ["on-call@example.org", "security@example.org"];

let stage: RecordedStage;
let daily: RecordedStage;
let settings: StageSettings;

beforeAll(async () => {
  [stage, daily] = await Promise.all([
    recordStage(),
    recordStage({ settings: { sweepIntervalMinutes: 1_440, alarmEmails: EMAILS } }),
  ]);
  const applicationRoleArns = [`arn:aws:iam::${ACCOUNT_ID}:role/app`];
  settings = parseStageSettings({ stage: "dev", applicationRoleArns });
});

const alarm = (of: RecordedStage, id: (typeof ALARM_IDS)[number]) =>
  of.one("cloudwatch/metricAlarm:MetricAlarm", alarmName(STAGE, id)).inputs;

describe("the metric alarms", () => {
  test("are those of the table, each with its metric, its threshold and its runbook heading", () => {
    expect(stage.ofType("cloudwatch/metricAlarm:MetricAlarm")).toHaveLength(ALARM_IDS.length);
    for (const definition of alarmDefinitions(settings)) {
      const { statistic, extendedStatistic, ...inputs } = alarm(stage, definition.id);
      expect(extendedStatistic ?? statistic).toBe(definition.statistic);
      expect(inputs).toMatchObject({
        alarmDescription: alarmDescription(definition.id),
        namespace: definition.namespace,
        metricName: definition.metricName,
        dimensions: definition.dimensions,
        period: definition.periodSeconds,
        evaluationPeriods: definition.evaluationPeriods,
        comparisonOperator: definition.comparison,
        threshold: definition.threshold,
        treatMissingData: definition.missingData,
      });
    }
  });

  test("tell nobody by themselves", () => {
    for (const { inputs } of stage.ofType("cloudwatch/metricAlarm:MetricAlarm")) {
      expect(inputs.alarmActions ?? []).toEqual([]);
    }
  });

  test("on a missing sweep count missing data as bad, over two intervals and half an hour of the stage's own", () => {
    expect(alarm(stage, "sweep-overdue")).toMatchObject({
      metricName: "SweepCompleted",
      treatMissingData: "breaching",
      period: 300,
      evaluationPeriods: 30,
    });
    expect(alarm(daily, "sweep-overdue")).toMatchObject({ period: 3_600, evaluationPeriods: 49 });
  });

  test("watch each dead-letter queue of the stage by depth and by age", () => {
    const deadLetters = stage
      .ofType("sqs/queue:Queue")
      .map(({ inputs }) => String(inputs.name))
      .filter((name) => name.endsWith("-dlq"));
    expect(deadLetters).toHaveLength(4);
    for (const metricName of ["ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"]) {
      const watched = stage
        .ofType("cloudwatch/metricAlarm:MetricAlarm")
        .filter(({ inputs }) => inputs.metricName === metricName)
        .map(({ inputs }) => (inputs.dimensions as { readonly QueueName: string }).QueueName);
      expect(watched).toEqual(expect.arrayContaining(deadLetters));
    }
  });

  test("watch queues and functions that the stage has", () => {
    const has = [...stage.ofType("sqs/queue:Queue"), ...stage.ofType("lambda/function:Function")].map(
      ({ inputs }) => inputs.name,
    );
    for (const { dimensions } of alarmDefinitions(settings)) {
      const { Stage: ofStage, ...named } = dimensions as Record<string, string>;
      if (ofStage === undefined) expect(has).toEqual(expect.arrayContaining(Object.values(named)));
    }
  });
});

describe("the page", () => {
  test("is one composite alarm, the only one that tells the topic: when it rings and when it is over", () => {
    expect(stage.one("cloudwatch/compositeAlarm:CompositeAlarm").inputs).toMatchObject({
      alarmName: "tenantkeys-dev-page",
      alarmRule: pageRule(settings),
      alarmActions: [TOPIC],
      okActions: [TOPIC],
      alarmDescription: expect.stringContaining("docs/runbook.md#page"),
    });
  });

  test("names alarms that the stage has", () => {
    const named = [...pageRule(settings).matchAll(/ALARM\("([^"]+)"\)/g)].map(([, name]) => name);
    const has = stage.ofType("cloudwatch/metricAlarm:MetricAlarm").map(({ inputs }) => inputs.name);
    expect(named).toHaveLength(10);
    expect(has).toEqual(expect.arrayContaining(named));
  });
});

describe("the topic", () => {
  test("takes messages of this stage's page only", () => {
    expect(stage.statements("AlarmsPolicy policy")).toEqual([
      {
        Sid: "ThisStagesPagePublishes",
        Effect: "Allow",
        Principal: { Service: "cloudwatch.amazonaws.com" },
        Action: "sns:Publish",
        Resource: TOPIC,
        Condition: {
          ArnEquals: { "aws:SourceArn": alarmArn("tenantkeys-dev-page") },
          StringEquals: { "aws:SourceAccount": ACCOUNT_ID },
        },
      },
    ]);
  });

  test("is not encrypted with AWS's own key, which CloudWatch can't use, nor with one that an accident could disable", () => {
    expect(stage.one("sns/topic:Topic").inputs).toMatchObject({ name: "tenantkeys-dev-alarms" });
    expect(stage.one("sns/topic:Topic").inputs.kmsMasterKeyId).toBeUndefined();
  });

  test("sends to the stage's addresses, and to nobody where it has none", () => {
    const addresses = (of: RecordedStage) =>
      of.ofType("sns/topicSubscription:TopicSubscription").map(({ inputs }) => [inputs.protocol, inputs.endpoint]);
    expect(addresses(stage)).toEqual([]);
    expect(addresses(daily)).toEqual(EMAILS.map((address) => ["email", address]));
  });
});

describe("the dashboard", () => {
  interface Widget {
    readonly type: string;
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
    readonly properties: { readonly alarms?: readonly string[]; readonly metrics?: readonly (readonly unknown[])[] };
  }
  const widgets = (): readonly Widget[] => {
    const { dashboardName, dashboardBody } = stage.one("cloudwatch/dashboard:Dashboard").inputs;
    expect(dashboardName).toBe("tenantkeys-dev");
    return JSON.parse(String(dashboardBody)).widgets;
  };

  test("shows every alarm, the page first", () => {
    const shown = widgets().flatMap(({ properties }) => properties.alarms ?? []);
    expect(shown).toEqual(["page" as const, ...ALARM_IDS].map((id) => alarmArn(alarmName(STAGE, id))));
  });

  test("charts every metric of the stage, each queue and each function, and no tenant", () => {
    const metrics = widgets().flatMap(({ properties }) => properties.metrics ?? []);
    const charted = metrics.map(([, metricName]) => metricName);
    const own = [FINDINGS_METRICS, VERIFICATION_METRICS, PROVISIONING_METRICS, CANARY_METRICS].flatMap((names) =>
      Object.values(names),
    );
    expect(charted).toEqual(expect.arrayContaining(own));
    const names = stageNames(STAGE);
    const dimensions = metrics.map(([, , , value]) => value);
    expect(dimensions).toEqual(
      expect.arrayContaining([names.queue, names.guardQueue, names.verificationDeadLetter, names.verifyFunction]),
    );
    const known: readonly unknown[] = [STAGE, ...Object.values(names)];
    expect(dimensions.filter((value) => !known.includes(value))).toEqual([]);
  });

  test("fits CloudWatch's grid of 24 columns, without overlaps", () => {
    const cells = widgets().flatMap(({ x, y, width, height }) => {
      expect(x + width).toBeLessThanOrEqual(24);
      return Array.from(
        { length: width * height },
        (_, index) => `${x + (index % width)},${y + Math.floor(index / width)}`,
      );
    });
    expect(new Set(cells).size).toBe(cells.length);
  });
});
