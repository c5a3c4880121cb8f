import type { BusEvent, KeptEventFilter, Operator } from "@tenantkeys/aws";
import { type Action, parseKeyName, TenantKeysError } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { accepted, fakeOperator, generate, keptEvent, keyRecord, runCommand } from "./test-support.ts";

const refusal = () => new TenantKeysError("event_not_json", "detail: expected a JSON object");

describe("every command", () => {
  const life = ["signup", "add-key", "import", "rotate", "suspend", "resume"];
  const end = ["offboard", "approve", "hold", "reinstate"];
  test.each([
    ...life,
    ...end,
    "list",
    "show",
    "verify",
    "findings",
    "plan",
    "outside-policy",
    "review",
    "replay",
    "refused",
    "tenantkeys",
  ])("%s has help with examples and exit codes on stdout", async (name) => {
    const { exitCode, out, err } = await runCommand(name === "tenantkeys" ? ["--help"] : [name, "--help"]);
    expect({ exitCode, err }).toEqual({ exitCode: 0, err: "" });
    expect(out).toContain(`$ tenantkeys ${name === "tenantkeys" ? "signup" : name}`);
    expect(out).toContain("Exit codes:");
    expect(out).toContain("--stage <name>");
  });

  test.each([
    [["show"], "missing required argument 'tenantId'", "tenantkeys show [options] <tenantId>"],
    [["show", "ACME"], "expected 1 to 36 of a-z, 0-9 and -", "tenantkeys show"],
    [["signup", "acme", "--generation", "0"], "Expected a whole number from 1", "tenantkeys signup"],
    [["signup", "acme", "--key-name", "a", "a"], "Expected no name twice", "tenantkeys signup"],
    [["list", "--state", "gone"], "Allowed choices are provisioning", "tenantkeys list"],
    [["list", "--nothing"], "unknown option '--nothing'", "tenantkeys list"],
    [["list", "--stage", "dev-a"], "expected 1 to 20 of a-z and 0-9", "tenantkeys list"],
    [["replay"], "expected one of: a file, a directory, -, --dlq, --refused or --archive", "tenantkeys replay"],
    [["replay", "a.json", "--dlq"], "expected one of", "tenantkeys replay"],
    [["replay", "a.json", "--code", "throttled"], "--code: expected with --dlq or --refused", "tenantkeys replay"],
    [["replay", "--dlq", "--code", "nothing"], "Allowed choices are", "tenantkeys replay"],
    [["replay", "--refused", "--allow-recent"], "--allow-recent: expected with --archive", "tenantkeys replay"],
    [["replay", "--archive", "--from", "2026-11-24T08:00:00Z"], "expected --from and --to", "tenantkeys replay"],
    [["replay", "--archive", "--from", "2026-11-24"], "a time with its offset", "tenantkeys replay"],
    [
      ["replay", "--archive", "--from", "2026-11-24T08:00:00Z", "--to", "2026-11-24T08:00:00Z"],
      "--from: expected a time before --to",
      "tenantkeys replay",
    ],
    [["replay", "--archive", "--force-stage"], "--force-stage: not with --archive", "tenantkeys replay"],
    [["suspend", "acme", "--reason", ""], "Expected 1 to 256 printable characters", "tenantkeys suspend"],
    [["suspend", "acme", "--reason", "x".repeat(257)], "Expected 1 to 256", "tenantkeys suspend"],
    [["hold", "acme"], "expected --reason <text>, or --release", "tenantkeys hold"],
    [["add-key", "acme", "Payroll"], "expected 1 to 32", "tenantkeys add-key"],
    [["add-key", "acme", "own", "--key-arn", "1234"], "expected arn:aws:kms", "tenantkeys add-key"],
    [["import", "acme"], "expected --parameters-to <directory>, or --material", "tenantkeys import"],
    [["import", "acme", "--material", "a"], "expected --parameters-to <directory>, or --material", "tenantkeys import"],
    [["import", "acme", "--parameters-to", "a", "--token", "b"], "not both", "tenantkeys import"],
    [["review"], "expected either a tenantId or --all", "tenantkeys review"],
    [["review", "acme", "--all"], "expected either a tenantId or --all", "tenantkeys review"],
    [["verify"], "expected either a tenantId or --all", "tenantkeys verify"],
    [["verify", "acme", "--all"], "expected either a tenantId or --all", "tenantkeys verify"],
    [["verify", "--all", "--key-name", "a"], "--key-name: not with --all", "tenantkeys verify"],
    [["findings", "--closed"], "--closed: expected --tenant <id> with it", "tenantkeys findings"],
    [["findings", "--severity", "bad"], "Allowed choices are information, low", "tenantkeys findings"],
    [["findings", "--rule", "nothing"], "Allowed choices are key-missing", "tenantkeys findings"],
    [["refused", "--drop"], "expected a refusalId", "tenantkeys refused"],
    [["nonsense"], "unknown command 'nonsense'", "tenantkeys [options] [command]"],
    [[], "no command was given", "tenantkeys [options] [command]"],
  ])("%j is a usage error that says what was expected", async (args, message, expected) => {
    const { exitCode, out, err, connections } = await runCommand(args);
    expect({ exitCode, out, connections }).toEqual({ exitCode: 64, out: "", connections: [] });
    expect(err).toContain(message);
    expect(err).toContain(`expected: ${expected}`);
    expect(err).toMatch(/^help: tenantkeys.* --help$/m);
  });

  test("a usage error is JSON on stderr where JSON was asked for", async () => {
    const { exitCode, out, err } = await runCommand(["show", "--json"]);
    expect({ exitCode, out }).toEqual({ exitCode: 64, out: "" });
    expect(JSON.parse(err)).toMatchObject({ error: { code: "usage", help: "tenantkeys show --help" } });
  });

  test("an error says its code, what to do next and where to read on", async () => {
    const cause = new Error("a request with a secret in it");
    const connect = async () => {
      throw new TenantKeysError("stage_not_deployed", 'stage "dev" is not deployed\u001b[2J here', { cause });
    };
    const human = await runCommand(["list"], undefined, { connect });
    expect(human).toMatchObject({ exitCode: 1, out: "" });
    expect(human.err).toBe(
      'error: stage_not_deployed: stage "dev" is not deployed [2J here\n' +
        "next: Check --stage, --endpoint and the Region, and that the stage is deployed.\n" +
        "help: docs/errors.md#stage_not_deployed\n",
    );
    const { err, out } = await runCommand(["list", "--json"], undefined, { connect });
    expect(out).toBe("");
    expect(JSON.parse(err).error).toMatchObject({
      code: "stage_not_deployed",
      help: "docs/errors.md#stage_not_deployed",
    });
    expect(err).not.toContain("secret");
  });

  test("the global options lead to the stage, before and after the command", async () => {
    const operator = fakeOperator({ listKeys: () => generate([]) });
    const args = ["--stage", "staging", "list", "--endpoint", "http://127.0.0.1:1", "--region", "us-east-1"];
    const { connections } = await runCommand(args, operator);
    expect(connections).toEqual([{ stage: "staging", endpoint: "http://127.0.0.1:1", region: "us-east-1" }]);
  });

  test("the connection is closed, also after a failure", async () => {
    let closed = 0;
    const close = () => {
      closed += 1;
    };
    await runCommand(["list"], fakeOperator({ close, listKeys: () => generate([]) }));
    await runCommand(["list"], fakeOperator({ close }));
    expect(closed).toBe(2);
  });
});

