/** A role for whoever tries the command line on the local AWS: only a role's session is a person to the worker. */
import { AttachRolePolicyCommand, CreateRoleCommand } from "@aws-sdk/client-iam";
import { type Credentials, errorName } from "@tenantkeys/aws";
import { stageNames } from "@tenantkeys/core";
import type { LocalStage } from "./local-stage.ts";
import { assumeRole } from "./tenant-sessions.ts";

const ROLE_NAME = "sample-operator";

/** @returns a session, good for an hour, of a role that has the stage's operator policy and nothing else */
export async function operatorSession({ iam, at, emulator, accountId, settings }: LocalStage): Promise<Credentials> {
  const trust = {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { AWS: `arn:aws:iam::${accountId}:root` }, Action: "sts:AssumeRole" }],
  };
  try {
    await iam.send(new CreateRoleCommand({ RoleName: ROLE_NAME, AssumeRolePolicyDocument: JSON.stringify(trust) }));
  } catch (error) {
    if (errorName(error) !== "EntityAlreadyExistsException") throw error;
  }
  const PolicyArn = `arn:aws:iam::${accountId}:policy/tenantkeys/${stageNames(settings.stage).operatorPolicy}`;
  await iam.send(new AttachRolePolicyCommand({ RoleName: ROLE_NAME, PolicyArn }));
  return assumeRole(at, emulator.credentials, `arn:aws:iam::${accountId}:role/${ROLE_NAME}`);
}
