import {
  CreateArchiveCommand,
  CreateEventBusCommand,
  DescribeArchiveCommand,
  DescribeReplayCommand,
  PutEventsCommand,
  PutRuleCommand,
  PutTargetsCommand,
  StartReplayCommand,
} from "@aws-sdk/client-eventbridge";
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Emulator, startEmulator } from "./emulator.ts";
import { assume, type Caller, callerWith, makeRole, outcome } from "./test-support.ts";

const EventBusName = "replayed";
const BUS = `arn:aws:events:eu-west-1:000000000000:event-bus/${EventBusName}`;
const ARCHIVE = "arn:aws:events:eu-west-1:000000000000:archive/everything";
const RULE = `arn:aws:events:eu-west-1:000000000000:rule/${EventBusName}/to-queue`;

let emulator: Emulator;
let root: Caller;
let sqs: SQSClient;
let QueueUrl: string;

beforeAll(async () => {
  emulator = await startEmulator();
  root = callerWith(emulator, emulator.credentials);
  sqs = new SQSClient({ ...emulator, maxAttempts: 1 });
  QueueUrl = (await sqs.send(new CreateQueueCommand({ QueueName: "replayed" }))).QueueUrl as string;
  await root.events.send(new CreateEventBusCommand({ Name: EventBusName }));
  const EventPattern = '{"source":["test"]}';
  await root.events.send(new PutRuleCommand({ Name: "to-queue", EventBusName, EventPattern }));
  const Targets = [{ Id: "queue", Arn: "arn:aws:sqs:eu-west-1:000000000000:replayed" }];
  await root.events.send(new PutTargetsCommand({ Rule: "to-queue", EventBusName, Targets }));
  await root.events.send(new CreateArchiveCommand({ ArchiveName: "everything", EventSourceArn: BUS }));
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

interface Event {
  readonly id: string;
  readonly time: string;
  readonly detail: { readonly n: number };
  readonly "replay-name"?: string;
}

async function receive(count: number): Promise<readonly Event[]> {
  const events: Event[] = [];
  while (events.length < count) {
    const { Messages } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5 }),
    );
    if (!Messages) throw new Error(`only ${events.length} of ${count} events came`);
    events.push(...Messages.map(({ Body }) => JSON.parse(Body ?? "{}") as Event));
  }
  return events.sort((a, b) => a.detail.n - b.detail.n);
}

const at = (minute: number) => new Date(Date.UTC(2026, 2, 4, 5, minute));

async function replay(ReplayName: string, from: Date, to: Date): Promise<string | undefined> {
  await root.events.send(
    new StartReplayCommand({
      ReplayName,
      EventSourceArn: ARCHIVE,
      EventStartTime: from,
      EventEndTime: to,
      Destination: { Arn: BUS, FilterArns: [RULE] },
    }),
  );
  const state = async () => (await root.events.send(new DescribeReplayCommand({ ReplayName }))).State;
  await expect.poll(state, { timeout: 10_000 }).toBe("COMPLETED");
  return state();
}

describe("a replay", () => {
  test("delivers the archived events of its time to the rule's target again: same id and time, and its name", async () => {
    await root.events.send(
      new PutEventsCommand({
        Entries: [1, 2, 3].map((n) => ({
          EventBusName,
          Source: "test",
          DetailType: "Test",
          Detail: JSON.stringify({ n }),
          Time: at(n * 10),
        })),
      }),
    );
    const live = await receive(3);
    expect(live.map((event) => "replay-name" in event)).toEqual([false, false, false]);
    await replay("second-and-third", at(15), at(31));
    const again = await receive(2);
    expect(again).toEqual(live.slice(1).map((event) => ({ ...event, "replay-name": "second-and-third" })));
    // What was replayed isn't archived again.
    await replay("all", at(0), at(59));
    expect((await receive(3)).map(({ detail }) => detail.n)).toEqual([1, 2, 3]);
  });

  test("goes to no rule that leaves replayed events out", async () => {
    const notReplayed = '{"source":["test"],"replay-name":[{"exists":false}]}';
    await root.events.send(new PutRuleCommand({ Name: "to-queue", EventBusName, EventPattern: notReplayed }));
    await replay("ignored", at(0), at(59));
    const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 1 }));
    expect(Messages ?? []).toEqual([]);
  });
});

test("archives and replays are named by their ARNs in the policy of who may replay", async () => {
  const Action = ["events:DescribeArchive", "events:DescribeReplay", "events:StartReplay"];
  const Resource = [ARCHIVE, "arn:aws:events:eu-west-1:000000000000:replay/mine-*"];
  const role = await makeRole(root, "replayer", { allow: [{ Effect: "Allow", Action, Resource }] });
  const { events } = await assume(emulator, root, role);
  const start = (ReplayName: string, archive: string) =>
    outcome(
      events.send(
        new StartReplayCommand({
          ReplayName,
          EventSourceArn: archive,
          EventStartTime: at(0),
          EventEndTime: at(1),
          Destination: { Arn: BUS },
        }),
      ),
    );
  expect(await start("mine-1", ARCHIVE)).toBe("ok");
  expect(await start("mine-2", ARCHIVE.replace("everything", "other"))).toMatch(/AccessDenied/);
  expect(await outcome(events.send(new DescribeReplayCommand({ ReplayName: "mine-1" })))).toBe("ok");
  expect(await outcome(events.send(new DescribeReplayCommand({ ReplayName: "all" })))).toMatch(/AccessDenied/);
  expect(await outcome(events.send(new DescribeArchiveCommand({ ArchiveName: "everything" })))).toBe("ok");
  expect(await outcome(events.send(new DescribeArchiveCommand({ ArchiveName: "other" })))).toMatch(/AccessDenied/);
});
