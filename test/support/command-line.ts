/** Runs the `tenantkeys` command as an operator would: a process of its own, with no more than the operator's policy. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { AttachRolePolicyCommand, CreateRoleCommand } from "@aws-sdk/client-iam";
import type { Credentials } from "@tenantkeys/aws";
import { SYSTEM_PATH, stageNames } from "@tenantkeys/core";
import { assumeRole, type LocalStage } from "@tenantkeys/local";

export const BIN = join(import.meta.dirname, "../../packages/cli/bin/tenantkeys.mjs");

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A session of a role that has the stage's operator policy and nothing else. */
export async function operatorCredentials(stage: LocalStage, RoleName = "somebody-who-operates"): Promise<Credentials> {
  const { operatorPolicy } = stageNames(stage.settings.stage);
  const trust = {
    Version: "2012-10-17",
    Statement: [
      { Effect: "Allow", Principal: { AWS: `arn:aws:iam::${stage.accountId}:root` }, Action: "sts:AssumeRole" },
    ],
  };
  await stage.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: JSON.stringify(trust) }));
  const PolicyArn = `arn:aws:iam::${stage.accountId}:policy${SYSTEM_PATH}${operatorPolicy}`;
  await stage.iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn }));
  return assumeRole(stage.at, stage.emulator.credentials, `arn:aws:iam::${stage.accountId}:role/${RoleName}`);
}

/** Nothing of the test's own environment but the path. */
export function commandEnvironment(stage: LocalStage, credentials: Credentials): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    AWS_ENDPOINT_URL: stage.at.endpoint,
    AWS_REGION: stage.at.region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_SESSION_TOKEN: credentials.sessionToken,
    TENANTKEYS_STAGE: stage.settings.stage,
  };
}

export async function tenantkeys(
  stage: LocalStage,
  credentials: Credentials,
  args: readonly string[],
  input = "",
): Promise<CommandResult> {
  const child = spawn(process.execPath, [BIN, ...args], { env: commandEnvironment(stage, credentials) });
  child.stdin.end(input);
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { exitCode, stdout, stderr };
}
