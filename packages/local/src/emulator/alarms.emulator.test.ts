/** From a metric to a person: PutMetricData, metric alarm, composite alarm, topic, subscribed queue. */
import {
  CloudWatchClient,
  DescribeAlarmsCommand,
  PutCompositeAlarmCommand,
  PutMetricAlarmCommand,
  PutMetricDataCommand,
} from "@aws-sdk/client-cloudwatch";
import { CreateTopicCommand, SNSClient, SubscribeCommand } from "@aws-sdk/client-sns";
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeMetricsOlder } from "./clock.ts";
import { type Emulator, startEmulator } from "./emulator.ts";
import { policy } from "./test-support.ts";

let emulator: Emulator;
let cloudWatch: CloudWatchClient;
let sns: SNSClient;
let sqs: SQSClient;

beforeAll(async () => {
  emulator = await startEmulator();
  const config = { endpoint: emulator.endpoint, region: emulator.region, credentials: emulator.credentials };
  [cloudWatch, sns, sqs] = [new CloudWatchClient(config), new SNSClient(config), new SQSClient(config)];
}, 120_000);

afterAll(async () => {
  for (const client of [cloudWatch, sns, sqs]) client?.destroy();
  await emulator?.stop();
});

function datum(stage: string, value: number, MetricName = "UnintendedDeletions") {
  const MetricData = [{ MetricName, Value: value, Dimensions: [{ Name: "Stage", Value: stage }] }];
  return new PutMetricDataCommand({ Namespace: "tenantkeys", MetricData });
}

async function putAlarm(
  AlarmName: string,
  stage: string,
  MetricName = "UnintendedDeletions",
  AlarmActions: string[] = [],
) {
  await cloudWatch.send(
    new PutMetricAlarmCommand({
      AlarmName,
      Namespace: "tenantkeys",
      MetricName,
      Dimensions: [{ Name: "Stage", Value: stage }],
      Statistic: "Maximum",
      Period: 300,
      EvaluationPeriods: 1,
      Threshold: 0,
      ComparisonOperator: "GreaterThanThreshold",
      TreatMissingData: "notBreaching",
      AlarmActions,
    }),
  );
}

async function stateOf(name: string): Promise<string | undefined> {
  const { MetricAlarms, CompositeAlarms } = await cloudWatch.send(
    new DescribeAlarmsCommand({ AlarmNames: [name], AlarmTypes: ["MetricAlarm", "CompositeAlarm"] }),
  );
  return [...(MetricAlarms ?? []), ...(CompositeAlarms ?? [])][0]?.StateValue;
}

test("a value above the threshold raises the alarm and the composite over it, and the topic's queue hears of it", async () => {
  const TopicArn = (await sns.send(new CreateTopicCommand({ Name: "alarms" }))).TopicArn as string;
  const Endpoint = `arn:aws:sqs:${emulator.region}:${emulator.accountId}:pager`;
  const Principal = { Service: "sns.amazonaws.com" };
  const Policy = policy({ Effect: "Allow", Principal, Action: "sqs:SendMessage", Resource: Endpoint });
  const create = new CreateQueueCommand({ QueueName: "pager", Attributes: { Policy } });
  const QueueUrl = (await sqs.send(create)).QueueUrl as string;
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: "sqs", Endpoint }));
  await putAlarm("deletions", "dev");
  await cloudWatch.send(
    new PutCompositeAlarmCommand({ AlarmName: "page", AlarmRule: 'ALARM("deletions")', AlarmActions: [TopicArn] }),
  );
  await cloudWatch.send(datum("dev", 0));
  expect([await stateOf("deletions"), await stateOf("page")]).toEqual(["OK", "OK"]);

  await cloudWatch.send(datum("dev", 1));
  expect([await stateOf("deletions"), await stateOf("page")]).toEqual(["ALARM", "ALARM"]);
  const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5 }));
  const alarm = JSON.parse(JSON.parse(Messages?.[0]?.Body ?? "{}").Message);
  expect(alarm).toMatchObject({ AlarmName: "page", NewStateValue: "ALARM", OldStateValue: "OK" });
});

test("an alarm goes back once what raised it is past its window", async () => {
  await putAlarm("critical", "dev", "FindingsCritical");
  await cloudWatch.send(datum("dev", 1, "FindingsCritical"));
  await cloudWatch.send(datum("dev", 0, "FindingsCritical"));
  expect(await stateOf("critical")).toBe("ALARM");
  await makeMetricsOlder(emulator.endpoint, 301_000);
  await cloudWatch.send(datum("dev", 0, "FindingsCritical"));
  expect(await stateOf("critical")).toBe("OK");
  await expect(makeMetricsOlder(emulator.endpoint, -1)).rejects.toThrow("0 or more");
});

test("another stage's metric doesn't raise this stage's alarm", async () => {
  await putAlarm("of-staging", "staging", "CouldNotVerify");
  await cloudWatch.send(datum("staging", 0, "CouldNotVerify"));
  await cloudWatch.send(datum("production", 9, "CouldNotVerify"));
  expect(await stateOf("of-staging")).toBe("OK");
});
