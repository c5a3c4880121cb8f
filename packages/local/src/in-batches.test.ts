import { describe, expect, test } from "vitest";
import { inBatches } from "./in-batches.ts";

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("inBatches", () => {
  test("runs each task once, with its place, and at most so many at once", async () => {
    const done: [string, number][] = [];
    let underWay = 0;
    let most = 0;
    await inBatches(["a", "b", "c", "d", "e"], 2, async (item, index) => {
      most = Math.max(most, ++underWay);
      await settled();
      underWay--;
      done.push([item, index]);
    });
    expect(done.toSorted()).toEqual([
      ["a", 0],
      ["b", 1],
      ["c", 2],
      ["d", 3],
      ["e", 4],
    ]);
    expect(most).toBe(2);
  });

  test("of nothing is done at once", async () => {
    await expect(inBatches([], 16, () => Promise.reject(new Error("no")))).resolves.toBeUndefined();
  });

  test("starts nothing more after a task that failed", async () => {
    const started: number[] = [];
    const failing = inBatches([1, 2, 3, 4, 5, 6], 2, async (item) => {
      started.push(item);
      await settled();
      if (item === 1) throw new Error("one");
    });
    await expect(failing).rejects.toThrow("one");
    await settled();
    await settled();
    expect(started.length).toBeLessThanOrEqual(3);
  });

  test("fails as the first task that fails", async () => {
    const failing = inBatches([1, 2, 3], 2, async (item) => {
      if (item === 2) throw new Error("two");
    });
    await expect(failing).rejects.toThrow("two");
  });
});
