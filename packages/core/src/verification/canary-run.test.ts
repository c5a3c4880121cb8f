import { describe, expect, test } from "vitest";
import { CANARY_TENANTS, NOBODYS_TENANT_ID } from "../canary.ts";
import { parseKeyArn, parseRoleArn } from "../ids.ts";
import {
  attemptOutcome,
  attemptText,
  breachFindings,
  type CanaryAttempt,
  type CanaryResult,
  canaryAttempts,
  canaryLateness,
  canaryState,
  countOutcomes,
  isComplete,
  type TriedAttempt,
} from "./canary-run.ts";

const MODES = ["per-tenant", "session-tag"] as const;
const resourcesOf = (name: "a" | "b") => ({
  keyArn: parseKeyArn(`arn:aws:kms:eu-west-1:111122223333:key/${name}`),
  roleArn: parseRoleArn(`arn:aws:iam::111122223333:role/${name}`),
});
const RESOURCES = { a: resourcesOf("a"), b: resourcesOf("b") };

/** Everything as it must be, but for what `changes` says of some. */
function tried(changes: (attempt: CanaryAttempt) => CanaryResult | undefined = () => undefined): TriedAttempt[] {
  return canaryAttempts("per-tenant").map((attempt) => ({
    ...attempt,
    result: changes(attempt) ?? (attempt.must === "work" ? "worked" : "refused"),
  }));
}

describe.each(MODES)("in role mode %s", (mode) => {
  const attempts = canaryAttempts(mode);
  const texts = attempts.map(attemptText);

  test("nothing is tried twice, and what must work comes before what needs it", () => {
    expect(new Set(texts).size).toBe(attempts.length);
    const [first] = attempts.flatMap(({ must }, index) => (must === "be-refused" ? [index] : []));
    expect(attempts.slice(0, first).map(({ must }) => must)).toEqual(Array.from({ length: 8 }, () => "work"));
    expect(attempts.slice(first).every(({ must }) => must === "be-refused")).toBe(true);
  });

  test("each tenant does to the other all that it may do itself and more, and the canary tries it as itself", () => {
    const forbidden = (by: string, of: string) =>
      attempts.filter((one) => one.by === by && one.of === of && one.must === "be-refused").map(({ action }) => action);
    const own = attempts.filter(({ by, of }) => by === "a" && of === "a").map(({ action }) => action);
    expect(forbidden("a", "b")).toEqual(expect.arrayContaining([...own, "kms:ReEncryptFrom", "kms:CreateGrant"]));
    expect(forbidden("b", "a")).toEqual(forbidden("a", "b"));
    expect(forbidden("canary", "a")).toEqual(expect.arrayContaining(own));
  });

  test("nothing that destroys or changes a key is tried", () => {
    const actions = new Set(attempts.map(({ action }) => action));
    expect([...actions].filter((action) => /Put|Schedule|Disable|Delete|Update|Tag/.test(action))).toEqual([]);
  });
});

test("a tenant's role is asked for as the other tenant and as none; the shared one as a tenant that is nobody's", () => {
  const tags = (mode: (typeof MODES)[number]) =>
    canaryAttempts(mode).flatMap((one) =>
      one.action === "sts:AssumeRole" && one.by === "canary" && one.must === "be-refused" ? [[one.of, one.tag]] : [],
    );
  const { a, b } = CANARY_TENANTS;
  expect(tags("per-tenant")).toEqual([
    ["a", b],
    ["a", undefined],
    ["b", a],
    ["b", undefined],
  ]);
  expect(tags("session-tag").map(([, tag]) => tag)).toEqual([
    NOBODYS_TENANT_ID,
    undefined,
    NOBODYS_TENANT_ID,
    undefined,
  ]);
});

test.each([
  ["work", "worked", "as-expected"],
  ["work", "refused", "failure"],
  ["work", "failed", "failure"],
  ["work", "not-tried", "failure"],
  ["be-refused", "refused", "as-expected"],
  ["be-refused", "worked", "breach"],
  ["be-refused", "failed", "failure"],
  ["be-refused", "not-tried", "failure"],
] as const)("what must %s and %s is: %s", (must, result, outcome) => {
  expect(attemptOutcome({ must, result })).toBe(outcome);
});

describe("a run", () => {
  const onB: (attempt: CanaryAttempt) => CanaryResult | undefined = ({ by, of, action }) =>
    by === "a" && of === "b" && (action === "kms:Decrypt" || action === "kms:Encrypt") ? "worked" : undefined;

  test("passes where everything is as it must be", () => {
    expect(canaryState(countOutcomes(tried()))).toBe("passed");
    expect(isComplete({ state: "passed", attempts: tried() })).toBe(true);
    expect(breachFindings(tried(), RESOURCES)).toEqual([]);
  });

  test("is breached by one that worked, whatever failed beside it, and then isn't complete", () => {
    const attempts = tried((attempt) => onB(attempt) ?? (attempt.action === "kms:CreateGrant" ? "failed" : undefined));
    expect(canaryState(countOutcomes(attempts))).toBe("breached");
    expect(isComplete({ state: "breached", attempts })).toBe(false);
    expect(isComplete({ state: "not-ready", attempts: [] })).toBe(false);
  });

  test("opens one finding per key that somebody reached, with what they could do", () => {
    expect(breachFindings(tried(onB), RESOURCES)).toEqual([
      {
        ruleId: "canary-breach",
        severity: "critical",
        tenantId: "tenantkeys-canary-b",
        keyName: "default",
        resource: RESOURCES.b.keyArn,
        expected: "refused to everybody but its own tenant",
        seen: "worked: kms:Encrypt with b's key by tenant a; kms:Decrypt with b's key by tenant a",
      },
    ]);
  });

  test("opens one of its own for a role that somebody took on", () => {
    const attempts = tried(({ by, of, action, must }) =>
      by === "canary" && of === "a" && action === "sts:AssumeRole" && must === "be-refused" ? "worked" : undefined,
    );
    expect(breachFindings(attempts, RESOURCES)).toMatchObject([
      {
        keyName: undefined,
        resource: RESOURCES.a.roleArn,
        seen: "worked: sts:AssumeRole of a's role, tagged tenantkeys-canary-b, by the canary itself; sts:AssumeRole of a's role, without a tag, by the canary itself",
      },
    ]);
  });
});

test("a canary is late when no run was answered in full for two intervals and ten minutes", () => {
  const at = (minutes: number, state: "passed" | "failed" | "breached", attempts = tried()) => ({
    startedAtMs: minutes * 60_000,
    state,
    attempts,
  });
  const failed = at(
    39,
    "failed",
    tried(({ action }) => (action === "kms:Encrypt" ? "failed" : undefined)),
  );
  const late = (runs: Parameters<typeof canaryLateness>[0], minutes: number) =>
    canaryLateness(runs, minutes * 60_000, 15);
  expect(late([failed, at(0, "passed")], 40)).toBeUndefined();
  expect(late([failed, at(0, "passed")], 41)).toContain("the last began at 1970-01-01T00:00:00.000Z");
  expect(late([at(39, "breached"), at(0, "passed")], 41)).toBeUndefined();
  expect(late([failed], 40)).toContain("there is none");
  expect(late([], 0)).toContain("every 15 minutes, and there is none");
});