describe("signup", () => {
  test("it publishes the sign-up and says the event's id", async () => {
    let published: readonly BusEvent[] = [];
    const publish: Operator["publish"] = async (_, events) => {
      published = events;
      return [accepted("event-1")];
    };
    const args = ["signup", "acme", "--key-name", "default", "payroll", "--generation", "7", "--json"];
    const { exitCode, out } = await runCommand(args, fakeOperator({ publish }));
    expect(exitCode).toBe(0);
    expect(JSON.parse(out)).toEqual({ tenantId: "acme", eventId: "event-1" });
    expect(published).toEqual([
      {
        source: "tenantkeys.application",
        "detail-type": "TenantSignedUp",
        detail: { version: "1", tenantId: "acme", stage: "dev", keyNames: ["default", "payroll"], generation: 7 },
      },
    ]);
  });

  test("a profile that the stage doesn't have is a usage error, and nothing is published", async () => {
    const { exitCode, err } = await runCommand(["signup", "acme", "--profile", "strict"]);
    expect(exitCode).toBe(64);
    expect(err).toContain("expected one of: default");
  });

  test.each([
    ["refused and kept", { kind: "refused", error: refusal(), refusalId: "r" }, 2],
    ["not published", { kind: "failed", error: new TenantKeysError("throttled", "slow down") }, 1],
  ] as const)("a sign-up that is %s says why and has its exit code", async (_, outcome, code) => {
    const publish = async () => [outcome];
    const { exitCode, out, err } = await runCommand(["signup", "acme", "--wait"], fakeOperator({ publish }));
    expect({ exitCode, out }).toEqual({ exitCode: code, out: "" });
    expect(err).toContain(`error: ${outcome.error.code}: `);
  });

  test.each([
    ["active", keyRecord(), 0, ""],
    [
      "refused",
      keyRecord({
        state: "failed",
        failure: { code: "role_taken", message: "taken", step: "plan", nextAction: "Rename it.", failedAtMs: 0 },
      }),
      2,
      "refused: role_taken: taken\nnext: Rename it.\n",
    ],
    ["under way", keyRecord({ leaseUntilMs: 1 }), 1, "still under way after 120 s"],
  ])("waiting for a sign-up that ends %s", async (_, record, code, note) => {
    const publish = async () => [accepted("event-1")];
    const operator = fakeOperator({ publish, keysOfTenant: async () => [record], listRefused: async () => [] });
    const { exitCode, out, err } = await runCommand(["signup", "acme", "--wait"], operator);
    expect(exitCode).toBe(code);
    expect(out).toContain("acme    default");
    expect(err).toContain(note);
  });

  test("progress goes to stderr where it was asked for", async () => {
    const looks = [[], [], [], [], [], [keyRecord()]];
    const operator = fakeOperator({
      publish: async () => [accepted("event-1")],
      keysOfTenant: async () => looks.shift() ?? [],
      listRefused: async () => [],
    });
    const { err } = await runCommand(["signup", "acme", "--wait", "--progress"], operator);
    expect(err).toMatch(/^acme: 0 of 1 keys active after \d s$/m);
  });
});

