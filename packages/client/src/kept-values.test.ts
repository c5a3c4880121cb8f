import { expect, it } from "vitest";
import { createKeptValues } from "./kept-values.ts";

const always = () => true;

/** Loads that end when the test says so. */
function slowLoads() {
  const ends: ((value: string) => void)[] = [];
  return { load: () => new Promise<string>((resolve) => ends.push(resolve)), ends };
}

it("loads once however many ask at the same time, and keeps what is fresh", async () => {
  const kept = createKeptValues<string>(10);
  const { load, ends } = slowLoads();
  const asking = [1, 2, 3].map(() => kept.get("acme", always, load));
  ends[0]?.("first");
  expect(await Promise.all(asking)).toEqual(["first", "first", "first"]);
  expect(await kept.get("acme", always, load)).toBe("first");
  expect(ends).toHaveLength(1);
});

it("gives nobody what was loaded for an earlier call and is too old for its own: those load once more, together", async () => {
  const kept = createKeptValues<string>(10);
  const { load, ends } = slowLoads();
  const isFresh = (value: string) => value === "after";
  const [first, ...later] = [1, 2, 3].map(() => kept.get("acme", isFresh, load));
  ends[0]?.("before");
  expect(await first).toBe("before");
  await Promise.resolve();
  ends[1]?.("after");
  expect(await Promise.all(later)).toEqual(["after", "after"]);
  expect(ends).toHaveLength(2);
});

it("loads again what isn't fresh any more", async () => {
  const kept = createKeptValues<string>(10);
  await kept.get("acme", always, async () => "old");
  expect(
    await kept.get(
      "acme",
      (value) => value !== "old",
      async () => "new",
    ),
  ).toBe("new");
});

it("keeps no failure: everybody who asked gets it, and the next one tries again", async () => {
  const kept = createKeptValues<string>(10);
  const fail = async () => {
    throw new Error("unreachable");
  };
  const asking = [1, 2].map(() => kept.get("acme", always, fail));
  for (const asked of asking) await expect(asked).rejects.toThrow("unreachable");
  expect(await kept.get("acme", always, async () => "there again")).toBe("there again");
});

it("doesn't keep what was being loaded when it was forgotten, and starts anew for who asks after", async () => {
  const kept = createKeptValues<string>(10);
  const { load, ends } = slowLoads();
  const before = kept.get("acme", always, load);
  kept.forget("acme");
  const after = kept.get("acme", always, load);
  ends[1]?.("new");
  expect(await after).toBe("new");
  ends[0]?.("old");
  expect(await before).toBe("old");
  expect(await kept.get("acme", always, load)).toBe("new");
  expect(ends).toHaveLength(2);
});

it("forgets by a test on the key, what is being loaded too", async () => {
  const kept = createKeptValues<string>(10);
  await kept.get("acme/default", always, async () => "kept");
  await kept.get("globex/default", always, async () => "kept");
  kept.forgetWhere((key) => key.startsWith("acme/"));
  expect(await kept.get("acme/default", always, async () => "anew")).toBe("anew");
  expect(await kept.get("globex/default", always, async () => "anew")).toBe("kept");
});

it("keeps at most so many, and drops the one that wasn't used for longest", async () => {
  const kept = createKeptValues<string>(2);
  const load = async () => "kept";
  for (const key of ["a", "b", "a", "c"]) await kept.get(key, always, load);
  const anew = async () => "anew";
  expect(await kept.get("a", always, anew)).toBe("kept");
  expect(await kept.get("b", always, anew)).toBe("anew");
});
