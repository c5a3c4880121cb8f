import type { EventBridgeClient, PutEventsCommand, PutEventsResultEntry } from "@aws-sdk/client-eventbridge";
import { parseStage, TenantKeysError } from "@tenantkeys/core";
import { expect, test } from "vitest";
import type { Run } from "../run.ts";
import type { BusEvent } from "./bus-event.ts";
import { type PublishPorts, publishEvents } from "./publish-events.ts";

const NOW_MS = 1_000_000;
const run: Run = {
  clock: { nowMs: () => NOW_MS, sleep: async () => {} },
  deadlineMs: NOW_MS * 2,
  signal: new AbortController().signal,
};

function event(tenantId: string, changes: Partial<BusEvent> = {}): BusEvent {
  const detail = { version: "1", tenantId };
  return { source: "tenantkeys.application", "detail-type": "TenantSignedUp", detail, ...changes };
}

/** A bus that answers entry by entry (default: takes it), and what was sent, kept and announced. */
function prepare(answer: (detail: string) => PutEventsResultEntry | Error = () => ({ EventId: "id" })) {
  const calls: { time: Date | undefined; detail: string }[][] = [];
  const kept: { body: string; code: string; receivedAtMs: number }[] = [];
  const announced: unknown[] = [];
  const send = async (command: PutEventsCommand) => {
    const entries = (command.input.Entries ?? []).map(({ Time, Detail }) => ({ time: Time, detail: Detail ?? "" }));
    calls.push(entries);
    const answers = entries.map(({ detail }) => answer(detail));
    const failed = answers.find((one) => one instanceof Error);
    if (failed !== undefined) throw failed;
    return { Entries: answers };
  };
  const ports: PublishPorts = {
    eventBridge: { send } as unknown as EventBridgeClient,
    busName: "tenantkeys-dev",
    stage: parseStage("dev"),
    intake: { eventSources: ["tenantkeys.application"], eventMappings: [] },
    publisher: { publishReply: async (_, reply) => void announced.push(reply.detail.code) },
    refusedStore: {
      keep: async (_, { body, receivedAtMs }, { code }) => void kept.push({ body, code, receivedAtMs }),
    },
    newRefusalId: () => "refusal-1",
  };
  return { ports, calls, kept, announced };
}

test("an event goes out with its own time, as that is its generation", async () => {
  const { ports, calls } = prepare();
  const time = "2026-03-02T09:45:00Z";
  const outcomes = await publishEvents(ports, run, [event("a", { time }), event("b")]);
  expect(outcomes).toEqual([
    { kind: "accepted", eventId: "id" },
    { kind: "accepted", eventId: "id" },
  ]);
  expect(calls).toEqual([
    [
      { time: new Date(time), detail: '{"version":"1","tenantId":"a"}' },
      { time: undefined, detail: '{"version":"1","tenantId":"b"}' },
    ],
  ]);
});

test("a call carries 10 entries and less than 1 MB", async () => {
  const { ports, calls } = prepare();
  await publishEvents(
    ports,
    run,
    Array.from({ length: 21 }, (_, index) => event(`t${index}`)),
  );
  expect(calls.map((call) => call.length)).toEqual([10, 10, 1]);
  calls.length = 0;
  const large = (tenantId: string) => event(tenantId, { detail: { tenantId, padding: "x".repeat(250_000) } });
  await publishEvents(ports, run, ["a", "b", "c", "d"].map(large));
  expect(calls.map((call) => call.length)).toEqual([3, 1]);
});

const tooDeep = JSON.parse(`${'{"a":'.repeat(200_000)}1${"}".repeat(200_000)}`);