describe("list, show and refused", () => {
  test("keys are listed in order of tenant and key, filtered by state", async () => {
    const filters: unknown[] = [];
    const payroll = keyRecord({ keyName: parseKeyName("payroll") });
    const operator = fakeOperator({
      listKeys: (_, filter) => {
        filters.push(filter);
        return generate([payroll, keyRecord()]);
      },
    });
    const { out } = await runCommand(["list", "--state", "active"], operator);
    expect(filters).toEqual([{ state: "active" }]);
    expect(out.split("\n").map((line) => line.split(/ +/)[1])).toEqual(["KEY", "default", "payroll", undefined]);
    const json = await runCommand(["list", "--json"], operator);
    expect(JSON.parse(json.out).keys).toHaveLength(2);
    expect(json.err).toBe("");
  });

  test("a tenant is shown with its refused events", async () => {
    const operator = fakeOperator({ keysOfTenant: async () => [keyRecord()], listRefused: async () => [keptEvent()] });
    const { exitCode, out } = await runCommand(["show", "acme"], operator);
    expect(exitCode).toBe(0);
    expect(out).toContain("arn:aws:kms:eu-west-1:111122223333:key/1234");
    expect(out).toContain("refusal-1");
  });

  test("a tenant of whom nothing is known is an error", async () => {
    const operator = fakeOperator({ keysOfTenant: async () => [], listRefused: async () => [] });
    const { exitCode, err } = await runCommand(["show", "acme"], operator);
    expect(exitCode).toBe(1);
    expect(err).toContain("error: tenant_unknown");
  });

  test("the list of refused events says when there are more", async () => {
    const many = ["a", "b", "c"].map((refusalId) => keptEvent({ refusalId }));
    const listRefused = async (_: unknown, { limit }: KeptEventFilter) => many.slice(0, limit);
    const { out, err } = await runCommand(["refused", "--limit", "2"], fakeOperator({ listRefused }));
    expect(out).not.toContain("  c  ");
    expect(err).toContain("more than the 2 shown");
    const all = await runCommand(["refused", "--limit", "3"], fakeOperator({ listRefused }));
    expect(all.err).toBe("");
  });

  test("a refused event is printed as it came, and dropped only where that was said", async () => {
    const settled: string[] = [];
    const operator = fakeOperator({
      listRefused: async () => [keptEvent()],
      readRefusedBody: async () => '{"a": 1}',
      settleRefused: async (_, kept) => {
        settled.push(kept.refusalId);
      },
    });
    expect((await runCommand(["refused", "refusal-1"], operator)).out).toBe('{"a": 1}\n');
    expect(settled).toEqual([]);
    expect((await runCommand(["refused", "refusal-1", "--drop"], operator)).out).toBe('{"a": 1}\n');
    expect(settled).toEqual(["refusal-1"]);
  });
});

