import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PolicyIssue, ValidatedPolicies } from "@tenantkeys/aws";
import { TenantKeysError } from "@tenantkeys/core";
import { expect, test } from "vitest";
import type { CliPorts } from "../ports.ts";
import { fakeOperator, runCommand } from "../test-support.ts";

const STAGE = {
  settings: { stage: "staging", applicationRoleArns: ["arn:aws:iam::111122223333:role/app"] },
  accountId: "111122223333",
  region: "eu-west-1",
};

function issue(severity: PolicyIssue["severity"]): PolicyIssue {
  const policies = ["profile default: key in use"];
  return { policies, severity, code: "SOME_CODE", details: "something about it", link: "https://example.com" };
}

const outside = (answer: ValidatedPolicies): Partial<CliPorts> => ({
  readStdin: async () => JSON.stringify(STAGE),
  validatePolicies: async () => answer,
});

test.each([
  ["nothing", [], 0],
  ["a warning and a suggestion", [issue("security-warning"), issue("suggestion")], 0],
  ["an error", [issue("warning"), issue("error")], 2],
] as const)("policies in which %s is found have their exit code", async (_, issues, code) => {
  const answer = { policies: 6, issues };
  const { exitCode, out } = await runCommand(["validate-policies", "-"], undefined, outside(answer));
  expect(exitCode).toBe(code);
  expect(out).toContain("6 policy documents validated");
  if (issues.length > 0) expect(out).toContain("SOME_CODE  profile default: key in use  something about it");
  const deployed = await runCommand(["validate-policies"], fakeOperator({ validatePolicies: async () => answer }));
  expect(deployed).toMatchObject({ exitCode: code, out });
});

test("a stage that isn't deployed yet is validated as it would be, without connecting to it", async () => {
  const asked: unknown[] = [];
  const validatePolicies: CliPorts["validatePolicies"] = async (at, _run, stage) => {
    asked.push({ at, stage: stage.settings.stage, auditor: stage.context.auditorRoleArn });
    return { policies: 6, issues: [] };
  };
  const directory = await mkdtemp(join(tmpdir(), "tenantkeys-"));
  try {
    const file = join(directory, "stage.json");
    await writeFile(file, JSON.stringify(STAGE));
    const { exitCode, connections } = await runCommand(["validate-policies", file], undefined, { validatePolicies });
    expect({ exitCode, connections }).toEqual({ exitCode: 0, connections: [] });
  } finally {
    await rm(directory, { recursive: true });
  }
  const auditor = "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-staging-auditor";
  expect(asked).toEqual([{ at: { region: "eu-west-1", endpoint: undefined }, stage: "staging", auditor }]);
});

test("an Access Analyzer that can't be asked is said, and has the exit code of what isn't known", async () => {
  const denied = async () => {
    throw new TenantKeysError("access_denied", "access-analyzer:ValidatePolicy: not authorized");
  };
  const changes = { ...outside({ policies: 0, issues: [] }), validatePolicies: denied };
  const { exitCode, out, err } = await runCommand(["validate-policies", "-"], undefined, changes);
  expect({ exitCode, out }).toEqual({ exitCode: 3, out: "" });
  expect(err).toContain("error: access_denied: access-analyzer:ValidatePolicy: not authorized");
});

test.each([
  ["{", "input_unreadable"],
  ["7", "input_unreadable"],
  ["{}", "settings_invalid"],
  [JSON.stringify({ ...STAGE, accountId: "1" }), "identifier_invalid"],
])("the input %s is refused", async (text, code) => {
  const readStdin = async () => text;
  const { exitCode, err } = await runCommand(["validate-policies", "-"], undefined, { readStdin });
  expect(exitCode).toBe(1);
  expect(err).toContain(`error: ${code}: `);
});

test("a file that isn't there is refused", async () => {
  const { exitCode, err } = await runCommand(["validate-policies", "/nowhere/stage.json"]);
  expect(exitCode).toBe(1);
  expect(err).toContain("error: input_unreadable: /nowhere/stage.json can't be read");
});
