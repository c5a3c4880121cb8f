/** The stage at a glance: what is wrong, whether somebody still looks, how sign-ups go, and what waits. */
import {
  alarmDefinitions,
  alarmName,
  CANARY_METRICS,
  FINDINGS_METRICS,
  metricNamespace,
  PAGE_ALARM_ID,
  PROVISIONING_METRICS,
  STAGE_DIMENSION,
  VERIFICATION_METRICS,
} from "@tenantkeys/core";
import { accountId, names, region, settings } from "./stage.ts";

/** CloudWatch's grid is 24 units wide. */
const WIDTH = 12;
const HEIGHT = 6;

type Metric = readonly (string | object)[];

const alarmArn = (id: Parameters<typeof alarmName>[1]) =>
  `arn:aws:cloudwatch:${region}:${accountId}:alarm:${alarmName(settings.stage, id)}`;
const ours = (metricName: string, options: object = {}): Metric => [
  metricNamespace(settings.stage),
  metricName,
  STAGE_DIMENSION,
  settings.stage,
  options,
];
const ofQueue = (queueName: string, metricName: string): Metric => ["AWS/SQS", metricName, "QueueName", queueName];
const ofFunction = (functionName: string, metricName: string): Metric => [
  "AWS/Lambda",
  metricName,
  "FunctionName",
  functionName,
];

const queues = [names.queue, names.verificationQueue, names.guardQueue];
const deadLetters = [names.queueDeadLetter, names.ruleDeadLetter, names.verificationDeadLetter, names.guardDeadLetter];
const functions = [
  names.provisionFunction,
  names.reviewFunction,
  names.sweepFunction,
  names.verifyFunction,
  ...(settings.canary ? [names.canaryFunction] : []),
];
const { sweepSeconds, tenantsVerified, sweepCompleted, ...checks } = VERIFICATION_METRICS;

/** Each chart with its statistic; two stand side by side. */
const charts: readonly (readonly [title: string, stat: string, metrics: readonly Metric[]])[] = [
  ["Open findings by severity", "Maximum", Object.values(FINDINGS_METRICS).map((name) => ours(name))],
  ["What rings, and what couldn't be read", "Maximum", Object.values(checks).map((name) => ours(name))],
  [
    "Sweeps: seconds, and tenants verified",
    "Maximum",
    [ours(sweepSeconds), ours(tenantsVerified, { yAxis: "right" }), ours(sweepCompleted, { yAxis: "right" })],
  ],
  [
    "Sign-up to active, seconds",
    "p99",
    [
      ours(PROVISIONING_METRICS.signUpToActiveSeconds),
      ours(PROVISIONING_METRICS.signUpToActiveSeconds, { stat: "p50" }),
    ],
  ],
  ["Provisioning failures", "Sum", [ours(PROVISIONING_METRICS.provisioningFailed)]],
  ["Errors of functions", "Sum", functions.map((name) => ofFunction(name, "Errors"))],
  ["Oldest message, seconds", "Maximum", queues.map((name) => ofQueue(name, "ApproximateAgeOfOldestMessage"))],
  ...(settings.canary
    ? [
        [
          "Canary: breaches, failures, completed runs",
          "Maximum",
          Object.values(CANARY_METRICS).map((name) => ours(name)),
        ] as const,
      ]
    : []),
  ["Dead letters", "Maximum", deadLetters.map((name) => ofQueue(name, "ApproximateNumberOfMessagesVisible"))],
];

const alarmWidget = {
  type: "alarm",
  x: 0,
  y: 0,
  width: 2 * WIDTH,
  height: HEIGHT,
  properties: {
    title: "Alarms: what to do is in docs/runbook.md",
    alarms: [alarmArn(PAGE_ALARM_ID), ...alarmDefinitions(settings).map(({ id }) => alarmArn(id))],
  },
};

export const dashboard = new aws.cloudwatch.Dashboard("Dashboard", {
  dashboardName: names.dashboard,
  dashboardBody: JSON.stringify({
    widgets: [
      alarmWidget,
      ...charts.map(([title, stat, metrics], index) => ({
        type: "metric",
        x: (index % 2) * WIDTH,
        y: HEIGHT * (1 + Math.floor(index / 2)),
        width: WIDTH,
        height: HEIGHT,
        properties: { title, region, stat, period: 300, view: "timeSeries", metrics },
      })),
    ],
  }),
});
