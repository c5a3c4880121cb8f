import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BusEvent, KeptEventFilter, Operator, ReplayProgress } from "@tenantkeys/aws";
import { TenantKeysError } from "@tenantkeys/core";
import { afterEach, describe, expect, test } from "vitest";
import { accepted, deadLetter, fakeOperator, generate, keptEvent, publishing, runCommand } from "../test-support.ts";

const directories: string[] = [];
afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
});

async function fileOf(...events: unknown[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "tenantkeys-cli-"));
  directories.push(directory);
  const path = join(directory, "events.json");
  await writeFile(path, JSON.stringify(events));
  return path;
}

function event(tenantId: string): BusEvent {
  return { source: "tenantkeys.application", "detail-type": "TenantSignedUp", time: undefined, detail: { tenantId } };
}

const refusal = () => new TenantKeysError("event_not_json", "detail: expected a JSON object");

describe("a replay", () => {
  test("events of a file are published, and counted", async () => {
    const { publish, calls } = publishing(() => accepted("event-1"));
    const { exitCode, out } = await runCommand(
      ["replay", await fileOf(event("a"), event("b"))],
      fakeOperator({ publish }),
    );
    expect(exitCode).toBe(0);
    expect(calls).toEqual([{ tenants: ["a", "b"], keepRefused: true }]);
    expect(out).toBe("2 sent, 0 refused and kept, 0 failed and left where they were, 0 skipped\n");
  });

  test("many events go out in bounded batches", async () => {
    const { publish, calls } = publishing(() => accepted("event-1"));
    const file = await fileOf(...Array.from({ length: 250 }, (_, index) => event(`t${index}`)));
    await runCommand(["replay", file], fakeOperator({ publish }));
    expect(calls.map(({ tenants }) => tenants.length)).toEqual([100, 100, 50]);
  });

  test("a refused event that was kept is exit code 2, and one that failed is 1", async () => {
    const refused = publishing(() => ({ kind: "refused", error: refusal(), refusalId: "r" }));
    const file = await fileOf(event("a"));
    const kept = await runCommand(["replay", file], fakeOperator(refused));
    expect(kept.exitCode).toBe(2);
    expect(kept.out).toContain("event_not_json");
    const failed = publishing(() => ({ kind: "failed", error: new TenantKeysError("aws_unavailable", "gone") }));
    expect((await runCommand(["replay", file], fakeOperator(failed))).exitCode).toBe(1);
  });

  test("what is no event is reported and the rest is sent", async () => {
    const { publish, calls } = publishing(() => accepted("event-1"));
    const { exitCode, out } = await runCommand(["replay", await fileOf(event("a"), 1)], fakeOperator({ publish }));
    expect(exitCode).toBe(1);
    expect(calls[0]?.tenants).toEqual(["a"]);
    expect(out).toContain("events.json#2");
  });

  test("a dry run, another tenant and the limit send nothing", async () => {
    const { publish, calls } = publishing(() => accepted("event-1"));
    const file = await fileOf(event("a"), event("b"));
    const dry = await runCommand(["replay", file, "--dry-run", "--json"], fakeOperator());
    expect(JSON.parse(dry.out).counts).toEqual({ sent: 0, listed: 2, skipped: 0, kept: 0, failed: 0 });
    await runCommand(["replay", file, "--tenant", "b"], fakeOperator({ publish }));
    const limited = await runCommand(["replay", file, "--limit", "1"], fakeOperator({ publish }));
    expect(calls.map(({ tenants }) => tenants)).toEqual([["b"], ["a"]]);
    expect(limited.err).toContain("stopped at the limit");
  });

  test("dead letters are replayed with the filter and the limit that were given", async () => {
    const asked: unknown[] = [];
    const operator = fakeOperator({
      replayDeadLetters: (_, options) => {
        asked.push(options);
        return generate([deadLetter("replayed", "acme"), deadLetter("skipped", "other")]);
      },
    });
    const { exitCode, out } = await runCommand(["replay", "--dlq", "--tenant", "acme"], operator);
    expect(asked).toEqual([{ tenantId: "acme", code: undefined, dryRun: false, forceStage: false, limit: 1000 }]);
    expect({ exitCode, out }).toEqual({
      exitCode: 0,
      out: "1 sent, 0 refused and kept, 0 failed and left where they were, 1 skipped\n",
    });
  });

  /** A refused store of three events: of tenants a and b, and one that isn't JSON. */
  function refusedStore(methods: Partial<Operator>) {
    const settled: string[] = [];
    const bodies: Record<string, string> = { a: JSON.stringify(event("a")), b: JSON.stringify(event("b")), c: "{" };
    const operator = fakeOperator({
      listRefused: async () => ["a", "b", "c"].map((refusalId) => keptEvent({ refusalId })),
      readRefusedBody: async (_, kept) => bodies[kept.refusalId] ?? "",
      settleRefused: async (_, kept) => {
        settled.push(kept.refusalId);
      },
      ...methods,
    });
    return { operator, settled };
  }

  test("only refused events that the bus took are settled, and none is kept twice", async () => {
    const { publish, calls } = publishing(({ detail }) =>
      (detail as { tenantId: string }).tenantId === "a"
        ? accepted("event-1")
        : { kind: "refused", error: refusal(), refusalId: undefined },
    );
    const { operator, settled } = refusedStore({ publish });
    const { exitCode, out } = await runCommand(["replay", "--refused"], operator);
    expect(settled).toEqual(["a"]);
    expect(calls).toEqual([{ tenants: ["b", "a"], keepRefused: false }]);
    expect(exitCode).toBe(1);
    expect(out).toContain("1 sent, 0 refused and kept, 2 failed and left where they were");
  });

  test("an event that was sent but couldn't be settled is reported", async () => {
    const { publish } = publishing(() => accepted("event-1"));
    const settleRefused = async () => {
      throw new TenantKeysError("throttled", "slow down");
    };
    const { exitCode, out } = await runCommand(
      ["replay", "--refused"],
      refusedStore({ publish, settleRefused }).operator,
    );
    expect(exitCode).toBe(1);
    expect(out).toContain("it was sent, but is still in the refused store: slow down");
  });

  test.each(["sender_refused", "repair_refused"] as const)(
    "what was refused for who sent it (%s) is never sent in another's name",
    async (code) => {
      const { operator, settled } = refusedStore({ listRefused: async () => [keptEvent({ code })] });
      const { exitCode, out } = await runCommand(["replay", "--refused"], operator);
      expect([exitCode, settled]).toEqual([1, []]);
      expect(out).toContain("so it isn't sent again in your name");
    },
  );

  test("a dry run of the refused store changes nothing", async () => {
    const { operator, settled } = refusedStore({});
    const { out } = await runCommand(["replay", "--refused", "--dry-run"], operator);
    expect(settled).toEqual([]);
    expect(out).toContain("2 would be sent");
  });
});