describe("plan", () => {
  const nothing = { role: undefined, alias: "absent", keys: [] } as const;
  const createRole: Action = { kind: "create-role" };
  const planned = (plan: Awaited<ReturnType<Operator["planKey"]>>["plan"], record = keyRecord()) =>
    fakeOperator({
      keysOfTenant: async () => [record],
      planKey: async (_, tenantId, keyName) => ({ tenantId, keyName, record, observed: nothing, plan }),
    });
  const error = new TenantKeysError("role_taken", "somebody's role", { tenantId: "acme" });

  test.each([
    ["nothing to do", planned({ kind: "ready", keyArn: undefined, steps: [] }), 0, "nothing to do"],
    [
      "a step to do",
      planned({ kind: "ready", keyArn: undefined, steps: [[createRole]] }),
      2,
      "step 1: create the role",
    ],
    ["a refusal", planned({ kind: "refused", error }), 2, "refused: role_taken"],
    [
      "a refusal beside a step",
      planned({ kind: "ready", keyArn: undefined, steps: [[createRole]], refusal: error }),
      2,
      "step 1: create the role\n  refused: role_taken",
    ],
    [
      "a record that isn't active",
      planned({ kind: "ready", keyArn: undefined, steps: [] }, keyRecord({ state: "failed" })),
      2,
      "the registry says failed",
    ],
  ])("%s has its exit code", async (_, operator, code, text) => {
    const { exitCode, out } = await runCommand(["plan", "acme"], operator);
    expect(exitCode).toBe(code);
    expect(out).toContain(text);
  });

  test("every key that the registry knows is planned, or the default one where it knows none", async () => {
    const asked: string[] = [];
    const operator = (records: ReturnType<typeof keyRecord>[]) =>
      fakeOperator({
        keysOfTenant: async () => records,
        planKey: async (_, tenantId, keyName) => {
          asked.push(keyName);
          return { tenantId, keyName, record: undefined, observed: nothing, plan: { kind: "refused", error } };
        },
      });
    await runCommand(["plan", "acme"], operator([keyRecord(), keyRecord({ keyName: parseKeyName("payroll") })]));
    const { out } = await runCommand(["plan", "acme", "--json"], operator([]));
    expect(asked).toEqual(["default", "payroll", "default"]);
    expect(JSON.parse(out).keys[0].plan.error.code).toBe("role_taken");
  });
});
