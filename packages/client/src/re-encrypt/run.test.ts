import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TenantKeysError } from "@tenantkeys/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { awsError, errorOf } from "../test-support.ts";
import { type CursorStore, fileCursorStore } from "./cursor-store.ts";
import { type Moving, type Page, type RunSettings, reEncrypt } from "./run.ts";

/** Things by number, which are under the new key once they were moved. */
class Things implements Moving<number> {
  readonly target: string;
  readonly moves: number[] = [];
  readonly pagesFrom: (string | undefined)[] = [];
  /** Thrown when the thing is looked at, and taken off. */
  readonly faults = new Map<number, unknown[]>();
  readonly #count: number;
  readonly #perPage: number;
  atOnce = 0;
  atOnceMax = 0;

  constructor(count: number, perPage = 10, target = "things to new") {
    this.#count = count;
    this.#perPage = perPage;
    this.target = target;
  }

  async *pages(cursor: string | undefined): AsyncGenerator<Page<number>> {
    this.pagesFrom.push(cursor);
    for (let from = Number(cursor ?? 0); from < this.#count; from += this.#perPage) {
      const end = Math.min(from + this.#perPage, this.#count);
      const items = Array.from({ length: end - from }, (_, at) => from + at);
      yield { items, next: end < this.#count ? String(end) : undefined };
    }
  }

  idOf = (item: number) => `thing-${item}`;

  async move(item: number, dryRun: boolean) {
    this.atOnceMax = Math.max(this.atOnceMax, ++this.atOnce);
    await Promise.resolve();
    this.atOnce--;
    const fault = this.faults.get(item)?.shift();
    if (fault !== undefined) throw fault;
    if (this.moves.includes(item)) return { kind: "skipped" } as const;
    if (!dryRun) this.moves.push(item);
    return { kind: "moved", leftBehind: `${item}@old` } as const;
  }
}

class MemoryCursor implements CursorStore {
  text: string | undefined;
  load = async () => this.text;
  async save(text: string) {
    this.text = text;
  }
  async clear() {
    this.text = undefined;
  }
}

const noWait: RunSettings = { wait: async () => {} };
const denied = () => new TenantKeysError("access_denied", "not yours");

describe("a run", () => {
  test("moves everything once, and again nothing", async () => {
    const things = new Things(25);
    expect(await reEncrypt(things)).toMatchObject({ seen: 25, moved: 25, skipped: 0, failed: 0, end: "complete" });
    expect(await reEncrypt(things)).toMatchObject({ seen: 25, moved: 0, skipped: 25, failed: 0, end: "complete" });
    expect(things.moves).toHaveLength(25);
  });

  test("works on no more at a time than it was told", async () => {
    const things = new Things(40, 40);
    await reEncrypt(things, { concurrency: 3 });
    expect(things.atOnceMax).toBe(3);
  });

  test("changes nothing in a dry run, and says what it would", async () => {
    const things = new Things(12);
    const cursor = new MemoryCursor();
    expect(await reEncrypt(things, { dryRun: true, cursor })).toMatchObject({ dryRun: true, moved: 12 });
    expect([things.moves, cursor.text]).toEqual([[], undefined]);
  });

  test("lists what failed with the reason, and what stays behind under the old key", async () => {
    const things = new Things(5);
    things.faults.set(3, [denied()]);
    expect(await reEncrypt(things)).toMatchObject({
      moved: 4,
      failed: 1,
      failures: [{ id: "thing-3", code: "access_denied", message: "not yours" }],
      leftBehind: 4,
      leftBehindIds: ["0@old", "1@old", "2@old", "4@old"],
      end: "complete",
    });
  });

  test("lists a thousand failures at most, and counts them all", async () => {
    const things = new Things(1_200, 100);
    for (let item = 0; item < 1_200; item++) things.faults.set(item, [denied()]);
    const report = await reEncrypt(things, { failuresMax: 2_000 });
    expect([report.failed, report.failures.length]).toEqual([1_200, 1_000]);
  });
});

describe("a run that is stopped", () => {
  test("goes on after the last whole page, and touches nothing twice", async () => {
    const things = new Things(30);
    const cursor = new MemoryCursor();
    const stopped = await reEncrypt(things, { cursor, movesMax: 14, concurrency: 1 });
    expect(stopped).toMatchObject({ seen: 14, moved: 14, end: "moves-max" });
    const report = await reEncrypt(things, { cursor });
    expect(things.pagesFrom).toEqual([undefined, "10"]);
    // Four of the page that was cut off were moved before.
    expect(report).toMatchObject({ seen: 30, moved: 26, skipped: 4, end: "complete" });
    expect(things.moves.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, at) => at));
    expect(cursor.text).toBeUndefined();
  });

  test("by its signal ends after what is under way", async () => {
    const abort = new AbortController();
    const things = new Things(30);
    const onProgress = () => abort.abort();
    const report = await reEncrypt(things, { signal: abort.signal, onProgress });
    expect(report).toMatchObject({ moved: 10, end: "aborted" });
  });

  test("takes no cursor of another run, and none that isn't one", async () => {
    const cursor = new MemoryCursor();
    await reEncrypt(new Things(30), { cursor, movesMax: 12, concurrency: 1 });
    const other = await errorOf(reEncrypt(new Things(30, 10, "things to newer"), { cursor }));
    expect([other.code, other.message]).toEqual([
      "state_conflict",
      "the cursor is of another run: it moves things to new, and this one things to newer",
    ]);
    for (const text of ["", "{}", '{"version":1,"target":"things to new","cursor":"x","progress":{"seen":"1"}}']) {
      cursor.text = text;
      expect((await errorOf(reEncrypt(new Things(30), { cursor }))).code).toBe("input_unreadable");
    }
  });
});

