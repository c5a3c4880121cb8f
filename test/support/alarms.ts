/** The stage's alarms as they are deployed, and a queue of the test's own that is subscribed to their topic. */
import { CloudWatchClient, DescribeAlarmsCommand } from "@aws-sdk/client-cloudwatch";
import { SNSClient, SubscribeCommand } from "@aws-sdk/client-sns";
import { CreateQueueCommand, DeleteMessageCommand, ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import { clientConfig } from "@tenantkeys/aws";
import { type AlarmId, alarmName, type PAGE_ALARM_ID, policyDocument, stageArns } from "@tenantkeys/core";
import { type LocalStage, makeMetricsOlder } from "@tenantkeys/local";
import { afterAll } from "vitest";
import { until } from "./events.ts";

type AlarmState = "OK" | "ALARM" | "INSUFFICIENT_DATA";

interface AlarmMessage {
  readonly AlarmName: string;
  readonly NewStateValue: AlarmState;
}

interface CallMessage {
  readonly criticalFindings: readonly string[];
}

export interface Alarms {
  states(): Promise<Readonly<Record<string, AlarmState | undefined>>>;
  stateOf(id: AlarmId | typeof PAGE_ALARM_ID): Promise<AlarmState | undefined>;
  /** Waits for the next message of an alarm that the topic's queue gets, and takes what comes before it. */
  nextMessage(): Promise<AlarmMessage>;
  /** Waits for the next message about critical findings that opened, and takes what comes before it. */
  nextCall(): Promise<CallMessage>;
  /** Waits for one of each, in whatever order they come. */
  nextOfEach(): Promise<{ readonly message: AlarmMessage; readonly call: CallMessage }>;
  /** Takes what is in the queue. @returns how many messages there were */
  drain(): Promise<number>;
  /** As if the alarms' window had passed: what comes next counts alone. */
  letWindowPass(): Promise<void>;
}

/** Longer than the window of any alarm on verification's metrics. */
const WINDOW_MS = 3_600_000;

export async function alarmsOf(stage: LocalStage): Promise<Alarms> {
  const config = clientConfig({ ...stage.at, credentials: stage.emulator.credentials });
  const cloudWatch = new CloudWatchClient(config);
  afterAll(() => cloudWatch.destroy());
  const QueueUrl = await subscribedQueue(stage);
  const name = (id: AlarmId | typeof PAGE_ALARM_ID) => alarmName(stage.settings.stage, id);
  const states = async () => {
    const { MetricAlarms = [], CompositeAlarms = [] } = await cloudWatch.send(
      new DescribeAlarmsCommand({ AlarmTypes: ["MetricAlarm", "CompositeAlarm"], MaxRecords: 100 }),
    );
    return Object.fromEntries(
      [...MetricAlarms, ...CompositeAlarms].map((one) => [one.AlarmName ?? "", one.StateValue]),
    );
  };
  const take = async () => {
    const { Messages } = await stage.root.sqs.send(new ReceiveMessageCommand({ QueueUrl }));
    const [message] = Messages ?? [];
    if (message === undefined) return undefined;
    await stage.root.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
    return JSON.parse(JSON.parse(message.Body ?? "{}").Message);
  };
  return {
    states,
    stateOf: async (id) => (await states())[name(id)],
    nextMessage: () => until("a message of an alarm", async () => alarmOf(await take())),
    nextCall: () => until("a message about critical findings", async () => callOf(await take())),
    nextOfEach() {
      let message: AlarmMessage | false = false;
      let call: CallMessage | false = false;
      return until("a message of an alarm and one about critical findings", async () => {
        const taken = await take();
        message ||= alarmOf(taken);
        call ||= callOf(taken);
        return message !== false && call !== false && { message, call };
      });
    },
    async drain() {
      let taken = 0;
      while ((await take()) !== undefined) taken += 1;
      return taken;
    },
    letWindowPass: () => makeMetricsOlder(stage.at.endpoint, WINDOW_MS),
  };
}

interface TopicMessage {
  readonly AlarmName?: string;
  readonly criticalFindings?: readonly string[];
}

function alarmOf(message: TopicMessage | undefined): AlarmMessage | false {
  return message?.AlarmName !== undefined && (message as AlarmMessage);
}

function callOf(message: TopicMessage | undefined): CallMessage | false {
  return message?.criticalFindings !== undefined && (message as CallMessage);
}

async function subscribedQueue(stage: LocalStage): Promise<string> {
  const { alarmTopic } = stageArns(stage.accountId, stage.region, stage.settings.stage);
  const Endpoint = `arn:aws:sqs:${stage.region}:${stage.accountId}:pager`;
  const Policy = JSON.stringify(
    policyDocument([
      {
        Sid: "TopicSends",
        Effect: "Allow",
        Principal: { Service: "sns.amazonaws.com" },
        Action: "sqs:SendMessage",
        Resource: Endpoint,
        Condition: { ArnEquals: { "aws:SourceArn": alarmTopic } },
      },
    ]),
  );
  const { QueueUrl = "" } = await stage.root.sqs.send(
    new CreateQueueCommand({ QueueName: "pager", Attributes: { Policy } }),
  );
  const sns = new SNSClient(clientConfig({ ...stage.at, credentials: stage.emulator.credentials }));
  try {
    await sns.send(new SubscribeCommand({ TopicArn: alarmTopic, Protocol: "sqs", Endpoint }));
  } finally {
    sns.destroy();
  }
  return QueueUrl;
}
