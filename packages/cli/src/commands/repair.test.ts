import type { Operator, TenantKeyPlan } from "@tenantkeys/aws";
import {
  type Action,
  type Finding,
  finding,
  findingId,
  type KeyRecord,
  type Plan,
  parseKeyName,
  parseTenantId,
  type RepairDone,
  type RuleId,
  type StoredFinding,
  TenantKeysError,
} from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { accepted, fakeOperator, generate, keptEvent, keyRecord, runCommand } from "../test-support.ts";

const KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234";

function found(ruleId: RuleId, tenant = "acme", changes: Partial<Finding> = {}): StoredFinding {
  const tenantId = parseTenantId(tenant);
  const about = { tenantId, keyName: parseKeyName("default"), resource: KEY_ARN, expected: "", seen: "so", ...changes };
  const one = finding(ruleId, about);
  return { ...one, findingId: findingId(one), firstSeenAtMs: 1, lastSeenAtMs: 2 };
}

const ready = (actions: readonly Action[], withheld: readonly Action["kind"][] = []): Plan => ({
  kind: "ready",
  keyArn: undefined,
  steps: [actions],
  withheld,
});

interface World {
  readonly open: readonly StoredFinding[];
  /** How many keys the stage has. */
  readonly stageKeys?: number;
  readonly plan?: Plan;
  readonly record?: Partial<KeyRecord>;
  /** What the worker comes to; without it nothing ever becomes of a request. */
  readonly done?: Partial<RepairDone>;
  readonly refused?: boolean;
  /** What is found afterwards. */
  readonly still?: readonly Finding[];
}

function world({ open, stageKeys = 100, plan = ready([]), record = {}, done, refused = false, still = [] }: World) {
  const sent: { tenantId: string; rules: readonly string[]; automatic?: boolean }[] = [];
  const repairedBy = (eventId: string): RepairDone => ({
    ...{ eventId, by: "AROA:alice", rules: [], automatic: false, doneAtMs: 3 },
    ...{ actions: [], withheld: [], ...done },
  });
  const operator = fakeOperator({
    openFindings: () => generate(open),
    openFindingsOfTenant: async (_run, tenantId) => open.filter((one) => one.tenantId === tenantId),
    keysOfTenant: async (_run, tenantId) => [
      keyRecord({
        tenantId,
        ...record,
        ...(sent.length > 0 && done !== undefined ? { lastRepair: repairedBy(`event-${tenantId}`) } : {}),
      }),
    ],
    // Those who have left count for no limit.
    listKeys: () =>
      generate([
        ...Array.from({ length: 100 }, () => ({ ...keyRecord(), state: "destroyed" as const })),
        ...Array.from({ length: stageKeys }, () => keyRecord()),
      ]),
    listRefused: async () => (refused ? [keptEvent({ code: "key_missing", message: "it hides" })] : []),
    planRepair: async () => ({ plan }) as TenantKeyPlan,
    async sendToQueue(_run, events) {
      for (const { detail } of events) sent.push(detail as (typeof sent)[number]);
      return events.map(({ detail }) => accepted(`event-${(detail as { tenantId: string }).tenantId}`));
    },
    verifyKey: async () =>
      ({
        verdict: { findings: still },
        changes: { opened: [], stillOpen: open, closed: [] },
      }) as unknown as Awaited<ReturnType<Operator["verifyKey"]>>,
  });
  return { operator, sent };
}

const TYPES = { stdinIsTerminal: true };

