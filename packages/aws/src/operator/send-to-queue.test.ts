import type { SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { parseAccountId, parseRegion, parseStage } from "@tenantkeys/core";
import { expect, test } from "vitest";
import type { Run } from "../run.ts";
import type { BusEvent } from "./bus-event.ts";
import { sendToQueue } from "./send-to-queue.ts";

const NOW_MS = Date.parse("2026-11-24T09:30:00Z");
const run: Run = {
  clock: { nowMs: () => NOW_MS, sleep: async () => {} },
  deadlineMs: NOW_MS * 2,
  signal: new AbortController().signal,
};

function event(tenantId: string, changes: Partial<BusEvent> = {}): BusEvent {
  const detail = { version: "1", tenantId };
  return { source: "tenantkeys.application", "detail-type": "TenantOffboarded", detail, ...changes };
}

/** A queue that answers message by message (default: takes it), and what came. */
function prepare(refuses: (body: string) => Error | undefined = () => undefined) {
  const bodies: string[] = [];
  let atOnce = 0;
  let atOnceMax = 0;
  const send = async (command: SendMessageCommand) => {
    if ("QueueName" in command.input) return { QueueUrl: "https://sqs.example/queue" };
    const body = command.input.MessageBody ?? "";
    bodies.push(body);
    atOnceMax = Math.max(atOnceMax, ++atOnce);
    await Promise.resolve();
    atOnce -= 1;
    const refusal = refuses(body);
    if (refusal !== undefined) throw refusal;
    return {};
  };
  let ids = 0;
  const ports = {
    sqs: { send } as unknown as SQSClient,
    queueName: "tenantkeys-dev-provisioning",
    place: {
      stage: parseStage("dev"),
      accountId: parseAccountId("111122223333"),
      region: parseRegion("eu-west-1"),
    },
    newEventId: () => `event-${ids++}`,
  };
  return { ports, bodies: () => bodies.map((body) => JSON.parse(body)), atOnceMax: () => atOnceMax };
}

test("an event looks as if the bus had brought it, under an id of its own that is given back", async () => {
  const { ports, bodies } = prepare();
  expect(await sendToQueue(ports, run, [event("acme")])).toEqual([{ kind: "accepted", eventId: "event-0" }]);
  expect(bodies()).toEqual([
    {
      version: "0",
      id: "event-0",
      "detail-type": "TenantOffboarded",
      source: "tenantkeys.application",
      account: "111122223333",
      time: "2026-11-24T09:30:00.000Z",
      region: "eu-west-1",
      resources: [],
      detail: { version: "1", tenantId: "acme" },
    },
  ]);
});

test("an event that has a time keeps it, as that may be its generation", async () => {
  const { ports, bodies } = prepare();
  await sendToQueue(ports, run, [event("acme", { time: "2025-11-24T10:30:00+01:00" })]);
  expect(bodies()[0].time).toBe("2025-11-24T09:30:00.000Z");
});

test("many events go out ten at once, and each outcome stands in its event's place", async () => {
  const { ports, bodies, atOnceMax } = prepare();
  const events = Array.from({ length: 21 }, (_, index) => event(`t${index}`));
  const outcomes = await sendToQueue(ports, run, events);
  expect(outcomes).toEqual(events.map((_, index) => ({ kind: "accepted", eventId: `event-${index}` })));
  expect(bodies().map(({ detail }) => detail.tenantId)).toEqual(events.map((_, index) => `t${index}`));
  expect(atOnceMax()).toBe(10);
});

test("what can never be sent fails by itself, and the rest is sent", async () => {
  const { ports, bodies } = prepare();
  const outcomes = await sendToQueue(ports, run, [
    event("a", { detail: "no object" }),
    event("b", { detail: { tenantId: "b", padding: "ü".repeat(131_072) } }),
    event("c", { time: "yesterday" }),
    event("d"),
  ]);
  expect(outcomes).toMatchObject([
    { kind: "failed", error: { code: "event_not_json" } },
    { kind: "failed", error: { code: "event_too_large", details: { tenantId: "b" } } },
    { kind: "failed", error: { code: "event_invalid" } },
    { kind: "accepted" },
  ]);
  expect(bodies()).toHaveLength(1);
});

test("after one that AWS didn't take no more is tried than was under way", async () => {
  const refused = Object.assign(new Error("not authorized"), { name: "AccessDenied" });
  const { ports, bodies } = prepare((body) => (body.includes('"t10"') ? refused : undefined));
  const events = Array.from({ length: 30 }, (_, index) => event(`t${index}`));
  const outcomes = await sendToQueue(ports, run, events);
  expect(bodies()).toHaveLength(20);
  const accepted = outcomes.flatMap(({ kind }, index) => (kind === "accepted" ? [index] : []));
  expect(accepted).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  expect(outcomes[29]).toMatchObject({ error: { code: "access_denied", details: { tenantId: "t29" } } });
});
