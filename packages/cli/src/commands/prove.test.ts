import type { LiveOptions, LiveProof, Operator, Proven, ProveOptions, Tried } from "@tenantkeys/aws";
import {
  type Breach,
  type KeyProof,
  parseKeyArn,
  parseKeyName,
  parseRoleArn,
  parseTenantId,
  TenantKeysError,
} from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { fakeOperator, runCommand } from "../test-support.ts";

const [acme, globex] = [parseTenantId("acme"), parseTenantId("globex")];
const KEY_NAME = parseKeyName("default");
const ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/1234");
const ROLE = parseRoleArn("arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-globex");
const BREACH: Breach = {
  kind: "key-policy",
  resource: ARN,
  statement: "Added\u001b[2J",
  reason: `lets in ${ROLE}`,
  document: { Sid: "Added", Effect: "Allow" },
  letsIn: [ROLE],
  tenants: [globex],
};
const TRIED: Tried = { attempt: "kms:Decrypt", session: globex, tenantId: acme, keyName: KEY_NAME, resource: ARN };

function keyProof(changes: Partial<KeyProof> = {}): KeyProof {
  return {
    tenantId: acme,
    keyName: KEY_NAME,
    keyArn: ARN,
    part: "current",
    verdict: "contained",
    breaches: [],
    unproven: [],
    own: { kind: "allowed" },
    openTo: [],
    remarks: [],
    ...changes,
  };
}

const BROKEN = keyProof({ verdict: "broken", breaches: [BREACH], openTo: [globex] });
const UNREAD = keyProof({ verdict: "not-proven", unproven: ["kms:GetKeyPolicy denied: no"] });

function proven(...keys: readonly KeyProof[]): Proven {
  const pairs = { pairsRefused: 1, pairsBroken: 0, pairsNotProven: 0 };
  const own = { ownAllowed: 2, ownShut: 0, ownUnknown: 0 };
  return { proof: { keys, remarks: [], counts: { tenants: 2, keys: keys.length, ...pairs, ...own } }, tenants: [] };
}

function tried(changes: Partial<LiveProof> = {}): LiveProof {
  const own = { worked: 2, shut: 0, failed: 0, notTried: 0 };
  const parts = [{ attempt: "kms:Decrypt", own, others: { refused: 2, worked: 0, notTried: 0 } }] as const;
  const nothing = { alarms: [], failures: [], notTried: [] };
  return { applicationRoleArn: ROLE, pairs: { tried: 2, total: 2 }, parts, ...nothing, ...changes };
}

function operatorOf(found: Proven, live: LiveProof = tried(), changes: Partial<Operator> = {}) {
  const calls: { readonly prove: ProveOptions[]; readonly live: LiveOptions[] } = { prove: [], live: [] };
  const operator = fakeOperator({
    prove: async (_run, options) => {
      calls.prove.push(options);
      return found;
    },
    tryPairs: async (_run, _proven, options) => {
      calls.live.push(options);
      return live;
    },
    ...changes,
  });
  return { operator, calls };
}

const notTried = (isExpected: boolean) => ({
  notTried: [{ attempt: "kms:Decrypt", reason: "ThrottlingException", isExpected, count: 3, example: TRIED }] as const,
});
const failed = { ...TRIED, session: acme, error: new TenantKeysError("access_denied", "kms:Decrypt: no") };

describe("the exit code of prove", () => {
  test.each([
    ["every key is contained", [keyProof()], 0],
    ["one is broken", [keyProof(), BROKEN], 2],
    ["one couldn't be read", [keyProof(), UNREAD], 3],
    ["there is none, so that nothing is proven", [], 3],
    ["one is broken and one couldn't be read", [UNREAD, BROKEN], 2],
  ] as const)("where %s", async (_, keys, exitCode) => {
    expect((await runCommand(["prove"], operatorOf(proven(...keys)).operator)).exitCode).toBe(exitCode);
  });

  test.each([
    ["all that was tried went as it must", tried(), 0],
    ["something worked and must not", tried({ alarms: [TRIED] }), 2],
    ["a tenant's own use failed", tried({ failures: [failed] }), 2],
    ["something couldn't be tried", tried(notTried(false)), 3],
    ["what wasn't tried can't be, by what is declared", tried(notTried(true)), 0],
  ])("with --live, where %s", async (_, live, exitCode) => {
    const { operator } = operatorOf(proven(keyProof()), live);
    expect((await runCommand(["prove", "--live"], operator)).exitCode).toBe(exitCode);
  });
});