describe("repair without --apply", () => {
  test("shows per finding what would be done, who may have it done, and what won't, and sends nothing", async () => {
    const open = [
      found("rotation-off"),
      found("key-disabled"),
      found("key-tags-differ"),
      found("key-pending-import"),
      found("key-pending-deletion-intended"),
    ];
    const plan = ready([{ kind: "enable-rotation" }, { kind: "enable-key" }], ["put-role-policy"]);
    const { operator, sent } = world({ open, plan });
    const { exitCode, out } = await runCommand(["repair", "acme"], operator);
    expect(exitCode).toBe(2);
    expect(sent).toEqual([]);
    expect(out).toContain("rotation-off (high): ");
    expect(out).toContain("key-disabled (high, asks first): ");
    expect(out).toContain("would: set the key's rotation; enable the key");
    expect(out).toContain("won't, as no rule named permits it: put the role's policy for this key");
    expect(out).toMatch(/with --as-caller:\n {2}key-tags-differ/);
    expect(out).toMatch(/by hand; .*\n {2}key-pending-import/);
    expect(out).not.toContain("key-pending-deletion-intended");
    expect(out).toContain("1 key to repair, at most 1 in one run; nothing was changed: see --apply");
  });

  test("is clean where nothing is open, and answers as JSON", async () => {
    const { operator } = world({ open: [] });
    const { exitCode, out } = await runCommand(["repair", "acme", "--json"], operator);
    expect(exitCode).toBe(0);
    expect(JSON.parse(out)).toEqual({
      applied: false,
      limit: 1,
      keys: [],
      byCaller: [],
      byAdministrator: [],
      byHand: [],
    });
  });

  test("says of a key what keeps it from being repaired", async () => {
    const error = new TenantKeysError("key_missing", "it can't be looked at");
    const { operator } = world({ open: [found("rotation-off")], plan: { kind: "refused", error } });
    expect((await runCommand(["repair", "acme"], operator)).out).toContain(
      "refused: key_missing: it can't be looked at",
    );
  });
});

describe("repair --apply", () => {
  test("sends one request per key with its rules, waits for it, and shows that nothing is left", async () => {
    const { operator, sent } = world({
      open: [found("rotation-off"), found("alias-missing"), found("key-pending-import")],
      done: { actions: ["enable-rotation"] },
    });
    const { exitCode, out } = await runCommand(["repair", "acme", "--apply"], operator);
    expect(sent).toEqual([
      { version: "1", stage: "dev", tenantId: "acme", keyName: "default", rules: ["alias-missing", "rotation-off"] },
    ]);
    expect(out).toContain("acme/default: enable-rotation; 0 findings open");
    expect(exitCode).toBe(0);
  });

  test("takes only the findings that --rule and --key-name name", async () => {
    const open = [
      found("rotation-off"),
      found("alias-missing"),
      found("rotation-off", "acme", { keyName: parseKeyName("payroll") }),
    ];
    const { operator, sent } = world({ open, done: {} });
    await runCommand(["repair", "acme", "--key-name", "default", "--rule", "rotation-off", "--apply"], operator);
    expect(sent).toMatchObject([{ keyName: "default", rules: ["rotation-off"] }]);
  });

  test("asks first where access is widened, and sends nothing unless the tenant's id is typed", async () => {
    const given = { open: [found("key-disabled")], done: {} };
    for (const [typed, exitCode, count] of [
      ["acme", 0, 1],
      ["globex", 64, 0],
    ] as const) {
      const { operator, sent } = world(given);
      const questions: string[] = [];
      const ask = async (question: string) => {
        questions.push(question);
        return typed;
      };
      const ended = await runCommand(["repair", "acme", "--apply"], operator, { ...TYPES, ask });
      expect([ended.exitCode, sent.length]).toEqual([exitCode, count]);
      expect(questions).toEqual([expect.stringContaining("key default: enable the key")]);
    }
    const { operator, sent } = world(given);
    await expect(runCommand(["repair", "acme", "--apply"], operator)).resolves.toMatchObject({ exitCode: 64 });
    expect(sent).toEqual([]);
    await runCommand(["repair", "acme", "--apply", "--yes"], operator);
    expect(sent).toHaveLength(1);
  });

  test("asks first for a key of the tenant's own account, whatever the rule", async () => {
    const { operator, sent } = world({
      open: [found("role-boundary-differs")],
      record: { ownKeyArn: keyRecord().keyArn },
    });
    await expect(runCommand(["repair", "acme", "--apply"], operator)).resolves.toMatchObject({ exitCode: 64 });
    expect(sent).toEqual([]);
  });

  test("stops beyond the limit before it asks or sends anything, and says so", async () => {
    const open = ["a", "b", "c"].map((tenant) => found("key-disabled", tenant));
    const { operator, sent } = world({ open, stageKeys: 40 });
    const { exitCode, err } = await runCommand(["repair", "--all", "--apply", "--yes"], operator);
    expect([exitCode, sent]).toEqual([1, []]);
    expect(err).toContain(
      "repair_limit_reached: 3 would be put right, and one run puts 2 right at most: nothing was done",
    );
    const enough = world({ open, stageKeys: 60, done: {} });
    await expect(runCommand(["repair", "--all", "--apply", "--yes"], enough.operator)).resolves.toMatchObject({
      exitCode: 0,
    });
    expect(enough.sent).toHaveLength(3);
  });

  test("shows what is still open afterwards, and what wasn't done", async () => {
    const { operator } = world({
      open: [found("rotation-off")],
      done: { actions: ["enable-rotation"], withheld: ["enable-key"] },
      still: [found("key-disabled")],
    });
    const { exitCode, out } = await runCommand(["repair", "acme", "--apply"], operator);
    expect(exitCode).toBe(2);
    expect(out).toContain("acme/default: enable-rotation; not done: enable-key; 1 finding open");
    expect(out).toMatch(/still open:\n[\s\S]*key-disabled/);
  });

  test("says what was refused, or is still under way", async () => {
    const refused = world({ open: [found("rotation-off")], refused: true });
    const ended = await runCommand(["repair", "acme", "--apply"], refused.operator);
    expect(ended.exitCode).toBe(1);
    expect(ended.out).toContain("acme/default: key_missing: it hides");
    const waiting = world({ open: [found("rotation-off")] });
    const late = await runCommand(["repair", "acme", "--apply", "--timeout", "5"], waiting.operator);
    expect([late.exitCode, late.out]).toEqual([1, expect.stringContaining("still under way")]);
  });

  test.each([[[]], [["acme", "--all"]], [["--all", "--key-name", "default"]], [["acme", "--rule", "no-such-rule"]]])(
    "with %j is used wrongly",
    async (args) => {
      await expect(runCommand(["repair", ...args], fakeOperator())).resolves.toMatchObject({ exitCode: 64 });
    },
  );
});

