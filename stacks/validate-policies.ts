/**
 * Where the stage's settings say so, IAM Access Analyzer looks at every policy that they make, before anything is
 * deployed. The command line asks it, in a process of its own: stacks know no SDK.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { type AccountId, type Region, type StageSettings, TenantKeysError } from "@tenantkeys/core";

/** As docs/cli.md has them. */
const EXIT_ERRORS_FOUND = 2;
const TIMEOUT_MS = 5 * 60 * 1000;
const OUTPUT_BYTES_MAX = 10 * 1024 * 1024;

/** @throws TenantKeysError `settings_invalid` where Access Analyzer finds errors; that it can't be asked is only said */
export async function validatePolicies(settings: StageSettings, accountId: AccountId, region: Region): Promise<void> {
  if (!settings.accessAnalyzer || $cli.command !== "deploy") return;
  const { exitCode, said } = await ask(JSON.stringify({ settings, accountId, region }), region);
  if (exitCode === EXIT_ERRORS_FOUND) {
    throw new TenantKeysError(
      "settings_invalid",
      `IAM Access Analyzer finds errors in policies of the stage:\n${said}`,
    );
  }
  const outcome = exitCode === 0 ? "Policies of the stage" : "Policies of the stage could not be validated";
  process.stderr.write(`${outcome}:\n${said}`);
}

function ask(stage: string, region: Region): Promise<{ readonly exitCode: number; readonly said: string }> {
  const command = join($cli.paths.root, "packages/cli/bin/tenantkeys.mjs");
  const env = { ...process.env, AWS_REGION: region };
  const options = { env, timeout: TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [command, "validate-policies", "-"], options, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ exitCode, said: stdout + stderr });
    });
    // A command that ended early has said why.
    child.stdin?.on("error", () => {});
    child.stdin?.end(stage);
  });
}
