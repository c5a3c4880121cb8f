import { parseAccountId, parseRegion, parseStage, parseTenantEvent } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { DUE_KEYS_MAX, sendDueReviews } from "./due-keys.ts";
import { awsError, type Call, FakeClock, fakeClients, runOn, SETTINGS, START_MS } from "./test-support.ts";

interface QueryInput {
  readonly IndexName: string;
  readonly ExpressionAttributeValues: Readonly<Record<string, unknown>>;
  readonly ExclusiveStartKey?: { readonly page: number };
}
type Refusal = "later" | "never";
interface BatchInput {
  readonly Entries: readonly { readonly Id: string; readonly MessageBody: string }[];
}

/** A registry with so many due keys in pages, and a queue that refuses messages as `refuses` says. */
function review(
  due: number,
  refuses: (tenantId: string, send: number) => Refusal | Error | undefined = () => undefined,
  pageItems = 500,
) {
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
  const send = ({ Entries }: BatchInput) => {
    const Failed: { Id: string; SenderFault: boolean }[] = [];
    for (const { Id, MessageBody } of Entries) {
      const { tenantId } = JSON.parse(MessageBody).detail;
      const times = (sends.get(tenantId) ?? 0) + 1;
      sends.set(tenantId, times);
      const refusal = refuses(tenantId, times);
      if (refusal instanceof Error) throw refusal;
      if (refusal === undefined) bodies.push(MessageBody);
      else Failed.push({ Id, SenderFault: refusal === "never" });
    }
    return { Failed };
  };
  const answer = ({ name, input }: Call) =>
    name === "Query" ? query(input as unknown as QueryInput) : send(input as unknown as BatchInput);
  const stage = {
    stage: parseStage("dev"),
    accountId: parseAccountId("111122223333"),
    region: parseRegion("eu-west-1"),
    queueUrl: "https://sqs.example/provisioning",
  };
  const ports = { clients: fakeClients(answer), tableName: "registry", stage, newEventId: () => "review-1" };
  const clock = new FakeClock();
  return { queries, bodies, sends, ports, clock, run: runOn(clock) };
}

describe("keys whose time has come", () => {
  test("are found by their time alone, in the index of what waits", async () => {
    const { queries, ports, run } = review(0);
    await expect(sendDueReviews(ports, run)).resolves.toEqual({ due: 0, sent: 0, failed: 0, limitReached: false });
    expect(queries).toMatchObject([
      { IndexName: "review", ExpressionAttributeValues: { ":review": "REVIEW", ":now": START_MS } },
    ]);
  });

  test("are each put on the queue as an event that the worker reads", async () => {
    const { bodies, ports, run } = review(23, undefined, 7);
    await expect(sendDueReviews(ports, run)).resolves.toEqual({ due: 23, sent: 23, failed: 0, limitReached: false });
    const events = bodies.map((body) => parseTenantEvent(body, SETTINGS));
    expect(events.map(({ tenantId }) => tenantId)).toEqual(Array.from({ length: 23 }, (_, index) => `tenant-${index}`));
    expect(events[0]).toMatchObject({ type: "TenantKeyReviewDue", keyName: "default", eventId: "review-1" });
  });

  test("that the queue can't take are sent three times at most, a moment apart", async () => {
    const twice = review(12, (tenantId, times) => (tenantId === "tenant-3" && times <= 2 ? "later" : undefined));
    await expect(sendDueReviews(twice.ports, twice.run)).resolves.toMatchObject({ sent: 12, failed: 0 });
    expect(twice.clock.sleptMs).toEqual([200, 400]);
    expect(twice.sends.get("tenant-4")).toBe(1);
    const always = review(12, (tenantId) => (tenantId === "tenant-3" ? "later" : undefined));
    await expect(sendDueReviews(always.ports, always.run)).resolves.toMatchObject({
      due: 12,
      sent: 11,
      failed: 1,
      error: { code: "aws_unavailable", message: expect.stringContaining("1 of 12 reviews") },
    });
    expect(always.sends.get("tenant-3")).toBe(3);
    expect(always.bodies).toHaveLength(11);
  });

  test("that SQS refuses as the sender's fault aren't sent again", async () => {
    const { ports, run, sends } = review(12, (tenantId) => (tenantId === "tenant-3" ? "never" : undefined));
    await expect(sendDueReviews(ports, run)).resolves.toMatchObject({ sent: 11, failed: 1 });
    expect(sends.get("tenant-3")).toBe(1);
  });

  test("are left for the next turn after a call that failed as a whole, and counted", async () => {
    const denied = awsError("AccessDeniedException", 400);
    const { ports, run, sends } = review(40, (tenantId) => (tenantId === "tenant-12" ? denied : undefined));
    await expect(sendDueReviews(ports, run)).resolves.toMatchObject({
      due: 40,
      sent: 10,
      failed: 30,
      error: { code: "access_denied", details: { step: "sqs:SendMessage" } },
    });
    expect(sends.has("tenant-20")).toBe(false);
  });

  test("are left for the next turn when this one's time is spent", async () => {
    const slow = review(40, () => void slow.clock.advance(2_500));
    await expect(sendDueReviews(slow.ports, slow.run)).resolves.toMatchObject({
      sent: 20,
      failed: 20,
      error: { code: "deadline_near" },
    });
  });

  test("are sent although an item beside them names no key, which is said", async () => {
    const { ports, run, bodies } = review(3);
    const { documents } = fakeClients(() => ({
      Items: [
        { tenantId: "acme", keyName: "default" },
        { pk: "TENANT#umbrella", sk: "KEY#x", keyName: "x" },
      ],
    }));
    const clients = { ...ports.clients, documents };
    await expect(sendDueReviews({ ...ports, clients }, run)).resolves.toMatchObject({
      due: 2,
      sent: 1,
      failed: 1,
      error: { code: "record_invalid", message: expect.stringContaining("TENANT#umbrella / KEY#x") },
    });
    expect(bodies.map((body) => JSON.parse(body).detail.tenantId)).toEqual(["acme"]);
  });

  test("are looked for in a limited number of pages, however long DynamoDB goes on", async () => {
    const { ports, run } = review(0);
    let pages = 0;
    const { documents } = fakeClients(() => {
      pages += 1;
      return { Items: [], LastEvaluatedKey: { page: 0 } };
    });
    const clients = { ...ports.clients, documents };
    await expect(sendDueReviews({ ...ports, clients }, run)).resolves.toMatchObject({ due: 0, limitReached: true });
    expect(pages).toBe(20);
  });

  test("beyond 5,000 are left for the next turn, which is said", async () => {
    const { bodies, ports, run } = review(DUE_KEYS_MAX + 1);
    await expect(sendDueReviews(ports, run)).resolves.toEqual({
      due: 5_000,
      sent: 5_000,
      failed: 0,
      limitReached: true,
    });
    expect(bodies).toHaveLength(5_000);
  });

  test("that can't be read are an error, so that the schedule's failure shows", async () => {
    const { ports, run } = review(1);
    const broken = { ...ports, clients: fakeClients(() => Promise.reject(awsError("AccessDeniedException", 400))) };
    await expect(sendDueReviews(broken, run)).rejects.toMatchObject({ code: "access_denied" });
  });
});
