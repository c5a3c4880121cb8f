import { describe, expect, test } from "vitest";
import { ACME, awsError, DEFAULT_KEY, FakeClock, fakeClients, runOn } from "../test-support.ts";
import { createUseCounter } from "./use-counter.ts";

const KEY = { tenantId: ACME, keyName: DEFAULT_KEY };
const MINUTE_MS = 60_000;

interface Update {
  readonly Key: object;
  readonly UpdateExpression: string;
  readonly ExpressionAttributeNames: Readonly<Record<"#minute" | "#count", string>>;
  readonly ExpressionAttributeValues: { readonly ":minute": number };
}

/** One item, with the two updates that the counter makes of it; what DynamoDB itself does is in the emulator's test. */
function counter(before: (calls: number) => void = () => {}) {
  const clock = new FakeClock();
  const item = new Map<string, number>();
  const keys = new Set<string>();
  const log: string[] = [];
  const clients = fakeClients(({ input }) => {
    const { UpdateExpression, ExpressionAttributeNames: names, ...update } = input as unknown as Update;
    const minute = update.ExpressionAttributeValues[":minute"];
    before(log.push(UpdateExpression));
    keys.add(JSON.stringify(update.Key));
    const held = item.get(names["#minute"]);
    const adds = UpdateExpression.startsWith("ADD");
    if (adds ? held !== minute : held !== undefined && held >= minute) {
      throw awsError("ConditionalCheckFailedException", 400);
    }
    item.set(names["#minute"], minute);
    item.set(names["#count"], adds ? (item.get(names["#count"]) ?? 0) + 1 : 1);
    return { Attributes: { [names["#count"]]: item.get(names["#count"]) } };
  });
  const counted = createUseCounter(clients, "registry");
  const count = (atMs = clock.nowMs()) => counted.count(runOn(clock), KEY, atMs);
  return { clock, item, keys, log, count };
}

test("counts the uses of one minute, and of the next by itself", async () => {
  const { clock, count } = counter();
  const minute = clock.nowMs();
  expect([await count(), await count(), await count(minute + MINUTE_MS), await count()]).toEqual([1, 2, 1, 3]);
});

test("a minute takes over the slot of the one 32 minutes before, so that the item never grows", async () => {
  const { clock, item, keys, count } = counter();
  for (let minute = 0; minute < 100; minute++) {
    expect([await count(), await count()]).toEqual([1, 2]);
    clock.advance(MINUTE_MS);
  }
  expect(item.size).toBe(64);
  expect([...keys]).toEqual(['{"pk":"CHECKS#acme","sk":"USES#default"}']);
});

describe("a use isn't counted", () => {
  test("that comes 32 minutes late: its slot is another minute's", async () => {
    const { clock, log, count } = counter();
    const lateMs = clock.nowMs() - 31 * MINUTE_MS;
    expect(await count(lateMs)).toBe(1);
    expect(await count(lateMs - MINUTE_MS)).toBeUndefined();
    expect(log).toHaveLength(2);
  });

  test("whose slot a later minute took while it was under way", async () => {
    const { clock, item, count } = counter();
    const atMs = clock.nowMs();
    const slot = Math.floor(atMs / MINUTE_MS) % 32;
    item.set(`minute${slot}`, Math.floor(atMs / MINUTE_MS) + 32);
    expect(await count(atMs)).toBeUndefined();
  });

  test("of a time to come, which would hold its slot against every true one", async () => {
    const { clock, log, count } = counter();
    expect(await count(clock.nowMs() + 2 * MINUTE_MS)).toBeUndefined();
    expect(log).toEqual([]);
  });
});

test("a minute that another function begins at the same time is counted on, not anew", async () => {
  let begin = () => {};
  const { clock, item, log, count } = counter((calls) => {
    if (calls === 2) begin();
  });
  const minute = Math.floor(clock.nowMs() / MINUTE_MS);
  begin = () => {
    item.set(`minute${minute % 32}`, minute);
    item.set(`count${minute % 32}`, 7);
  };
  expect(await count()).toBe(8);
  expect(log.map((expression) => expression.slice(0, 3))).toEqual(["ADD", "SET", "ADD"]);
});

test("a refusal of DynamoDB's own is said by its name", async () => {
  const clients = fakeClients(() => {
    throw awsError("ProvisionedThroughputExceededException", 400);
  });
  const counted = createUseCounter(clients, "registry");
  const clock = new FakeClock();
  await expect(counted.count(runOn(clock), KEY, clock.nowMs())).rejects.toMatchObject({ code: "throttled" });
});
