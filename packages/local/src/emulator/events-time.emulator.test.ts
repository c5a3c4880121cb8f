import {
  CreateEventBusCommand,
  EventBridgeClient,
  PutEventsCommand,
  PutRuleCommand,
  PutTargetsCommand,
} from "@aws-sdk/client-eventbridge";
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Emulator, startEmulator } from "./emulator.ts";

let emulator: Emulator;
let events: EventBridgeClient;
let sqs: SQSClient;
let queueUrl: string;

beforeAll(async () => {
  emulator = await startEmulator();
  const config = { endpoint: emulator.endpoint, region: emulator.region, credentials: emulator.credentials };
  events = new EventBridgeClient(config);
  sqs = new SQSClient(config);
  queueUrl = (await sqs.send(new CreateQueueCommand({ QueueName: "times" }))).QueueUrl ?? "";
  await events.send(new CreateEventBusCommand({ Name: "times" }));
  await events.send(new PutRuleCommand({ Name: "all", EventBusName: "times", EventPattern: '{"source":["test"]}' }));
  const Arn = `arn:aws:sqs:${emulator.region}:${emulator.accountId}:times`;
  await events.send(new PutTargetsCommand({ Rule: "all", EventBusName: "times", Targets: [{ Id: "queue", Arn }] }));
});

afterAll(() => emulator.stop());

it("an event keeps the time that its publisher gave it, and has the time of the call where none was given", async () => {
  const entry = { EventBusName: "times", Source: "test", DetailType: "Test" };
  const given = new Date("2026-03-04T05:06:07Z");
  const beforeMs = Date.now() - 2_000;

  await events.send(
    new PutEventsCommand({
      Entries: [
        { ...entry, Detail: '{"n":1}', Time: given },
        { ...entry, Detail: '{"n":2}' },
      ],
    }),
  );

  const { Messages } = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl: queueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 }),
  );
  const received = (Messages ?? []).map((message) => JSON.parse(message.Body ?? "{}"));
  const timeOf = (n: number) => Date.parse(received.find((event) => event.detail.n === n).time);
  expect(timeOf(1)).toBe(given.getTime());
  expect(timeOf(2)).toBeGreaterThan(beforeMs);
});
