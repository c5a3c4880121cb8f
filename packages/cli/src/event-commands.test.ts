import type { BusEvent, Operator } from "@tenantkeys/aws";
import { type KeyRecord, parseKeyName, parseTenantId, TenantKeysError } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import type { CliPorts } from "./ports.ts";
import {
  accepted,
  fakeOperator,
  generate,
  keptEvent,
  keyRecord,
  register,
  runCommand,
  tenantRecord,
} from "./test-support.ts";

/** When runCommand's clock starts. */
const NOW_MS = 1_000_000;
const LEAVING = tenantRecord({
  leaving: register({ generation: 5, by: "AROAONE:ann", reason: "contract ended", atMs: 0 }),
});

/** An operator that knows the tenant, and what was sent by which way. */
function knowing(methods: Partial<Operator> = {}) {
  const sent: { via: "bus" | "queue"; event: BusEvent }[] = [];
  const operator = fakeOperator({
    tenant: async () => tenantRecord(),
    keysOfTenant: async () => [keyRecord()],
    publish: async (_, events, { keepRefused }) => {
      expect(keepRefused).toBe(true);
      return events.map((event) => {
        sent.push({ via: "bus", event });
        return accepted("event-1");
      });
    },
    sendToQueue: async (_, events) =>
      events.map((event) => {
        sent.push({ via: "queue", event });
        return accepted("event-1");
      }),
    ...methods,
  });
  return { operator, sent };
}

const leaving = { tenant: async () => LEAVING };

describe("each event command", () => {
  test.each([
    [["suspend", "acme", "--yes"], "bus", "TenantSuspended", {}, {}],
    [["suspend", "acme", "--yes", "--reason", "unpaid"], "bus", "TenantSuspended", { reason: "unpaid" }, {}],
    [["resume", "acme"], "bus", "TenantResumed", {}, {}],
    [["offboard", "acme", "--yes", "--reason", "ended"], "queue", "TenantOffboarded", { reason: "ended" }, {}],
    [["reinstate", "acme"], "bus", "TenantReinstated", {}, {}],
    [["approve", "acme", "--yes"], "queue", "TenantOffboardingApproved", { offboardingGeneration: 5 }, leaving],
    [["hold", "acme", "--reason", "case 4711"], "queue", "TenantLegalHoldPlaced", { reason: "case 4711" }, {}],
    [["hold", "acme", "--release", "--yes"], "queue", "TenantLegalHoldReleased", {}, {}],
    [["rotate", "acme"], "bus", "TenantKeyRotationRequested", { keyName: "default" }, {}],
    [["add-key", "acme", "payroll"], "bus", "TenantKeyAdded", { keyName: "payroll" }, {}],
    [
      ["add-key", "acme", "own", "--profile", "default", "--key-arn", "arn:aws:kms:eu-west-1:444455556666:key/1234"],
      "bus",
      "TenantKeyAdded",
      { keyName: "own", profile: "default", keyArn: "arn:aws:kms:eu-west-1:444455556666:key/1234" },
      {},
    ],
  ] as const)("%j goes by the %s as %s", async (args, via, type, detail, methods) => {
    const { operator, sent } = knowing(methods);
    const { exitCode, out, err } = await runCommand([...args, "--json"], operator);
    expect({ exitCode, err }).toEqual({ exitCode: 0, err: "" });
    expect(sent).toEqual([
      {
        via,
        event: {
          source: "tenantkeys.application",
          "detail-type": type,
          detail: { version: "1", tenantId: "acme", stage: "dev", generation: NOW_MS, ...detail },
        },
      },
    ]);
    expect(JSON.parse(out)).toEqual({ tenantId: "acme", event: type, eventId: "event-1", generation: NOW_MS });
  });

  test("takes another generation where one is given", async () => {
    const { operator, sent } = knowing();
    const { out } = await runCommand(["resume", "acme", "--generation", "17"], operator);
    expect(sent[0]?.event.detail).toMatchObject({ generation: 17 });
    expect(out).toBe("sent the resumption of acme as event event-1, generation 17\n");
  });

  test.each([
    ["suspend", "acme", "--yes"],
    ["resume", "acme"],
    ["offboard", "acme", "--yes"],
    ["reinstate", "acme"],
    ["approve", "acme", "--yes"],
    ["hold", "acme", "--reason", "why"],
    ["hold", "acme", "--release", "--yes"],
    ["rotate", "acme"],
    ["add-key", "acme", "payroll"],
    ["review", "acme"],
  ])("%s %s refuses a tenant that the registry doesn't know, and sends nothing", async (...args) => {
    const { operator, sent } = knowing({ tenant: async () => undefined, keysOfTenant: async () => [] });
    const { exitCode, out, err } = await runCommand(args, operator);
    expect({ exitCode, out, sent }).toEqual({ exitCode: 1, out: "", sent: [] });
    expect(err).toContain('error: tenant_unknown: stage "dev" knows no tenant acme');
  });

  test.each([
    ["refused and kept", "refused", 2],
    ["not taken", "failed", 1],
  ] as const)("that is %s says why and has its exit code", async (_, kind, code) => {
    const error = new TenantKeysError("throttled", "slow down");
    const publish = async () => [{ kind, error, refusalId: "r" }];
    const { exitCode, out, err } = await runCommand(["resume", "acme"], knowing({ publish }).operator);
    expect({ exitCode, out }).toEqual({ exitCode: code, out: "" });
    expect(err).toContain("error: throttled: slow down");
  });
});

