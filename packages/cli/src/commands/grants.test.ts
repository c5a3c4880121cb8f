import type { GrantsOfKey, ListedGrant, Operator } from "@tenantkeys/aws";
import { jobGrantName, jobOfGrant, parseKeyArn, parseKeyName } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { fakeOperator, keyRecord, runCommand } from "../test-support.ts";

const KEY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/1234");
const JOB = "arn:aws:iam::111122223333:role/jobs/nightly";
const ENDS_AT = "2026-11-24T12:00:00Z";

function grant(changes: Partial<ListedGrant> = {}): ListedGrant {
  const name = jobGrantName(Date.parse(ENDS_AT), "nightly-7");
  return {
    grantId: "grant-1",
    granteePrincipal: JOB,
    issuingAccount: "arn:aws:iam::111122223333:root",
    operations: ["Decrypt", "RetireGrant"],
    encryptionContext: { tenant: "acme" },
    createdAtMs: Date.parse("2026-11-24T09:30:00Z"),
    keyArn: KEY_ARN,
    kind: "allowed",
    name,
    job: jobOfGrant(name),
    ...changes,
  };
}
const STRANGERS = grant({
  grantId: "grant-2",
  kind: "foreign",
  granteePrincipal: "somebody",
  name: undefined,
  job: undefined,
});

function operatorOf(grants: readonly ListedGrant[], changes: Partial<GrantsOfKey> = {}): Operator {
  return fakeOperator({
    keysOfTenant: async () => [keyRecord()],
    listGrants: async (_run, _tenant, keyName) => ({ keyName, isOwnKey: false, grants, ...changes }),
  });
}

test("each grant is a line: its state, whose job's it is and until when, its grantee and operations", async () => {
  const { exitCode, out, err } = await runCommand(["grants", "acme"], operatorOf([grant()]));
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: "" });
  expect(out.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
    ["KEY", "STATE", "JOB", "ENDS", "GRANTEE", "OPERATIONS", "MADE", "REGION", "GRANT"],
    [
      "default",
      "allowed",
      "nightly-7",
      ENDS_AT,
      JOB,
      "Decrypt,RetireGrant",
      "2026-11-24T09:30:00Z",
      "eu-west-1",
      "grant-1",
    ],
    [""],
  ]);
});

test("with --json a grant has its state, its job, its end and what KMS says of it", async () => {
  const { out } = await runCommand(["grants", "acme", "--json"], operatorOf([grant(), STRANGERS]));
  expect(JSON.parse(out)).toMatchObject({
    tenantId: "acme",
    keys: [
      {
        keyName: "default",
        grants: [
          { state: "allowed", jobId: "nightly-7", endsAtMs: Date.parse(ENDS_AT), grantId: "grant-1", keyArn: KEY_ARN },
          { state: "foreign", granteePrincipal: "somebody" },
        ],
      },
    ],
  });
});

describe("the exit code of grants", () => {
  test.each([
    ["where there is none", [], 0],
    ["where all are allowed", [grant()], 0],
    ["where one is over", [grant(), grant({ kind: "stale" })], 2],
    ["where one is a stranger's", [STRANGERS], 2],
  ] as const)("%s", async (_, grants, exitCode) => {
    const result = await runCommand(["grants", "acme"], operatorOf(grants));
    expect(result.exitCode).toBe(exitCode);
    if (exitCode === 2) expect(result.err).toContain("1 grant that shouldn't be there: tenantkeys verify acme");
  });
});

test("a key of the tenant's own account is said to be its owner's to look at", async () => {
  const { exitCode, out, err } = await runCommand(["grants", "acme"], operatorOf([], { isOwnKey: true }));
  expect({ exitCode, out }).toEqual({ exitCode: 0, out: "no grants\n" });
  expect(err).toContain("key default is of the tenant's own account");
});

test("one key is read, or every key of the tenant, as the auditor or as the caller", async () => {
  const asked: unknown[] = [];
  const operator = fakeOperator({
    keysOfTenant: async () => [keyRecord(), keyRecord({ keyName: parseKeyName("payroll") })],
    listGrants: async (_run, _tenant, keyName, { asCaller }) => {
      asked.push([keyName, asCaller]);
      return { keyName, isOwnKey: false, grants: [] };
    },
  });
  await runCommand(["grants", "acme"], operator);
  await runCommand(["grants", "acme", "--key-name", "payroll", "--as-caller"], operator);
  expect(asked).toEqual([
    ["default", false],
    ["payroll", false],
    ["payroll", true],
  ]);
  expect((await runCommand(["grants", "acme", "--key-name", "nothing"], operator)).err).toContain("key_unknown");
});
