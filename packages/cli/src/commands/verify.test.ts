import type { Operator, VerifiedTenantKey, VerifyOptions } from "@tenantkeys/aws";
import {
  type Finding,
  finding,
  findingId,
  parseKeyArn,
  parseKeyName,
  parseTenantId,
  RULE_IDS,
  type RuleId,
  TenantKeysError,
} from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { fakeOperator, generate, keyRecord, runCommand, sweep } from "../test-support.ts";

const ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/1234");
const at = (text: string) => Date.parse(text);

function found(ruleId: RuleId, tenant = "acme"): Finding {
  const about = { tenantId: parseTenantId(tenant), keyName: parseKeyName("default"), resource: ARN };
  return finding(ruleId, { ...about, expected: "enabled", seen: "Disabled" });
}

function verified(findings: readonly Finding[]): VerifiedTenantKey {
  const opened = findings.map((one) => {
    const times = { firstSeenAtMs: at("2026-11-24T08:00:00Z"), lastSeenAtMs: at("2026-11-24T09:00:00Z") };
    return { ...one, findingId: findingId(one), ...times };
  });
  const attributes = { keyArn: ARN, nistState: "active", fipsLevel: "140-3 level 3", grants: 2 } as const;
  return {
    record: keyRecord(),
    verdict: { findings, unjudged: [], attributes },
    changes: { opened, stillOpen: [], closed: [] },
  };
}

function operatorOf(findings: readonly Finding[], changes: Partial<Operator> = {}): Operator {
  return fakeOperator({
    keysOfTenant: async () => [keyRecord()],
    verifyKey: async () => verified(findings),
    sweeps: async () => ({ current: undefined, ended: [] }),
    ...changes,
  });
}

const tenants = (count: number) =>
  Array.from({ length: count }, (_, index) => keyRecord({ tenantId: parseTenantId(`t${index}`) }));

describe("the exit code of verify", () => {
  test.each([
    ["nothing is found", [], 0],
    ["a deletion is intended", ["key-pending-deletion-intended"], 0],
    ["something is found", ["key-disabled"], 2],
    ["something couldn't be read", ["could-not-verify"], 3],
    ["something is found and something couldn't be read", ["could-not-verify", "rotation-off"], 2],
    ["something couldn't be read and a deletion is intended", ["could-not-verify", "key-pending-deletion-intended"], 3],
  ] as const)("where %s", async (_, rules, exitCode) => {
    const operator = operatorOf(rules.map((ruleId) => found(ruleId)));
    expect((await runCommand(["verify", "acme"], operator)).exitCode).toBe(exitCode);
  });

  test("is 1 where the tenant isn't known", async () => {
    const { exitCode, err } = await runCommand(["verify", "acme"], operatorOf([], { keysOfTenant: async () => [] }));
    expect(exitCode).toBe(1);
    expect(err).toContain("error: tenant_unknown");
  });
});

test("a tenant's findings are shown with since when, who repairs them and where to read on", async () => {
  const { out } = await runCommand(["verify", "acme"], operatorOf([found("rotation-off"), found("key-open")]));
  const rows = out.split("\n").map((line) => line.split(/ {2,}/));
  expect(rows.slice(0, 2)).toEqual([
    ["KEY", "NIST STATE", "FIPS 140", "LAST ROTATED", "NEXT ROTATION", "GRANTS", "FINDINGS"],
    ["default", "active", "140-3 level 3", "-", "-", "2", "2"],
  ]);
  expect(rows.slice(4, 6)).toEqual([
    ["critical", "2026-11-24T08:00:00Z", "acme", "default", "key-open", "tenantkeys", ARN, "Disabled"],
    ["high", "2026-11-24T08:00:00Z", "acme", "default", "rotation-off", "tenantkeys", ARN, "Disabled"],
  ]);
  expect(out).toContain("docs/findings.md#key-open");
  expect(out).toContain("1 key verified: 2 findings, 0 could not be verified, 0 for information, 0 closed");
});

test("programs get the findings with their identity, and each key's attributes", async () => {
  const { out, err } = await runCommand(["verify", "acme", "--json"], operatorOf([found("key-disabled")]));
  expect(err).toBe("");
  expect(JSON.parse(out)).toMatchObject({
    counts: { verified: 1, findings: 1, closed: 0, failed: 0 },
    keys: [{ tenantId: "acme", keyName: "default", findings: 1, attributes: { nistState: "active" } }],
    findings: [
      {
        findingId: `key-disabled/acme/default/${ARN}`,
        ruleId: "key-disabled",
        severity: "high",
        repairer: "person",
        help: "docs/findings.md#key-disabled",
        firstSeenAtMs: at("2026-11-24T08:00:00Z"),
      },
    ],
    failed: [],
  });
});

test("what wasn't recorded is shown without a time", async () => {
  const seen: VerifyOptions[] = [];
  const verifyKey: Operator["verifyKey"] = async (_run, _tenant, _key, options) => {
    seen.push(options);
    options.onUntold(new TenantKeysError("access_denied", "securityhub:BatchImportFindings: no"));
    return { ...verified([found("key-disabled")]), changes: { opened: [], stillOpen: [], closed: [] } };
  };
  const args = ["verify", "acme", "--no-record", "--as-caller", "--no-grants"];
  const { out, err, exitCode } = await runCommand(args, operatorOf([], { verifyKey }));
  expect(exitCode).toBe(2);
  expect(out).toMatch(/^high {6}- /m);
  expect(err).toContain("Security Hub wasn't told: access_denied");
  expect(seen).toMatchObject([{ depth: { grants: false, rotations: false }, asCaller: true, record: false }]);
});