describe("what fails for the moment", () => {
  test("is tried again, after the time that AWS names", async () => {
    const things = new Things(3);
    const waits: number[] = [];
    const unavailable = awsError("ServiceUnavailable");
    things.faults.set(1, [new TenantKeysError("throttled", "slow", { retryAfterMs: 7_000 }), unavailable, unavailable]);
    const report = await reEncrypt(things, { wait: async (ms) => void waits.push(ms) });
    expect([report.moved, report.failed, waits]).toEqual([3, 0, [7_000, 400, 800]]);
  });

  test("is given up after five tries, each kept to one thing", async () => {
    const things = new Things(3);
    things.faults.set(1, Array(9).fill(awsError("SlowDown")));
    const report = await reEncrypt(things, noWait);
    expect(report).toMatchObject({ moved: 2, failed: 1, failures: [{ id: "thing-1", code: "throttled" }] });
    expect(things.faults.get(1)).toHaveLength(4);
  });

  test("ends the run when its retries are spent", async () => {
    const things = new Things(30);
    for (let item = 0; item < 30; item++) things.faults.set(item, Array(9).fill(awsError("SlowDown")));
    const report = await reEncrypt(things, { ...noWait, retriesMax: 6, concurrency: 1 });
    expect(report).toMatchObject({ end: "retries-max", refusal: { code: "throttled" }, moved: 0 });
  });
});

describe("a run ends by itself", () => {
  test("when the tenant may not work any more", async () => {
    const things = new Things(30);
    things.faults.set(4, [new TenantKeysError("tenant_suspended", "suspended")]);
    const report = await reEncrypt(things, { concurrency: 1 });
    expect(report).toMatchObject({ end: "refused", refusal: { code: "tenant_suspended" }, moved: 4, failed: 0 });
  });

  test("when too much failed", async () => {
    const things = new Things(30);
    for (let item = 0; item < 30; item++) things.faults.set(item, [denied()]);
    const report = await reEncrypt(things, { failuresMax: 5, concurrency: 1 });
    expect(report).toMatchObject({ end: "failures-max", failed: 5 });
  });

  test.each([
    ["concurrency", 0],
    ["concurrency", 101],
    ["failuresMax", 0],
    ["retriesMax", -1],
    ["movesMax", 0.5],
  ])("before it begins, when %s is %d", async (field, value) => {
    const error = await errorOf(reEncrypt(new Things(1), { [field]: value }));
    expect([error.code, error.details.field]).toEqual(["settings_invalid", field]);
  });
});

describe("a cursor in a file", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "re-encrypt-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  test("is there whole or not at all, and is gone when it was cleared", async () => {
    const path = join(folder, "cursor.json");
    const store = fileCursorStore(path);
    expect(await store.load()).toBeUndefined();
    await store.save("first");
    await store.save("second");
    expect([await store.load(), await readFile(path, "utf8"), await readdir(folder)]).toEqual([
      "second",
      "second",
      ["cursor.json"],
    ]);
    await store.clear();
    expect([await store.load(), await readdir(folder)]).toEqual([undefined, []]);
  });

  test("that can't be read or written says so", async () => {
    const under = join(folder, "file");
    await writeFile(under, "");
    const store = fileCursorStore(join(under, "cursor.json"));
    expect((await errorOf(store.load())).code).toBe("input_unreadable");
    expect((await errorOf(store.save("x"))).code).toBe("input_unreadable");
  });
});
