/**
 * The alarms, and whom they tell. Every metric alarm shows on the dashboard and as an event of CloudWatch on the
 * account's default bus; only the composite alarm, which is in alarm while one of those that page is, tells the topic. So
 * do verification's functions and the canary, of critical findings, by the rights of their own roles.
 */
import {
  type AlarmDefinition,
  alarmDefinitions,
  alarmDescription,
  alarmName,
  PAGE_ALARM_ID,
  pageRule,
  policyDocument,
} from "@tenantkeys/core";
import { accountId, names, region, settings } from "./stage.ts";

/**
 * Not encrypted with a KMS key: CloudWatch can't use AWS's own key for topics, and a key of ours would be one more that
 * can be disabled by the very accident that the alarm is to tell of. Messages hold names of alarms and rules, and counts, no tenant.
 */
export const alarmTopic = new aws.sns.Topic("Alarms", { name: names.alarmTopic, displayName: names.alarmTopic });

const mayPublish = new aws.sns.TopicPolicy("AlarmsPolicy", {
  arn: alarmTopic.arn,
  policy: alarmTopic.arn.apply((topicArn) =>
    JSON.stringify(
      policyDocument([
        {
          Sid: "ThisStagesPagePublishes",
          Effect: "Allow",
          Principal: { Service: "cloudwatch.amazonaws.com" },
          Action: "sns:Publish",
          Resource: topicArn,
          Condition: {
            ArnEquals: {
              "aws:SourceArn": `arn:aws:cloudwatch:${region}:${accountId}:alarm:${alarmName(settings.stage, PAGE_ALARM_ID)}`,
            },
            StringEquals: { "aws:SourceAccount": accountId },
          },
        },
      ]),
    ),
  ),
});

export const subscriptions = settings.alarmEmails.map(
  (endpoint, index) =>
    new aws.sns.TopicSubscription(`AlarmEmail${index + 1}`, { topic: alarmTopic.arn, protocol: "email", endpoint }),
);

function metricAlarm(alarm: AlarmDefinition) {
  const { id, namespace, metricName, dimensions, periodSeconds, evaluationPeriods, comparison, threshold } = alarm;
  const statistic = alarm.statistic.startsWith("p")
    ? { extendedStatistic: alarm.statistic }
    : { statistic: alarm.statistic };
  return new aws.cloudwatch.MetricAlarm(id, {
    name: alarmName(settings.stage, id),
    alarmDescription: alarmDescription(id),
    namespace,
    metricName,
    dimensions,
    ...statistic,
    period: periodSeconds,
    evaluationPeriods,
    comparisonOperator: comparison,
    threshold,
    treatMissingData: alarm.missingData,
  });
}

export const alarms = alarmDefinitions(settings).map(metricAlarm);

export const page = new aws.cloudwatch.CompositeAlarm(
  "Page",
  {
    alarmName: alarmName(settings.stage, PAGE_ALARM_ID),
    alarmDescription: "Wakes somebody: its message names the alarms behind it. What to do: docs/runbook.md#page",
    alarmRule: pageRule(settings),
    alarmActions: [alarmTopic.arn],
    okActions: [alarmTopic.arn],
  },
  { dependsOn: [...alarms, mayPublish] },
);
