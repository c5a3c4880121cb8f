import { readFile } from "node:fs/promises";
import type { DeployedStage, PolicyIssue, ValidatedPolicies } from "@tenantkeys/aws";
import {
  asTenantKeysError,
  parseAccountId,
  parseRegion,
  parseStageSettings,
  stageContext,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Command } from "commander";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Output } from "../output.ts";
import { countText } from "../plain-text.ts";
import type { CliPorts } from "../ports.ts";
import { textTable } from "../text-table.ts";
import { type Act, type ActOutside, addExamples } from "./command.ts";

/** What Access Analyzer calls an error can't be used; all else is a matter of opinion, and said. */
async function validate(output: Output, ask: () => Promise<ValidatedPolicies>): Promise<ExitCode> {
  try {
    const { policies, issues } = await ask();
    const errors = issues.filter(({ severity }) => severity === "error").length;
    output.answer({ policies, errors, issues }, () => {
      const counted = `${countText(policies, "policy document")} validated: ${countText(errors, "error")}, `;
      return `${issues.length === 0 ? "" : `${issueTable(issues)}\n`}${counted}${issues.length - errors} for information\n`;
    });
    return errors > 0 ? EXIT.differs : EXIT.done;
  } catch (error) {
    output.error(asTenantKeysError(error));
    output.note("nothing was validated: IAM Access Analyzer isn't there, as on the local AWS, or refuses");
    return EXIT.unknown;
  }
}

function issueTable(issues: readonly PolicyIssue[]): string {
  return textTable(
    ["SEVERITY", "CODE", "POLICY", "DETAILS", "READ"],
    issues.map(({ severity, code, policies, details, link }) => [severity, code, policies.join(", "), details, link]),
  );
}

/**
 * @param path a file, or `-` for standard input
 * @throws TenantKeysError `input_unreadable` or `settings_invalid`
 */
async function readStage(path: string, ports: CliPorts): Promise<DeployedStage> {
  const { settings, accountId, region } = parseObject(path, await readText(path, ports));
  const parsed = parseStageSettings(settings);
  const context = stageContext(parsed, parseAccountId(String(accountId)), parseRegion(String(region)));
  return { settings: parsed, context };
}

async function readText(path: string, ports: CliPorts): Promise<string> {
  if (path === "-") return ports.readStdin();
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new TenantKeysError("input_unreadable", `${path} can't be read`, { cause });
  }
}

function parseObject(path: string, text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    throw new TenantKeysError("input_unreadable", `${path}: not JSON`, { cause });
  }
  throw new TenantKeysError("input_unreadable", `${path}: expected an object with settings, accountId and region`);
}

export function addValidatePolicies(program: Command, act: Act, outside: ActOutside): void {
  const command = program
    .command("validate-policies")
    .description("have IAM Access Analyzer validate the policies that a stage's settings make; changes nothing")
    .argument("[file]", "settings, accountId and region as JSON, or - for standard input (default: the deployed stage)")
    .action((file: string | undefined) =>
      file === undefined
        ? act(({ operator, run, output }) => validate(output, () => operator.validatePolicies(run)))
        : outside(async ({ at, run, output, ports }) => {
            const stage = await readStage(file, ports);
            return validate(output, () => ports.validatePolicies(at, run, stage));
          }),
    );
  addExamples(command, ["tenantkeys validate-policies --stage production", "tenantkeys validate-policies stage.json"]);
}
