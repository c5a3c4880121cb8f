/** The role of the tenant application on the local AWS. A team brings its own; the demonstration needs one to exist. */
import { CreateRoleCommand, type IAMClient, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { errorName } from "@tenantkeys/aws";

export const APPLICATION_ROLE_NAME = "sample-application";

/** @returns its ARN */
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
  // It may ask for every tenant's role; each role's own trust policy then asks for that tenant's tag.
  const policy = statement({
    Effect: "Allow",
    Action: ["sts:AssumeRole", "sts:TagSession"],
    Resource: `arn:aws:iam::${accountId}:role/tenantkeys/*`,
  });
  await iam.send(
    new PutRolePolicyCommand({ RoleName: APPLICATION_ROLE_NAME, PolicyName: "become-tenants", PolicyDocument: policy }),
  );
  return arn;
}

function statement(content: Record<string, unknown>): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: [content] });
}
