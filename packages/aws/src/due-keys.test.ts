import { parseAccountId, parseRegion, parseStage, parseTenantEvent } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { DUE_KEYS_MAX, sendDueReviews } from "./due-keys.ts";
import { awsError, type Call, FakeClock, fakeClients, runOn, SETTINGS, START_MS } from "./test-support.ts";

interface QueryInput {
  readonly IndexName: string;
  readonly ExpressionAttributeValues: Readonly<Record<string, unknown>>;
  readonly ExclusiveStartKey?: { readonly page: number };
}
interface BatchInput {
  readonly Entries: readonly { readonly Id: string; readonly MessageBody: string }[];
}

/** A registry with so many due keys in pages, and a queue that refuses messages as `refuses` says. */
function review(due: number, refuses: (message: string, send: number) => boolean = () => false, pageItems = 500) {
  const queries: QueryInput[] = [];
  const bodies: string[] = [];
  const sends = new Map<string, number>();
  const query = (input: QueryInput) => {
    queries.push(input);
    const page = input.ExclusiveStartKey?.page ?? 0;
    const count = Math.min(pageItems, due - page * pageItems);
    const Items = Array.from({ length: count }, (_, index) => ({
      tenantId: `tenant-${page * pageItems + index}`,
      keyName: "default",
    }));
    const more = (page + 1) * pageItems < due;
    return { Items, ...(more ? { LastEvaluatedKey: { page: page + 1 } } : {}) };
  };
  const send = ({ Entries }: BatchInput) => ({
    Failed: Entries.filter(({ MessageBody }) => {
      const tenantId = JSON.parse(MessageBody).detail.tenantId;
      const times = (sends.get(tenantId) ?? 0) + 1;
      sends.set(tenantId, times);
      if (refuses(tenantId, times)) return true;
      bodies.push(MessageBody);
      return false;
    }).map(({ Id }) => ({ Id })),
  });
  const answer = ({ name, input }: Call) =>
    name === "Query" ? query(input as unknown as QueryInput) : send(input as unknown as BatchInput);
  const stage = {
    stage: parseStage("dev"),
    accountId: parseAccountId("111122223333"),
    region: parseRegion("eu-west-1"),
    queueUrl: "https://sqs.example/provisioning",
  };
  const ports = { clients: fakeClients(answer), tableName: "registry", stage, newEventId: () => "review-1" };
  return { queries, bodies, ports, run: runOn(new FakeClock()) };
}

describe("keys whose time has come", () => {
  test("are found by their time alone, in the index of what waits", async () => {
    const { queries, ports, run } = review(0);
    await expect(sendDueReviews(ports, run)).resolves.toEqual({ due: 0, sent: 0, limitReached: false });
    expect(queries).toMatchObject([
      { IndexName: "review", ExpressionAttributeValues: { ":review": "REVIEW", ":now": START_MS } },
    ]);
  });

  test("are each put on the queue as an event that the worker reads", async () => {
    const { bodies, ports, run } = review(23, undefined, 7);
    await expect(sendDueReviews(ports, run)).resolves.toEqual({ due: 23, sent: 23, limitReached: false });
    const events = bodies.map((body) => parseTenantEvent(body, SETTINGS));
    expect(events.map(({ tenantId }) => tenantId)).toEqual(Array.from({ length: 23 }, (_, index) => `tenant-${index}`));
    expect(events[0]).toMatchObject({ type: "TenantKeyReviewDue", keyName: "default", eventId: "review-1" });
  });

  test("that the queue refuses are sent three times at most, and then said to be missing", async () => {
    const twice = review(12, (tenantId, times) => tenantId === "tenant-3" && times <= 2);
    await expect(sendDueReviews(twice.ports, twice.run)).resolves.toMatchObject({ sent: 12 });
    const always = review(12, (tenantId) => tenantId === "tenant-3");
    await expect(sendDueReviews(always.ports, always.run)).rejects.toMatchObject({
      code: "aws_unavailable",
      message: expect.stringContaining("1 of 12 reviews"),
    });
    expect(always.bodies).toHaveLength(11);
  });

  test("beyond 5,000 are left for the next turn, which is said", async () => {
    const { bodies, ports, run } = review(DUE_KEYS_MAX + 1);
    await expect(sendDueReviews(ports, run)).resolves.toEqual({ due: 5_000, sent: 5_000, limitReached: true });
    expect(bodies).toHaveLength(5_000);
  });

  test("that can't be read are an error, so that the schedule's failure shows", async () => {
    const { ports, run } = review(1);
    const broken = { ...ports, clients: fakeClients(() => Promise.reject(awsError("AccessDeniedException", 400))) };
    await expect(sendDueReviews(broken, run)).rejects.toMatchObject({ code: "access_denied" });
  });
});
