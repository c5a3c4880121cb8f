import fc from "fast-check";
import { expect, it, test } from "vitest";
import { parseKeyName, parseTenantId } from "../ids.ts";
import { ACME, DEFAULT_KEY } from "../test-support.ts";
import { type Finding, finding, type StoredFinding } from "./finding.ts";
import type { RuleId } from "./finding-rules.ts";
import { type FindingScope, reconcileFindings } from "./reconcile-findings.ts";
import { KEY_ARN, NOW_MS, OTHER_KEY_ARN } from "./test-support.ts";

const SCOPE: FindingScope = { tenantId: ACME, keyName: DEFAULT_KEY, unjudged: [] };
const RULES = ["key-disabled", "rotation-off", "alias-missing", "grant-foreign"] as const satisfies readonly RuleId[];

const fact = (ruleId: RuleId, resource: string = KEY_ARN, changes: Partial<Finding> = {}): Finding => ({
  ...finding(ruleId, { tenantId: ACME, keyName: DEFAULT_KEY, resource, expected: "right", seen: "wrong" }),
  ...changes,
});
const openAfter = (found: readonly Finding[], open: readonly StoredFinding[] = [], nowMs = NOW_MS, scope = SCOPE) => {
  const { opened, stillOpen } = reconcileFindings(open, found, scope, nowMs);
  return [...opened, ...stillOpen];
};
const ids = (findings: readonly StoredFinding[]) => findings.map(({ findingId }) => findingId).sort();

it("opens what is found for the first time", () => {
  expect(reconcileFindings([], [fact("key-disabled")], SCOPE, NOW_MS)).toEqual({
    opened: [
      {
        ...fact("key-disabled"),
        findingId: `key-disabled/acme/default/${KEY_ARN}`,
        firstSeenAtMs: NOW_MS,
        lastSeenAtMs: NOW_MS,
      },
    ],
    stillOpen: [],
    closed: [],
  });
});

it("keeps what is found again open, since when it was first seen, as it is seen now", () => {
  const open = openAfter([fact("material-expiring", KEY_ARN, { severity: "low", seen: "30 days left" })]);
  const again = fact("material-expiring", KEY_ARN, { severity: "medium", seen: "7 days left" });
  const changes = reconcileFindings(open, [again], SCOPE, NOW_MS + 1000);
  expect(changes.opened).toEqual([]);
  expect(changes.closed).toEqual([]);
  expect(changes.stillOpen).toMatchObject([
    { severity: "medium", seen: "7 days left", firstSeenAtMs: NOW_MS, lastSeenAtMs: NOW_MS + 1000 },
  ]);
});

it("closes what was judged and isn't found any more", () => {
  const open = openAfter([fact("key-disabled")]);
  const changes = reconcileFindings(open, [], SCOPE, NOW_MS + 1000);
  expect(changes.closed).toEqual(open.map((one) => ({ ...one, closedAtMs: NOW_MS + 1000 })));
  expect(changes.stillOpen).toEqual([]);
});

it("leaves open what wasn't judged", () => {
  const open = openAfter([fact("grant-foreign"), fact("key-disabled")]);
  const changes = reconcileFindings(open, [], { ...SCOPE, unjudged: ["grant-foreign"] }, NOW_MS + 1000);
  expect(changes.closed.map(({ ruleId }) => ruleId)).toEqual(["key-disabled"]);
  expect(changes.stillOpen.map(({ ruleId, lastSeenAtMs }) => [ruleId, lastSeenAtMs])).toEqual([
    ["grant-foreign", NOW_MS],
  ]);
});

it("opens what is found of a rule that wasn't judged on every key", () => {
  expect(
    reconcileFindings([], [fact("grant-foreign")], { ...SCOPE, unjudged: ["grant-foreign"] }, NOW_MS).opened,
  ).toHaveLength(1);
});

it("closes nothing of rules that a verdict about a tenant key doesn't speak of", () => {
  const open = openAfter([fact("orphan-key"), fact("unusual-use"), fact("public-access")]);
  expect(reconcileFindings(open, [], SCOPE, NOW_MS).closed).toEqual([]);
});

