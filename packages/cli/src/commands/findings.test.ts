import { finding, findingId, parseKeyName, parseTenantId, type RuleId, type StoredFinding } from "@tenantkeys/core";
import { expect, test } from "vitest";
import { fakeOperator, generate, runCommand } from "../test-support.ts";

const at = (text: string) => Date.parse(text);

function stored(ruleId: RuleId, changes: Partial<StoredFinding> = {}): StoredFinding {
  const about = { tenantId: parseTenantId("acme"), keyName: parseKeyName("default"), resource: "arn", expected: "on" };
  const one = { ...finding(ruleId, { ...about, seen: "off" }), ...changes };
  const firstSeenAtMs = at("2026-11-24T08:00:00Z");
  return { findingId: findingId(one), firstSeenAtMs, lastSeenAtMs: firstSeenAtMs, ...one };
}

const OPEN = [
  stored("alias-missing", { firstSeenAtMs: at("2026-11-20T00:00:00Z") }),
  stored("key-open"),
  stored("orphan-key", { tenantId: undefined, keyName: undefined }),
  stored("rotation-off", { firstSeenAtMs: at("2026-11-23T00:00:00Z") }),
];
const operator = () => fakeOperator({ openFindings: () => generate(OPEN) });
const rulesOf = (out: string) => JSON.parse(out).findings.map(({ ruleId }: StoredFinding) => ruleId);

test("open findings are listed the severest first, of these the newest, with where to read on", async () => {
  const { exitCode, out } = await runCommand(["findings"], operator());
  expect(exitCode).toBe(0);
  const rows = out.split("\n").map((line) => line.split(/ {2,}/));
  expect(rows.slice(0, 5)).toEqual([
    ["SEVERITY", "SINCE", "TENANT", "KEY", "RULE", "REPAIRED BY", "RESOURCE", "SEEN"],
    ["critical", "2026-11-24T08:00:00Z", "acme", "default", "key-open", "tenantkeys", "arn", "off"],
    ["high", "2026-11-23T00:00:00Z", "acme", "default", "rotation-off", "tenantkeys", "arn", "off"],
    ["high", "2026-11-20T00:00:00Z", "acme", "default", "alias-missing", "tenantkeys", "arn", "off"],
    ["medium", "2026-11-24T08:00:00Z", "-", "-", "orphan-key", "an administrator", "arn", "off"],
  ]);
  expect(out).toContain("what each means and what to do:\n  docs/findings.md#key-open\n");
});

test.each([
  [
    ["--severity", "high"],
    ["key-open", "rotation-off", "alias-missing"],
  ],
  [["--rule", "orphan-key"], ["orphan-key"]],
  [["--rule", "orphan-key", "--severity", "high"], []],
  [
    ["--limit", "2"],
    ["key-open", "rotation-off"],
  ],
])("they are filtered by %j", async (options, rules) => {
  const { out } = await runCommand(["findings", "--json", ...options], operator());
  expect(rulesOf(out)).toEqual(rules);
  expect(JSON.parse(out).limitReached).toBe(options.includes("--limit"));
});

test("one tenant's are read alone", async () => {
  const asked: string[] = [];
  const openFindingsOfTenant = async (_: unknown, tenantId: string) => {
    asked.push(tenantId);
    return [stored("key-open")];
  };
  const { out } = await runCommand(["findings", "--tenant", "acme", "--json"], fakeOperator({ openFindingsOfTenant }));
  expect(asked).toEqual(["acme"]);
  expect(JSON.parse(out).findings).toMatchObject([
    { ruleId: "key-open", repairer: "automatic", help: "docs/findings.md#key-open", firstSeenAtMs: expect.anything() },
  ]);
});

test("closed findings are a tenant's history, with their end", async () => {
  const limits: number[] = [];
  const closed = [stored("key-open", { closedAtMs: at("2026-11-25T00:00:00Z") }), stored("alias-missing")];
  const findingHistory = async (_run: unknown, _tenant: unknown, limit: number) => {
    limits.push(limit);
    return closed.slice(0, limit);
  };
  const args = ["findings", "--tenant", "acme", "--closed"];
  const { out } = await runCommand(args, fakeOperator({ findingHistory }));
  expect(out).toContain("critical  2026-11-24T08:00:00Z  2026-11-25T00:00:00Z  acme");
  const filtered = await runCommand([...args, "--rule", "alias-missing", "--json"], fakeOperator({ findingHistory }));
  expect(rulesOf(filtered.out)).toEqual(["alias-missing"]);
  expect(limits).toEqual([101, 10_000]);
});

test("no finding is said to be none, and more than shown to be more", async () => {
  const none = await runCommand(["findings"], fakeOperator({ openFindings: () => generate([]) }));
  expect(none).toMatchObject({ exitCode: 0, out: "no open findings\n" });
  expect((await runCommand(["findings", "--limit", "1"], operator())).err).toContain("more than the 1 shown");
});
