import type { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { expect, test } from "vitest";
import type { Run } from "../run.ts";
import { archiveSize, replayProgress, startArchiveReplay } from "./archive-replay.ts";

const run: Run = {
  clock: { nowMs: () => 0, sleep: async () => {} },
  deadlineMs: 1,
  signal: new AbortController().signal,
};

function prepare(answer: object | Error) {
  const inputs: unknown[] = [];
  const send = async (command: { readonly input: unknown }) => {
    inputs.push(command.input);
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const ports = {
    eventBridge: { send } as unknown as EventBridgeClient,
    archiveName: "archive",
    arns: { archive: "arn:archive", bus: "arn:bus", rule: "arn:rule" },
  };
  return { ports, inputs };
}

test("a replay goes from the archive to its own bus, and there to the worker's rule alone", async () => {
  const { ports, inputs } = prepare({});
  await startArchiveReplay(ports, run, "replay-1", { fromMs: 1_000, toMs: 2_000 });
  expect(inputs).toEqual([
    {
      ReplayName: "replay-1",
      EventSourceArn: "arn:archive",
      EventStartTime: new Date(1_000),
      EventEndTime: new Date(2_000),
      Destination: { Arn: "arn:bus", FilterArns: ["arn:rule"] },
    },
  ]);
});

test.each([
  ["LimitExceededException", "quota_exceeded"],
  ["ResourceNotFoundException", "stage_not_deployed"],
])("%s is narrowed to %s", async (name, code) => {
  const { ports } = prepare(Object.assign(new Error("no"), { name }));
  await expect(startArchiveReplay(ports, run, "r", { fromMs: 1, toMs: 2 })).rejects.toMatchObject({ code });
});

test("a replay's state is read with how far it has come", async () => {
  const { ports } = prepare({ State: "RUNNING", StateReason: "why", EventLastReplayedTime: new Date(5) });
  expect(await replayProgress(ports, run, "r")).toEqual({ state: "RUNNING", reason: "why", lastReplayedMs: 5 });
  await expect(replayProgress(prepare({}).ports, run, "r")).rejects.toMatchObject({ code: "aws_unexpected" });
});

test("what the archive holds in all is read by its name", async () => {
  const { ports, inputs } = prepare({ EventCount: 3, SizeBytes: 4 });
  expect(await archiveSize(ports, run)).toEqual({ events: 3, bytes: 4 });
  expect(inputs).toEqual([{ ArchiveName: "archive" }]);
});