describe("an event of another stage", () => {
  const foreign = (changes: Partial<BusEvent>): BusEvent => ({ ...event("acme"), ...changes });
  const events = [
    foreign({ detail: { tenantId: "acme", stage: "production", generation: 3 } }),
    foreign({ account: "999988887777", region: "eu-west-1" }),
    foreign({ account: "111122223333", region: "us-east-1" }),
    foreign({ account: "111122223333", region: "eu-west-1", detail: { tenantId: "acme", stage: "dev" } }),
  ];
  /** What was published, and what the command said. */
  async function replay(...args: readonly string[]) {
    const published: BusEvent[] = [];
    const publish: Operator["publish"] = async (_, some) => {
      published.push(...some);
      return some.map(() => accepted("event-1"));
    };
    const said = await runCommand(["replay", await fileOf(...events), ...args], fakeOperator({ publish }));
    return { ...said, published };
  }

  test.each([[], ["--dry-run"]])("stays where it was, and both stages are named (%j)", async (...args) => {
    const { exitCode, out, published } = await replay(...args);
    expect(exitCode).toBe(1);
    expect(published).toEqual(args.length === 0 ? [events[3]] : []);
    expect(out.match(/stage_mismatch/g)).toHaveLength(3);
    expect(out).toContain('meant for stage "production", and this is stage "dev" in account 111122223333, eu-west-1');
    expect(out).toContain("came over a bus of account 999988887777, eu-west-1");
    expect(out).toContain("came over a bus of account 111122223333, us-east-1");
  });

  test("is sent as this stage's where that was said, its generation as it was", async () => {
    const { exitCode, published } = await replay("--force-stage");
    expect(exitCode).toBe(0);
    expect(published.map(({ detail }) => detail)).toEqual([
      { tenantId: "acme", stage: "dev", generation: 3 },
      { tenantId: "acme" },
      { tenantId: "acme" },
      { tenantId: "acme", stage: "dev" },
    ]);
  });

  test("stays in the refused store, and isn't settled", async () => {
    const operator = fakeOperator({
      listRefused: async () => [keptEvent()],
      readRefusedBody: async () => JSON.stringify(events[0]),
    });
    const { exitCode, out } = await runCommand(["replay", "--refused"], operator);
    expect(exitCode).toBe(1);
    expect(out).toContain("stage_mismatch");
  });
});

test("an event that counts who asked for it goes straight to the queue, and its outcome to its own place", async () => {
  const typed = (type: string, tenantId: string): BusEvent => ({ ...event(tenantId), "detail-type": type });
  const file = await fileOf(
    typed("TenantOffboardingApproved", "a"),
    typed("TenantSuspended", "b"),
    { ...typed("TenantLegalHoldPlaced", "c"), detail: "no object" },
    typed("TenantOffboarded", "d"),
  );
  const { publish, calls } = publishing(({ detail }) =>
    typeof detail === "string" ? { kind: "refused", error: refusal(), refusalId: "r" } : accepted("bus"),
  );
  const queued: string[] = [];
  const sendToQueue: Operator["sendToQueue"] = async (_, events) => {
    queued.push(...events.map((one) => one["detail-type"]));
    return events.map((_, index) => accepted(`queue-${index}`));
  };
  const { out, exitCode } = await runCommand(["replay", file, "--json"], fakeOperator({ publish, sendToQueue }));
  expect(exitCode).toBe(2);
  expect(queued).toEqual(["TenantOffboardingApproved", "TenantOffboarded"]);
  expect(calls).toHaveLength(1);
  const outcomes = JSON.parse(out).events.map(
    (one: { outcome: string; eventId?: string }) => one.eventId ?? one.outcome,
  );
  expect(outcomes).toEqual(["queue-0", "bus", "kept", "queue-1"]);
});

