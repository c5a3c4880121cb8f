import { afterEach, describe, expect, test, vi } from "vitest";
import { createTurns } from "./in-turn.ts";

afterEach(() => vi.restoreAllMocks());

/** A task that notes its start and its end, and ends when it is told to. */
function task(log: string[], name: string) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const work = async () => {
    log.push(`${name} starts`);
    return promise.finally(() => log.push(`${name} ends`));
  };
  return { work, end: () => resolve(name), fail: () => reject(new Error(name)) };
}

/** Long enough for everything that can go on to have gone on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("in turn", () => {
  test("tasks of one name run one after the other, in the order in which they came", async () => {
    const inTurn = createTurns();
    const log: string[] = [];
    const tasks = [task(log, "first"), task(log, "second"), task(log, "third")];
    const results = Promise.all(tasks.map(({ work }) => inTurn("acme", work)));
    await settled();
    expect(log).toEqual(["first starts"]);
    for (const { end } of tasks) end();
    await expect(results).resolves.toEqual(["first", "second", "third"]);
    expect(log).toEqual(["first starts", "first ends", "second starts", "second ends", "third starts", "third ends"]);
  });

  test("tasks of different names run side by side", async () => {
    const inTurn = createTurns();
    const log: string[] = [];
    const [acme, umbrella] = [task(log, "acme"), task(log, "umbrella")];
    const results = Promise.all([inTurn("acme", acme.work), inTurn("umbrella", umbrella.work)]);
    await settled();
    expect(log).toEqual(["acme starts", "umbrella starts"]);
    acme.end();
    umbrella.end();
    await results;
  });

  test("a task that fails fails alone: the next of its name runs", async () => {
    const inTurn = createTurns();
    const log: string[] = [];
    const [bad, good] = [task(log, "bad"), task(log, "good")];
    const results = Promise.allSettled([inTurn("acme", bad.work), inTurn("acme", good.work)]);
    bad.fail();
    good.end();
    await expect(results).resolves.toMatchObject([
      { status: "rejected", reason: { message: "bad" } },
      { status: "fulfilled", value: "good" },
    ]);
  });

  test("nothing is left behind when all are done, failed ones included", async () => {
    const kept = vi.spyOn(Map.prototype, "set");
    const inTurn = createTurns();
    const fail = () => Promise.reject(new Error("no"));
    await Promise.allSettled([
      inTurn("acme", async () => 1),
      inTurn("acme", fail),
      inTurn("umbrella", async () => 2),
      inTurn("umbrella", fail),
    ]);
    const contexts: readonly unknown[] = kept.mock.contexts;
    const ours = contexts.filter((_, call) => ["acme", "umbrella"].includes(String(kept.mock.calls[call]?.[0])));
    expect([...new Set(ours)]).toEqual([new Map()]);
  });
});