describe("an approval", () => {
  test("is refused where no offboarding is under way", async () => {
    const reinstated = tenantRecord({ leaving: register({ value: false }) });
    const { operator, sent } = knowing({ tenant: async () => reinstated });
    const { exitCode, err } = await runCommand(["approve", "acme", "--yes"], operator);
    expect({ exitCode, sent }).toEqual({ exitCode: 1, sent: [] });
    expect(err).toContain("error: state_conflict: no offboarding of tenant acme is under way");
  });

  test("is asked for with who asked for the offboarding, when and why", async () => {
    const questions: string[] = [];
    await runCommand(["approve", "acme"], knowing(leaving).operator, asking("acme", questions));
    expect(questions.join()).toContain("asked for by AROAONE:ann at 1970-01-01T00:00:00Z, because: contract ended.");
  });
});

test.each([
  ["rotate", "acme", "--key-name", "payroll"],
  ["import", "acme", "--parameters-to", "/nowhere", "--key-name", "payroll"],
])("%s of a key that the tenant doesn't have is refused with those it has", async (...args) => {
  const { operator, sent } = knowing();
  const { exitCode, err } = await runCommand(args, operator);
  expect({ exitCode, sent }).toEqual({ exitCode: 1, sent: [] });
  expect(err).toContain('error: key_unknown: tenant acme has no key "payroll"; it has: default');
});

test("a key with a profile that the stage doesn't have is a usage error", async () => {
  const { operator, sent } = knowing();
  const { exitCode, err } = await runCommand(["add-key", "acme", "payroll", "--profile", "gold"], operator);
  expect({ exitCode, sent }).toEqual({ exitCode: 64, sent: [] });
  expect(err).toContain("expected one of: default");
});

test("a reinstatement says which keys can't come back", async () => {
  const keysOfTenant = async () => [keyRecord(), keyRecord({ keyName: parseKeyName("payroll"), state: "destroyed" })];
  const { err } = await runCommand(["reinstate", "acme"], knowing({ keysOfTenant }).operator);
  expect(err).toContain("destroyed, and not to be brought back: payroll");
});

/** A terminal at which somebody types this. */
function asking(typed: string, questions: string[] = []): Partial<CliPorts> {
  return {
    stdinIsTerminal: true,
    ask: async (question) => {
      questions.push(question);
      return typed;
    },
  };
}

describe("a command that is hard to undo", () => {
  const commands = [
    [["suspend", "acme"], "disables its 1 key"],
    [["offboard", "acme"], "shuts it out of its 1 key now"],
    [["approve", "acme"], "lets the keys of acme be deleted"],
    [["hold", "acme", "--release"], "Releasing the legal hold"],
  ] as const;

  test.each(commands)("%j has the tenant's id typed, after it has said what follows", async (args, consequence) => {
    const questions: string[] = [];
    const { operator, sent } = knowing(leaving);
    const { exitCode } = await runCommand(args, operator, asking(" acme\n", questions));
    expect(exitCode).toBe(0);
    expect(sent).toHaveLength(1);
    expect(questions).toEqual([expect.stringContaining(consequence)]);
    expect(questions[0]).toContain("Type the tenant's id to go on");
  });

  test.each(commands)("%j sends nothing where something else is typed", async (args) => {
    const { operator, sent } = knowing(leaving);
    const { exitCode, out, err } = await runCommand(args, operator, asking("y"));
    expect({ exitCode, out, sent }).toEqual({ exitCode: 64, out: "", sent: [] });
    expect(err).toContain('nothing was sent: expected the tenant\'s id "acme" to be typed, got "y"');
  });

  test.each(commands)("%j needs --yes where nobody can be asked", async (args) => {
    const { operator, sent } = knowing(leaving);
    const { exitCode, err } = await runCommand(args, operator);
    expect({ exitCode, sent }).toEqual({ exitCode: 64, sent: [] });
    expect(err).toContain("standard input is no terminal: expected --yes");
  });

  test("asks nothing with --yes, on a terminal either", async () => {
    const { operator, sent } = knowing();
    await runCommand(["offboard", "acme", "--yes"], operator, { stdinIsTerminal: true });
    expect(sent).toHaveLength(1);
  });
});