describe("repair --as-caller", () => {
  const open = [found("key-tags-differ"), found("rotation-off"), found("key-policy-differs")];

  test("shows what the caller would do, and with --apply does it after each was confirmed", async () => {
    const { operator, sent } = world({ open });
    const repaired: string[] = [];
    const asking = {
      ...operator,
      repairAsCaller: async (_run: unknown, { ruleId }: Finding) => {
        repaired.push(ruleId);
        return { kind: "done", did: "did it" } as const;
      },
    };
    const shown = await runCommand(["repair", "acme", "--as-caller"], asking);
    expect(shown.out).toMatch(
      /by you, as an administrator, with --apply:\n {2}key-policy-differs.*\n {2}key-tags-differ/,
    );
    const ask = async () => "1234";
    const ended = await runCommand(["repair", "acme", "--as-caller", "--apply"], asking, { ...TYPES, ask });
    expect([ended.exitCode, repaired, sent]).toEqual([0, ["key-policy-differs", "key-tags-differ"], []]);
    expect(ended.out).toContain(`key-tags-differ ${KEY_ARN}: did it`);
    expect(ended.err).toContain("closed by the next sweep; findings of a tenant's key at once by: tenantkeys verify");
    await expect(runCommand(["repair", "acme", "--as-caller", "--apply"], asking)).resolves.toMatchObject({
      exitCode: 64,
    });
  });

  test("has an orphan that may hold data go only where its id is typed, also with --yes", async () => {
    const asked: boolean[] = [];
    const operator = {
      ...world({ open: [found("orphan-key")] }).operator,
      repairAsCaller: async (_run: unknown, _finding: Finding, mayHoldData: boolean) => {
        asked.push(mayHoldData);
        return mayHoldData
          ? ({ kind: "done", did: "condemned" } as const)
          : ({ kind: "left", why: "may-hold-data" } as const);
      },
    };
    const args = ["repair", "acme", "--as-caller", "--apply", "--yes"];
    const alone = await runCommand(args, operator);
    expect([alone.exitCode, alone.out]).toEqual([2, expect.stringContaining("left: it may hold somebody's data")]);
    const typed = await runCommand(args, operator, { ...TYPES, ask: async () => "1234" });
    expect([typed.exitCode, asked]).toEqual([0, [false, false, true]]);
  });

  test("says what AWS refused the caller", async () => {
    const operator = {
      ...world({ open: [found("key-tags-differ")] }).operator,
      repairAsCaller: () => Promise.reject(new TenantKeysError("access_denied", "kms:TagResource: no")),
    };
    const ended = await runCommand(["repair", "acme", "--as-caller", "--apply", "--yes"], operator);
    expect([ended.exitCode, ended.out]).toEqual([1, expect.stringContaining("access_denied: kms:TagResource: no")]);
  });
});
