import { expect, test } from "vitest";
import { createMemory } from "./memory.ts";

test("is kept for its time, and no longer", () => {
  const memory = createMemory<string>(1_000, 10);
  memory.set("a", "first", 0);
  expect([memory.get("a", 999), memory.get("a", 1_000), memory.get("b", 0)]).toEqual(["first", undefined, undefined]);
});

test("what is set again is kept anew, and what is forgotten isn't", () => {
  const memory = createMemory<string>(1_000, 10);
  memory.set("a", "first", 0);
  memory.set("a", "second", 500);
  memory.set("b", "other", 500);
  memory.forget("b");
  expect([memory.get("a", 1_200), memory.get("b", 600)]).toEqual(["second", undefined]);
});

test("the oldest makes room for one more, and setting one again neither takes room nor leaves it the oldest", () => {
  const memory = createMemory<number>(1_000, 2);
  memory.set("a", 1, 0);
  memory.set("b", 2, 0);
  memory.set("b", 3, 0);
  expect(["a", "b"].map((name) => memory.get(name, 1))).toEqual([1, 3]);
  memory.set("a", 4, 0);
  memory.set("c", 5, 0);
  expect(["a", "b", "c"].map((name) => memory.get(name, 1))).toEqual([4, undefined, 5]);
});