test("what breaks a key is told in full, and nothing of it moves the cursor", async () => {
  const { out } = await runCommand(["prove"], operatorOf(proven(BROKEN, UNREAD)).operator);
  expect(out).toContain(
    [
      `BROKEN: acme/default ${ARN}`,
      "  open to globex",
      `  statement Added [2J of the key's policy: lets in ${ROLE}`,
      `    lets in ${ROLE}`,
      '    {"Sid":"Added","Effect":"Allow"}',
    ].join("\n"),
  );
  expect(out).toContain(`not proven: acme/default ${ARN}: kms:GetKeyPolicy denied: no\n`);
  expect(out).toContain("2 tenants with 2 keys: 0 contained, 1 broken, 1 not proven\n");
  expect(out).toMatch(/\nstage dev in account 111122223333, eu-west-1, at 1970-01-01T00:16:40Z\n$/);
});

test("what worked live is explained by the statement that lets it, or told as the worst where none does", async () => {
  const alarms = [TRIED];
  const explained = await runCommand(["prove", "--live"], operatorOf(proven(BROKEN), tried({ alarms })).operator);
  expect(explained.out).toContain(
    `WORKED LIVE: kms:Decrypt by a session of globex on acme/default ${ARN}\n  as statement Added`,
  );
  const { operator } = operatorOf(proven(keyProof()), tried({ alarms }));
  const worst = await runCommand(["prove", "--live"], operator);
  expect(worst.out).toContain("and the documents look contained: take this for the worst");
  expect(JSON.parse((await runCommand(["prove", "--live", "--json"], operator)).out)).toMatchObject({
    stage: "dev",
    accountId: "111122223333",
    provenAtMs: 1_000_000,
    proof: { keys: [{ verdict: "contained" }] },
    live: { alarms: [{ session: "globex", tenantId: "acme", breaches: [] }] },
  });
});

test("what wasn't tried and what failed is told with why", async () => {
  const live = tried({ failures: [failed], ...notTried(false), pairs: { tried: 2, total: 10 } });
  const { out } = await runCommand(["prove", "--live"], operatorOf(proven(keyProof()), live).operator);
  expect(out).toContain(`FAILED LIVE: kms:Decrypt by a session of acme on acme/default ${ARN}\n  kms:Decrypt: no\n`);
  expect(out).toContain("not tried: 3 × kms:Decrypt: ThrottlingException\n");
  expect(out).toContain("; 2 of 10 pairs tried live\n");
});

test("twenty broken keys are shown, and how many more there are", async () => {
  const { operator } = operatorOf(proven(...Array.from({ length: 23 }, () => BROKEN)));
  const { out } = await runCommand(["prove"], operator);
  expect(out.match(/^BROKEN/gm)).toHaveLength(20);
  expect(out).toContain("and 3 more; --json has all\n");
});

test("tenants, role and limit are taken from the command line, or are the stage's", async () => {
  const { operator, calls } = operatorOf(proven(keyProof()));
  await runCommand(["prove", "acme", "globex", "--as-caller"], operator);
  expect(calls.live).toEqual([]);
  await runCommand(["prove", "--live"], operator);
  await runCommand(["prove", "--live", "--application-role", ROLE, "--pairs-max", "7"], operator);
  expect(calls.prove).toMatchObject([
    { tenantIds: ["acme", "globex"], asCaller: true },
    { tenantIds: [], asCaller: false },
    {},
  ]);
  expect(calls.live).toMatchObject([
    { applicationRoleArn: "arn:aws:iam::111122223333:role/app", pairsMax: 10_000 },
    { applicationRoleArn: ROLE, pairsMax: 7 },
  ]);
});

test.each([
  [["prove", "ACME"]],
  [["prove", "--application-role", ROLE]],
  [["prove", "--pairs-max", "7"]],
  [["prove", "--live", "--pairs-max", "0"]],
])("%j is used wrongly", async (args) => {
  expect((await runCommand(args)).exitCode).toBe(64);
});

test("a tenant that isn't known ends it", async () => {
  const prove = async () => {
    throw new TenantKeysError("tenant_unknown", "no key of tenant acme");
  };
  const { exitCode, err } = await runCommand(["prove", "acme"], fakeOperator({ prove }));
  expect([exitCode, err]).toEqual([1, expect.stringContaining("error: tenant_unknown")]);
});