describe("waiting for an event", () => {
  const suspended = tenantRecord({ suspension: register({ generation: NOW_MS, by: "AROAONE:ann", reason: "unpaid" }) });
  /** What the registry shows once the event was sent. */
  const after = (key: KeyRecord, tenant = suspended, changes: Partial<Operator> = {}) =>
    knowing({ tenant: async () => tenant, keysOfTenant: async () => [key], ...changes }).operator;

  test("ends when the registry shows it, and says what is declared and how the keys are", async () => {
    const operator = after(keyRecord({ state: "suspended" }));
    const { exitCode, out } = await runCommand(["suspend", "acme", "--yes", "--wait"], operator);
    expect(exitCode).toBe(0);
    expect(out).toMatch(/^suspended +yes, since 1970-01-01T00:00:04Z by AROAONE:ann: unpaid$/m);
    expect(out).toMatch(/^acme +default +suspended /m);
    const json = await runCommand(["suspend", "acme", "--yes", "--wait", "--json"], operator);
    expect(JSON.parse(json.out)).toMatchObject({ end: "done", tenant: suspended, keys: [{ state: "suspended" }] });
  });

  test("says why the event was refused", async () => {
    const listRefused = async () => [keptEvent({ code: "generation_conflict", message: "said already" })];
    const operator = after(keyRecord(), tenantRecord(), { listRefused });
    const { exitCode, err } = await runCommand(["resume", "acme", "--wait"], operator);
    expect(exitCode).toBe(2);
    expect(err).toContain("refused: generation_conflict: said already\nnext: Correct it.");
  });

  test("says that a newer declaration is known", async () => {
    const newer = tenantRecord({ suspension: register({ generation: NOW_MS + 1, eventId: "event-9" }) });
    const { exitCode, err } = await runCommand(["resume", "acme", "--wait"], after(keyRecord(), newer));
    expect(exitCode).toBe(2);
    expect(err).toContain("nothing changed: a newer declaration of acme is known");
  });

  test("gives up when its time is over, and nothing is lost", async () => {
    const failure = { code: "throttled", message: "slow down", step: "", nextAction: "", failedAtMs: 0 };
    const operator = after(keyRecord({ failure }), suspended, { listRefused: async () => [] });
    const args = ["suspend", "acme", "--yes", "--wait", "--timeout", "9", "--progress"];
    const { exitCode, err } = await runCommand(args, operator);
    expect(exitCode).toBe(1);
    expect(err).toMatch(/^acme: 0 of 1 keys disabled after \d s$/m);
    expect(err).toContain("key default failed last with throttled: slow down");
    expect(err).toContain("still under way after 9 s; nothing is lost: see tenantkeys show acme");
  });
});

describe("review", () => {
  const record = (tenantId: string, state: KeyRecord["state"] = "active") =>
    keyRecord({ tenantId: parseTenantId(tenantId), state });

  test("puts every key of the tenant that can be looked at on the worker's queue", async () => {
    const keysOfTenant = async () => [keyRecord(), keyRecord({ keyName: parseKeyName("old"), state: "destroyed" })];
    const { operator, sent } = knowing({ keysOfTenant });
    const { exitCode, out } = await runCommand(["review", "acme"], operator);
    expect({ exitCode, out }).toEqual({ exitCode: 0, out: "1 key to be reviewed, 1 skipped, 0 not sent\n" });
    expect(sent).toEqual([
      {
        via: "queue",
        event: {
          source: "tenantkeys",
          "detail-type": "TenantKeyReviewDue",
          detail: { version: "1", tenantId: "acme", keyName: "default", stage: "dev" },
        },
      },
    ]);
  });

  test("goes through all tenants in bounded steps, and says when it stopped at the limit", async () => {
    const records = Array.from({ length: 250 }, (_, index) => record(`t${index}`));
    const listKeys = () => generate([record("failed", "failed"), ...records]);
    const chunks: number[] = [];
    const sendToQueue: Operator["sendToQueue"] = async (_, events) => {
      chunks.push(events.length);
      return events.map(() => accepted("event-1"));
    };
    const all = await runCommand(["review", "--all", "--json"], fakeOperator({ listKeys, sendToQueue }));
    expect(chunks).toEqual([100, 100, 50]);
    expect(JSON.parse(all.out)).toEqual({
      counts: { sent: 250, skipped: 1, failed: 0 },
      limitReached: false,
      errors: [],
    });
    const some = await runCommand(["review", "--all", "--limit", "120"], fakeOperator({ listKeys, sendToQueue }));
    expect(some).toMatchObject({ exitCode: 0, out: "120 keys to be reviewed, 1 skipped, 0 not sent\n" });
    expect(some.err).toContain("stopped at the limit of 120 keys");
  });

  test("stops where the queue takes nothing", async () => {
    const listKeys = () => generate(Array.from({ length: 250 }, (_, index) => record(`t${index}`)));
    let calls = 0;
    const sendToQueue: Operator["sendToQueue"] = async (_, events) => {
      calls += 1;
      return events.map(() => ({ kind: "failed", error: new TenantKeysError("access_denied", "no") }));
    };
    const { exitCode, err } = await runCommand(["review", "--all"], fakeOperator({ listKeys, sendToQueue }));
    expect({ exitCode, calls }).toEqual({ exitCode: 1, calls: 1 });
    expect(err).toContain("not sent: access_denied: no");
  });
});
