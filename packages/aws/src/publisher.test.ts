import type { PutEventsRequestEntry } from "@aws-sdk/client-eventbridge";
import { describe, expect, test } from "vitest";
import { createPublisher, putEvents } from "./publisher.ts";
import { awsError, FakeClock, fakeClients, runOn } from "./test-support.ts";

type Answer = { readonly EventId: string } | { readonly ErrorCode: string; readonly ErrorMessage?: string };

const OK: Answer = { EventId: "an id" };
const THROTTLED: Answer = { ErrorCode: "ThrottlingException", ErrorMessage: "slower" };

/** A bus that answers each entry by its detail type, the n-th time with the n-th answer, and notes what was sent. */
function bus(answers: Readonly<Record<string, readonly Answer[]>>) {
  const sends: (readonly PutEventsRequestEntry[])[] = [];
  const seen = new Map<string, number>();
  const { eventBridge } = fakeClients(({ input }) => {
    sends.push(input.Entries);
    const Entries = input.Entries.map(({ DetailType = "" }) => {
      const time = seen.get(DetailType) ?? 0;
      seen.set(DetailType, time + 1);
      return answers[DetailType]?.[time] ?? OK;
    });
    return { Entries };
  });
  const sent = () => sends.map((entries) => entries.map((entry) => entry.DetailType));
  return { eventBridge, sends, sent };
}

const entries = (...names: string[]) => names.map((DetailType) => ({ Source: "s", DetailType, Detail: "{}" }));

describe("putEvents", () => {
  test("sends once where every entry is accepted", async () => {
    const { eventBridge, sent } = bus({ a: [{ EventId: "1" }], b: [{ EventId: "2" }] });
    const clock = new FakeClock();
    await expect(putEvents(eventBridge, runOn(clock), entries("a", "b"))).resolves.toEqual([
      { kind: "accepted", eventId: "1" },
      { kind: "accepted", eventId: "2" },
    ]);
    expect(sent()).toEqual([["a", "b"]]);
    expect(clock.sleptMs).toEqual([]);
  });

  test("sends again only what failed, and gives the outcomes in the entries' order", async () => {
    const internal: Answer = { ErrorCode: "InternalFailure" };
    const { eventBridge, sent } = bus({
      a: [THROTTLED, { EventId: "1" }],
      b: [{ EventId: "2" }],
      c: [internal, { ErrorCode: "InternalException" }, { EventId: "3" }],
      d: [{ EventId: "4" }],
    });
    const outcomes = await putEvents(eventBridge, runOn(new FakeClock()), entries("a", "b", "c", "d"));
    expect(sent()).toEqual([["a", "b", "c", "d"], ["a", "c"], ["c"]]);
    expect(outcomes).toEqual(["1", "2", "3", "4"].map((eventId) => ({ kind: "accepted", eventId })));
  });

  test("gives up after three sends, with what AWS said last", async () => {
    const { eventBridge, sent } = bus({ a: new Array(9).fill(THROTTLED), b: [{ EventId: "2" }] });
    const clock = new FakeClock();
    await expect(putEvents(eventBridge, runOn(clock), entries("a", "b"))).resolves.toEqual([
      { kind: "refused", code: "ThrottlingException", message: "slower" },
      { kind: "accepted", eventId: "2" },
    ]);
    expect(sent()).toEqual([["a", "b"], ["a"], ["a"]]);
    expect(clock.sleptMs).toEqual([200, 400]);
  });

  test("never sends again what is the entry's own fault", async () => {
    const { eventBridge, sent } = bus({ a: [{ ErrorCode: "MalformedDetail", ErrorMessage: "not JSON" }] });
    await expect(putEvents(eventBridge, runOn(new FakeClock()), entries("a", "b"))).resolves.toEqual([
      { kind: "refused", code: "MalformedDetail", message: "not JSON" },
      { kind: "accepted", eventId: "an id" },
    ]);
    expect(sent()).toEqual([["a", "b"]]);
  });

  test("says so where an entry got no answer", async () => {
    const { eventBridge } = fakeClients(() => ({ Entries: [OK] }));
    await expect(putEvents(eventBridge, runOn(new FakeClock()), entries("a", "b"))).resolves.toEqual([
      { kind: "accepted", eventId: "an id" },
      { kind: "refused", code: "NoAnswer", message: "" },
    ]);
  });

  test("throws where the whole call failed, narrowed", async () => {
    const { eventBridge } = fakeClients(() => {
      throw awsError("AccessDeniedException", 400);
    });
    await expect(putEvents(eventBridge, runOn(new FakeClock()), entries("a"))).rejects.toMatchObject({
      code: "access_denied",
      details: { step: "events:PutEvents" },
    });
  });
});

describe("a publisher", () => {
  const reply = {
    source: "tenantkeys",
    detailType: "TenantKeyProvisioned",
    detail: { version: "1", tenantId: "acme" },
  } as const;

  test("puts a reply on its bus under this project's source", async () => {
    const { eventBridge, sends } = bus({});
    await createPublisher(eventBridge, "tenantkeys-dev").publishReply(runOn(new FakeClock()), reply);
    expect(sends).toEqual([
      [
        {
          Source: "tenantkeys",
          DetailType: "TenantKeyProvisioned",
          Detail: '{"version":"1","tenantId":"acme"}',
          EventBusName: "tenantkeys-dev",
        },
      ],
    ]);
  });

  test.each([
    ["refuses the entry", [{ ErrorCode: "NotAuthorizedForSource", ErrorMessage: "no" }], "NotAuthorizedForSource: no"],
    ["gives no answer for it", [], "NoAnswer"],
  ])("throws publish_failed where the bus %s", async (_, answers, reason) => {
    const { eventBridge } = fakeClients(() => ({ Entries: answers }));
    await expect(
      createPublisher(eventBridge, "tenantkeys-dev").publishReply(runOn(new FakeClock()), reply),
    ).rejects.toMatchObject({
      code: "publish_failed",
      retryable: true,
      message: expect.stringContaining(reason),
      details: { step: "events:PutEvents" },
    });
  });
});
