/** The role of the tenant application on the local AWS. A team brings its own; the demonstration needs one to exist. */
import { AttachRolePolicyCommand, CreateRoleCommand, type IAMClient } from "@aws-sdk/client-iam";
import { errorName } from "@tenantkeys/aws";
import { type Stage, SYSTEM_PATH, stageNames } from "@tenantkeys/core";

export const APPLICATION_ROLE_NAME = "sample-application";

/** Before the stacks: the trust policies of tenants' roles name it. @returns its ARN */
export async function ensureApplicationRole(iam: IAMClient, accountId: string): Promise<string> {
  const arn = `arn:aws:iam::${accountId}:role/${APPLICATION_ROLE_NAME}`;
  const trust = statement({
    Effect: "Allow",
    Principal: { AWS: `arn:aws:iam::${accountId}:root` },
    Action: "sts:AssumeRole",
  });
  try {
    await iam.send(new CreateRoleCommand({ RoleName: APPLICATION_ROLE_NAME, AssumeRolePolicyDocument: trust }));
  } catch (error) {
    if (errorName(error) !== "EntityAlreadyExistsException") throw error;
  }
  return arn;
}

/** After the stacks, which make the policy: so whatever the client does locally, it does with what the policy allows. */
export async function attachApplicationPolicy(iam: IAMClient, accountId: string, stage: Stage): Promise<void> {
  const PolicyArn = `arn:aws:iam::${accountId}:policy${SYSTEM_PATH}${stageNames(stage).applicationPolicy}`;
  await iam.send(new AttachRolePolicyCommand({ RoleName: APPLICATION_ROLE_NAME, PolicyArn }));
}

function statement(content: Record<string, unknown>): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: [content] });
}
