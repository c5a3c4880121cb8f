import { CANARY_TENANTS, type CanaryRun, type KeyRecord, type LifecycleState, TenantKeysError } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { CONTEXT, FakeClock, fakeClients, runOn, SETTINGS, START_MS } from "../test-support.ts";
import { canaryAws, RESOURCES } from "./canary.test-support.ts";
import { type CanaryPorts, runCanary } from "./run-canary.ts";

type Told = Record<"metrics" | "findings" | "runs" | "asked", unknown[]>;
type Records = Partial<Record<"a" | "b", Partial<KeyRecord> | undefined>>;

/** A canary whose tenants are active, but for what `records` says; `failing` can't be told. */
function canary(around?: Parameters<typeof canaryAws>[0], records: Records = {}, failing?: keyof Told) {
  const clock = new FakeClock();
  const told: Told = { metrics: [], findings: [], runs: [], asked: [] };
  const tell = async (who: keyof Told, what: unknown) => {
    if (who === failing) throw new TenantKeysError("access_denied", `${who} for a test`);
    told[who].push(what);
  };
  const { aws } = canaryAws(around);
  const recordOf = (name: "a" | "b") => {
    const record = { state: "active", keyArn: RESOURCES[name].keyArn, profile: "default" };
    return (name in records ? records[name] && { ...record, ...records[name] } : record) as KeyRecord | undefined;
  };
  const ports: CanaryPorts = {
    aws,
    context: CONTEXT,
    settings: SETTINGS,
    clients: fakeClients(({ input }) => tell("asked", JSON.parse(input.MessageBody))),
    provisioningQueueUrl: "https://sqs.example/provisioning",
    newEventId: () => "event-1",
    registry: { get: async (_, tenantId) => recordOf(tenantId === CANARY_TENANTS.a ? "a" : "b") },
    metrics: { put: (_, values) => tell("metrics", values) },
    findings: {
      async record(_, scope, findings) {
        await tell("findings", { scope, findings });
        return { opened: [], stillOpen: [], closed: [] };
      },
    },
    runs: { record: (_, canaryRun) => tell("runs", canaryRun) },
  };
  return { told, run: () => runCanary(ports, runOn(clock)) };
}

const isDecryptOfB: NonNullable<Parameters<typeof canaryAws>[0]> = (call, answer) =>
  call.by === "a" && call.name === "Decrypt" && call.about === "b" ? {} : answer();

test("a run that passes ends every breach, and is kept with all that it tried", async () => {
  const { told, run } = canary();
  const ended = await run();
  expect(ended).toMatchObject({ state: "passed", startedAtMs: START_MS });
  expect(told).toEqual({
    metrics: [{ CanaryBreaches: 0, CanaryFailures: 0, CanaryCompleted: 1 }],
    findings: [
      { scope: { tenantId: undefined, keyName: undefined, judged: ["canary-breach"], unjudged: [] }, findings: [] },
    ],
    runs: [ended],
    asked: [],
  });
});

test("a breach is put as a metric, found, and kept", async () => {
  const { told, run } = canary(isDecryptOfB);
  expect((await run()).state).toBe("breached");
  expect(told.metrics).toEqual([{ CanaryBreaches: 1, CanaryFailures: 0, CanaryCompleted: 1 }]);
  expect(told.findings).toMatchObject([{ findings: [{ ruleId: "canary-breach", resource: RESOURCES.b.keyArn }] }]);
  expect(told.runs).toMatchObject([{ state: "breached" }]);
});

test.each(["metrics", "findings", "runs"] as const)(
  "a breach is told to all others where %s can't be told, and the run fails",
  async (failing) => {
    const { told, run } = canary(isDecryptOfB, {}, failing);
    await expect(run()).rejects.toMatchObject({ code: "access_denied" });
    const others = (["metrics", "findings", "runs"] as const).filter((one) => one !== failing);
    expect(others.map((one) => told[one].length)).toEqual([1, 1]);
  },
);

test("a run that left something unanswered neither completes nor ends a breach", async () => {
  const { told, run } = canary((call, answer) => (call.name === "GetKeyPolicy" ? failed() : answer()));
  expect((await run()).state).toBe("failed");
  expect(told.metrics).toEqual([{ CanaryFailures: 4 }]);
  expect(told.findings).toMatchObject([{ scope: { unjudged: ["canary-breach"] } }]);
});

function failed(): never {
  throw Object.assign(new Error("for a test"), { name: "InvalidArnException", $metadata: { httpStatusCode: 400 } });
}

describe("a canary whose tenants aren't ready", () => {
  const of = (state: LifecycleState): Records => ({ a: { state } });
  const waiting = async (records: Records) => {
    const { told, run } = canary(undefined, records);
    const ended: CanaryRun = await run();
    return { told, ended };
  };

  test("has them signed up, under a profile of the stage, tries nothing and says what it waits for", async () => {
    const { told, ended } = await waiting({ a: undefined, b: undefined });
    expect(ended).toMatchObject({ state: "not-ready", attempts: [] });
    expect(ended.waitsFor).toBe("tenantkeys-canary-a is unknown, tenantkeys-canary-b is unknown");
    expect(told).toMatchObject({ metrics: [], findings: [], runs: [ended] });
    expect(told.asked).toMatchObject([
      {
        source: "tenantkeys",
        "detail-type": "TenantSignedUp",
        time: new Date(START_MS).toISOString(),
        detail: { version: "1", stage: "dev", tenantId: CANARY_TENANTS.a, keyNames: ["default"], profile: "default" },
      },
      { detail: { tenantId: CANARY_TENANTS.b } },
    ]);
  });

  test.each(["provisioning", "failed", "destroyed"] as const)("signs up anew one that is %s", async (state) => {
    const { told, ended } = await waiting(of(state));
    expect(ended.waitsFor).toBe(`tenantkeys-canary-a is ${state}`);
    expect(told.asked).toMatchObject([{ detail: { tenantId: CANARY_TENANTS.a } }]);
  });

  test.each(["suspended", "offboarding", "pending-deletion", "awaiting-material"] as const)(
    "leaves alone one that is %s, as somebody wanted it so",
    async (state) => {
      const { told, ended } = await waiting(of(state));
      expect(ended.state).toBe("not-ready");
      expect(told.asked).toEqual([]);
    },
  );
});

test("a tenant whose profile the stage has no more is signed up under another, and tried meanwhile", async () => {
  const { told, run } = canary(undefined, { b: { profile: "gone" } });
  expect((await run()).state).toBe("passed");
  expect(told.asked).toMatchObject([{ detail: { tenantId: CANARY_TENANTS.b, profile: "default" } }]);
});