it("closes nothing but what a check says that it judged", () => {
  const open = openAfter([fact("unusual-use"), fact("key-disabled")]);
  const changes = reconcileFindings(open, [], { ...SCOPE, judged: ["unusual-use"] }, NOW_MS);
  expect(changes.closed.map(({ ruleId }) => ruleId)).toEqual(["unusual-use"]);
});

it("closes nothing of another tenant or key", () => {
  const open = openAfter([
    fact("key-disabled", KEY_ARN, { tenantId: parseTenantId("globex") }),
    fact("key-disabled", KEY_ARN, { keyName: parseKeyName("payroll") }),
  ]);
  expect(reconcileFindings(open, [], SCOPE, NOW_MS).closed).toEqual([]);
});

it("closes an orphan's finding, whoever's its tags say, in the stage's own scope", () => {
  const open = openAfter([fact("orphan-key")]);
  const stage: FindingScope = { tenantId: undefined, keyName: undefined, unjudged: [] };
  expect(reconcileFindings(open, [], stage, NOW_MS).closed).toHaveLength(1);
});

it("counts the same fact twice once, as the worse", () => {
  const twice = [
    fact("material-expiring", KEY_ARN, { severity: "low" }),
    fact("material-expiring", KEY_ARN, { severity: "high" }),
    fact("material-expiring", KEY_ARN, { severity: "medium" }),
  ];
  expect(reconcileFindings([], twice, SCOPE, NOW_MS).opened).toMatchObject([{ severity: "high" }]);
});

it("doesn't make a finding younger for a check that ends after a later one", () => {
  const open = openAfter([fact("key-disabled")]);
  expect(openAfter([fact("key-disabled")], open, NOW_MS - 1000)).toMatchObject([{ lastSeenAtMs: NOW_MS }]);
});

const facts = fc.array(
  fc
    .tuple(fc.constantFrom(...RULES), fc.constantFrom(KEY_ARN, OTHER_KEY_ARN))
    .map(([ruleId, arn]) => fact(ruleId, arn)),
  { maxLength: 12 },
);
const checks = fc.array(fc.record({ found: facts, unjudged: fc.uniqueArray(fc.constantFrom<RuleId>(...RULES)) }), {
  minLength: 1,
  maxLength: 8,
});

test("over any history each fact opens once for each time that it closed, and none closes unjudged or unopened", () => {
  let closings = 0;
  fc.assert(
    fc.property(checks, (history) => {
      let open: readonly StoredFinding[] = [];
      for (const [index, { found, unjudged }] of history.entries()) {
        const changes = reconcileFindings(open, found, { ...SCOPE, unjudged }, NOW_MS + index);
        const before = ids(open);
        open = [...changes.opened, ...changes.stillOpen];
        expect(new Set(ids(open)).size).toBe(open.length);
        expect(ids(changes.opened).filter((id) => before.includes(id))).toEqual([]);
        expect([...ids(changes.stillOpen), ...ids(changes.closed)].sort()).toEqual(before);
        for (const one of changes.closed) {
          expect(unjudged).not.toContain(one.ruleId);
          expect(found.some((fact) => fact.ruleId === one.ruleId && fact.resource === one.resource)).toBe(false);
        }
        closings += changes.closed.length;
      }
    }),
    { numRuns: 500 },
  );
  expect(closings).toBeGreaterThan(200);
});

test("the order of what is found and what is open makes no difference", () => {
  const shuffled = <T>(items: readonly T[]) => fc.shuffledSubarray([...items], { minLength: items.length });
  const arbitrary = fc.tuple(facts, facts).chain(([before, after]) => {
    const open = openAfter(before);
    return fc.record({
      open: fc.constant(open),
      after: fc.constant(after),
      openAgain: shuffled(open),
      again: shuffled(after),
    });
  });
  fc.assert(
    fc.property(arbitrary, ({ open, after, openAgain, again }) => {
      const one = reconcileFindings(open, after, SCOPE, NOW_MS + 1);
      const other = reconcileFindings(openAgain, again, SCOPE, NOW_MS + 1);
      for (const kind of ["opened", "stillOpen", "closed"] as const) expect(ids(other[kind])).toEqual(ids(one[kind]));
    }),
  );
});
