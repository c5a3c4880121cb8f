/** Code of the stage's functions as a process of its own, under their role's own rights. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { stageNames } from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";
import { functionCredentials } from "./provisioner.ts";

export interface Ended {
  /** Such as SIGKILL; null of one that came to its end. */
  readonly signal: string | null;
  readonly stdout: string;
}

/**
 * @param script beside this file; it finds `input` in the environment as APART_INPUT, with the functions' `config`
 * @param role whose rights it has
 */
export async function runApart(
  stage: LocalStage,
  script: string,
  role: "sweeperRole" | "verifierRole",
  input: object,
): Promise<Ended> {
  const names = stageNames(stage.settings.stage);
  const credentials = await functionCredentials(stage, names[role]);
  const { accountId, region, at } = stage;
  const urlOf = (queue: string) => `${at.endpoint}/${accountId}/${queue}`;
  const config = {
    stage: stage.settings.stage,
    accountId,
    region,
    tableName: names.registryTable,
    queueUrl: urlOf(names.verificationQueue),
    provisioningQueueUrl: urlOf(names.queue),
  };
  const child = spawn(process.execPath, [join(import.meta.dirname, script)], {
    env: {
      PATH: process.env.PATH,
      AWS_ENDPOINT_URL: at.endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_SESSION_TOKEN: credentials.sessionToken,
      APART_INPUT: JSON.stringify({ ...input, config }),
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [stdout, [, signal]] = await Promise.all([text(child.stdout), once(child, "close")]);
  return { signal, stdout };
}