test.each([
  ["detail that is text", { detail: '{"tenantId"' }, "event_not_json", "detail"],
  ["detail that is a list", { detail: [] }, "event_not_json", "detail"],
  ["no detail", { detail: undefined }, "event_not_json", "detail"],
  ["a source that no rule takes", { source: "somebody.else" }, "event_type_unknown", "source"],
  ["a type that no rule takes", { "detail-type": "TenantSignedOff" }, "event_type_unknown", "detail-type"],
  ["a time that is none", { time: "yesterday" }, "event_invalid", "time"],
  ["more than 256 KB", { detail: { padding: "ü".repeat(131_072) } }, "event_too_large", "detail"],
])("an event with %s is kept and announced, and not sent", async (_, changes, code, field) => {
  const { ports, calls, kept, announced } = prepare();
  const refused = event("a", changes);
  const outcomes = await publishEvents(ports, run, [refused, event("b")]);
  expect(outcomes).toMatchObject([
    { kind: "refused", refusalId: "refusal-1", error: { code, details: { field } } },
    { kind: "accepted" },
  ]);
  expect(calls.map((call) => call.length)).toEqual([1]);
  expect(kept).toEqual([{ body: expect.any(String), code, receivedAtMs: NOW_MS }]);
  expect(JSON.parse(kept[0]?.body ?? "")).toEqual(JSON.parse(JSON.stringify(refused)));
  expect(announced).toEqual([code]);
});

test("an event that can't even be written down stays where it is", async () => {
  const { ports, kept } = prepare();
  const outcomes = await publishEvents(ports, run, [event("a", { detail: tooDeep })]);
  expect(outcomes).toMatchObject([{ kind: "failed", error: { code: "event_too_large" } }]);
  expect(kept).toEqual([]);
});

test.each([
  ["MalformedDetail", "event_not_json"],
  ["InvalidArgument", "event_invalid"],
])("what the bus refuses as %s is kept", async (ErrorCode, code) => {
  const { ports, kept } = prepare((detail) => (detail.includes('"a"') ? { ErrorCode } : { EventId: "id" }));
  const outcomes = await publishEvents(ports, run, [event("a"), event("b")]);
  expect(outcomes).toMatchObject([{ kind: "refused", error: { code } }, { kind: "accepted" }]);
  expect(kept).toMatchObject([{ code }]);
});

test("an entry that failed inside AWS is sent again, then left where it is", async () => {
  const { ports, calls, kept } = prepare(() => ({ ErrorCode: "InternalFailure" }));
  expect(await publishEvents(ports, run, [event("a")])).toMatchObject([
    { kind: "failed", error: { code: "publish_failed", details: { tenantId: "a" } } },
  ]);
  expect(calls).toHaveLength(3);
  expect(kept).toEqual([]);
});

test("after a call that failed as a whole the rest isn't tried", async () => {
  const { ports, calls } = prepare((detail) =>
    detail.includes('"t10"') ? Object.assign(new Error("connect"), { code: "ECONNREFUSED" }) : { EventId: "id" },
  );
  const outcomes = await publishEvents(
    ports,
    run,
    Array.from({ length: 30 }, (_, index) => event(`t${index}`)),
  );
  expect(calls).toHaveLength(2);
  expect(outcomes.map(({ kind }) => kind)).toEqual([...Array(10).fill("accepted"), ...Array(20).fill("failed")]);
  expect(outcomes[29]).toMatchObject({ error: { code: "aws_unavailable" } });
});

test("an event that can't be kept is a failure, not a refusal", async () => {
  const { ports } = prepare();
  const keep = async () => {
    throw new TenantKeysError("throttled", "slow down");
  };
  const outcomes = await publishEvents({ ...ports, refusedStore: { keep } }, run, [event("a", { detail: 1 })]);
  expect(outcomes).toMatchObject([{ kind: "failed", error: { code: "throttled" } }]);
});

test("an event that is kept already is refused without being kept again", async () => {
  const { ports, kept } = prepare();
  const outcomes = await publishEvents({ ...ports, refusedStore: undefined }, run, [event("a", { detail: 1 })]);
  expect(outcomes).toMatchObject([{ kind: "refused", refusalId: undefined }]);
  expect(kept).toEqual([]);
});