test("dead letters and refused events are chosen by their error", async () => {
  const asked: unknown[] = [];
  const operator = fakeOperator({
    replayDeadLetters: (_, { code }) => {
      asked.push(code);
      return generate([]);
    },
    listRefused: async (_, { code }: KeptEventFilter) => {
      asked.push(code);
      return [];
    },
  });
  await runCommand(["replay", "--dlq", "--code", "access_denied"], operator);
  await runCommand(["replay", "--refused", "--code", "role_taken"], operator);
  expect(asked).toEqual(["access_denied", "role_taken"]);
});

describe("a replay of the archive", () => {
  const NOW_MS = Date.parse("2026-11-24T10:00:00Z");
  const WINDOW = ["--from", "2026-11-24T08:00:00Z", "--to", "2026-11-24T09:00:00Z"];

  /** EventBridge going through these looks, the last one from then on, with a clock that sleeping moves. */
  async function replay(args: readonly string[], looks: readonly Partial<ReplayProgress>[] = []) {
    let nowMs = NOW_MS;
    const started: unknown[] = [];
    let look = 0;
    const operator = fakeOperator({
      archiveSize: async () => ({ events: 12_345, bytes: 678_900 }),
      startArchiveReplay: async (_, name, window) => void started.push([name, window]),
      replayProgress: async () => {
        const seen = looks[Math.min(look++, looks.length - 1)];
        return { state: "RUNNING", reason: undefined, lastReplayedMs: undefined, ...seen };
      },
    });
    const sleep = async (durationMs: number) => {
      nowMs += durationMs;
    };
    const clock = { nowMs: () => nowMs, sleep };
    const said = await runCommand(["replay", "--archive", ...args], operator, { clock });
    return { ...said, started, tookMs: nowMs - NOW_MS };
  }

  test("is started under a name of its own, followed, and done when EventBridge says so", async () => {
    const lastReplayedMs = Date.parse("2026-11-24T08:30:00Z");
    const running = { lastReplayedMs };
    const args = [...WINDOW, "--progress"];
    const { exitCode, out, err, started } = await replay(args, [
      { state: "STARTING" },
      {},
      running,
      { state: "COMPLETED" },
    ]);
    expect(exitCode).toBe(0);
    const [fromMs, toMs] = [Date.parse("2026-11-24T08:00:00Z"), Date.parse("2026-11-24T09:00:00Z")];
    expect(started).toEqual([[`tenantkeys-dev-${NOW_MS}`, { fromMs, toMs }]]);
    expect(err).toContain("RUNNING, at 2026-11-24T08:30:00Z (50 %)");
    expect(out).toBe(`replay tenantkeys-dev-${NOW_MS} is complete: the worker has its events\n`);
  });

  test("that EventBridge gives up is a failure with its reason", async () => {
    const { exitCode, err } = await replay(WINDOW, [{ state: "FAILED", reason: "the bus is gone" }]);
    expect(exitCode).toBe(1);
    expect(err).toContain("ended as FAILED: the bus is gone");
  });

  test("that outlasts the command goes on without it", async () => {
    const { exitCode, out, err, tookMs } = await replay(WINDOW, [{}]);
    expect(exitCode).toBe(1);
    expect(out).toContain("is RUNNING");
    expect(err).toContain("it goes on by itself in AWS");
    expect(tookMs).toBeLessThanOrEqual(60 * 60 * 1000);
  });

  test("starts nothing as a dry run, and says what can be known", async () => {
    const { exitCode, out, started } = await replay([...WINDOW, "--dry-run"]);
    expect({ exitCode, started }).toEqual({ exitCode: 0, started: [] });
    expect(out).toContain("would be sent to rule tenantkeys-dev-sign-ups");
    expect(out).toContain("12345 events");
  });

  test("whose end is less than ten minutes ago needs to be said so", async () => {
    const recent = ["--from", "2026-11-24T08:00:00Z", "--to", "2026-11-24T09:50:01Z"];
    const refused = await replay(recent);
    expect(refused).toMatchObject({ exitCode: 64, started: [] });
    expect(refused.err).toContain("--allow-recent");
    expect((await replay([...recent, "--allow-recent"], [{ state: "COMPLETED" }])).started).toHaveLength(1);
    const old = ["--from", "2026-11-24T08:00:00Z", "--to", "2026-11-24T09:50:00Z"];
    expect((await replay(old, [{ state: "COMPLETED" }])).exitCode).toBe(0);
  });
});