test.each([
  [["verify", "acme"], true],
  [["verify", "--all"], false],
  [["verify", "--all", "--grants"], true],
])("grants and past rotations are read by default of one tenant only: %j", async (args, grants) => {
  const seen: unknown[] = [];
  const verifyKey: Operator["verifyKey"] = async (_run, _tenant, _key, options) => {
    seen.push(options);
    return verified([]);
  };
  await runCommand(args, operatorOf([], { verifyKey, listKeys: () => generate([keyRecord()]) }));
  expect(seen).toMatchObject([{ depth: { grants, rotations: grants }, asCaller: false, record: true }]);
});

test("only the key that was named is verified", async () => {
  const looked: string[] = [];
  const verifyKey: Operator["verifyKey"] = async (_run, _tenant, keyName) => {
    looked.push(keyName);
    return verified([]);
  };
  const keysOfTenant = async () => [keyRecord(), keyRecord({ keyName: parseKeyName("payroll") })];
  const operator = operatorOf([], { verifyKey, keysOfTenant });
  await runCommand(["verify", "acme", "--key-name", "payroll"], operator);
  expect(looked).toEqual(["payroll"]);
  const unknown = await runCommand(["verify", "acme", "--key-name", "nothing"], operator);
  expect(unknown).toMatchObject({ exitCode: 1, err: expect.stringContaining("key_unknown") });
});

test("a key that a worker has in hand isn't known to be right", async () => {
  const verifyKey = async () => ({
    ...verified([]),
    verdict: { findings: [], unjudged: RULE_IDS, attributes: undefined },
  });
  const { exitCode, err } = await runCommand(["verify", "acme"], operatorOf([], { verifyKey }));
  expect(exitCode).toBe(3);
  expect(err).toContain("not verified: acme/default: lease_taken");
});

describe("verify --all", () => {
  const denied = () => new TenantKeysError("access_denied", "kms:DescribeKey: not authorized");

  test("goes on after a key that fails, and names it", async () => {
    const verifyKey: Operator["verifyKey"] = async (_, tenantId) => {
      if (tenantId === "t1") throw denied();
      return verified([]);
    };
    const operator = operatorOf([], { verifyKey, listKeys: () => generate(tenants(30)) });
    const { exitCode, out, err } = await runCommand(["verify", "--all"], operator);
    expect(exitCode).toBe(3);
    expect(out).toContain("29 keys verified: 0 findings, 1 could not be verified");
    expect(err).toContain("not verified: t1/default: access_denied: kms:DescribeKey: not authorized");
    const json = await runCommand(["verify", "--all", "--json"], operator);
    expect(JSON.parse(json.out)).toMatchObject({
      counts: { verified: 29, failed: 1 },
      failed: [{ tenantId: "t1", error: { code: "access_denied" } }],
    });
  });

  test("says when the last sweep was, or why one is overdue", async () => {
    const listKeys = () => generate([keyRecord()]);
    const never = await runCommand(["verify", "--all"], operatorOf([], { listKeys }));
    expect(never).toMatchObject({
      exitCode: 0,
      err: "overdue: no sweep was ever begun, and one is due every 60 minutes\n",
    });
    const sweeps = async () => ({ current: sweep({ startedAtMs: 0, phase: "closed" }), ended: [] });
    const operator = operatorOf([], { listKeys, sweeps });
    expect((await runCommand(["verify", "--all"], operator)).err).toBe(
      "the last sweep began at 1970-01-01T00:00:00Z\n",
    );
    const { out } = await runCommand(["verify", "--all", "--json"], operator);
    expect(JSON.parse(out).sweep).toEqual({ startedAtMs: 0 });
  });

  test("gives up where nothing works at all", async () => {
    let calls = 0;
    const verifyKey = async () => {
      calls += 1;
      throw denied();
    };
    const operator = operatorOf([], { verifyKey, listKeys: () => generate(tenants(500)) });
    const { exitCode, err } = await runCommand(["verify", "--all"], operator);
    expect(exitCode).toBe(3);
    expect(calls).toBeLessThan(40);
    expect(err).toContain("stopped before everything was looked at: the first 20 keys all failed");
  });

  test.each(["deadline_near", "rate_limited"] as const)(
    "ends where its time is over, and says so: %s",
    async (code) => {
      const verifyKey = async () => {
        throw new TenantKeysError(code, "too late");
      };
      const operator = operatorOf([], { verifyKey, listKeys: () => generate(tenants(500)) });
      const { exitCode, out } = await runCommand(["verify", "--all", "--json"], operator);
      expect(exitCode).toBe(3);
      expect(JSON.parse(out).stopped).toBe("the command's time was over");
    },
  );

  test("looks at a bounded number of keys at once, and reads no further ahead", async () => {
    let atOnce = 0;
    let most = 0;
    let begun = 0;
    let ahead = 0;
    async function* listKeys() {
      for (const [index, key] of tenants(100).entries()) {
        ahead = Math.max(ahead, index - begun);
        yield key;
      }
    }
    const verifyKey = async () => {
      begun += 1;
      atOnce += 1;
      most = Math.max(most, atOnce);
      await new Promise((resolve) => setImmediate(resolve));
      atOnce -= 1;
      return verified([]);
    };
    const { out } = await runCommand(["verify", "--all"], operatorOf([], { verifyKey, listKeys }));
    expect(out).toContain("100 keys verified");
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(8);
    expect(ahead).toBeLessThanOrEqual(8);
  });
});
