import { CloudWatchClient } from "@aws-sdk/client-cloudwatch";
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { KMSClient } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import { AssumeRoleCommand, STSClient, type Tag } from "@aws-sdk/client-sts";
import type { Emulator } from "./emulator.ts";

/** The clients of one caller: the root, or a role's session. */
export interface Caller {
  readonly kms: KMSClient;
  readonly iam: IAMClient;
  readonly sts: STSClient;
  readonly s3: S3Client;
  readonly events: EventBridgeClient;
  readonly cloudWatch: CloudWatchClient;
}

export interface Statement {
  readonly Sid?: string;
  readonly Effect: "Allow" | "Deny";
  readonly Principal?: unknown;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: unknown;
}

export type Credentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
};

export const ACCOUNT_ROOT = "arn:aws:iam::000000000000:root";

export function callerWith(emulator: Emulator, credentials: Credentials): Caller {
  // One attempt each: a retried refusal would only make a failing test slow.
  const config = { endpoint: emulator.endpoint, region: emulator.region, credentials, maxAttempts: 1 };
  return {
    kms: new KMSClient(config),
    iam: new IAMClient(config),
    sts: new STSClient(config),
    s3: new S3Client({ ...config, forcePathStyle: true }),
    events: new EventBridgeClient(config),
    cloudWatch: new CloudWatchClient(config),
  };
}

export function policy(...statements: readonly Statement[]): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: statements });
}

/** A key policy that lets the account's IAM policies decide, and further statements. */
export function keyPolicy(...statements: readonly Omit<Statement, "Resource">[]): string {
  return policy(
    { Effect: "Allow", Principal: { AWS: ACCOUNT_ROOT }, Action: "kms:*", Resource: "*" },
    ...statements.map((statement) => ({ ...statement, Resource: "*" })),
  );
}

/** Makes a role that the account may assume, with one inline policy, and gives its ARN. */
export async function makeRole(
  root: Caller,
  name: string,
  options: { readonly path?: string; readonly boundary?: string; readonly allow?: readonly Statement[] } = {},
): Promise<string> {
  const made = await root.iam.send(
    new CreateRoleCommand({
      RoleName: name,
      Path: options.path,
      PermissionsBoundary: options.boundary,
      AssumeRolePolicyDocument: JSON.stringify({
        Version: "2012-10-17",
        Statement: [
          { Effect: "Allow", Principal: { AWS: ACCOUNT_ROOT }, Action: ["sts:AssumeRole", "sts:TagSession"] },
        ],
      }),
    }),
  );
  if (options.allow && options.allow.length > 0) {
    const document = policy(...options.allow);
    await root.iam.send(new PutRolePolicyCommand({ RoleName: name, PolicyName: "allow", PolicyDocument: document }));
  }
  return made.Role?.Arn as string;
}

export async function assume(emulator: Emulator, by: Caller, roleArn: string, tags: readonly Tag[] = []) {
  const answer = await by.sts.send(
    new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: "test", ...(tags.length > 0 && { Tags: [...tags] }) }),
  );
  return callerWith(emulator, {
    accessKeyId: answer.Credentials?.AccessKeyId as string,
    secretAccessKey: answer.Credentials?.SecretAccessKey as string,
    sessionToken: answer.Credentials?.SessionToken as string,
  });
}

/** `"ok"`, or the name of the error that AWS answered with. */
export async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "ok";
  } catch (error) {
    return (error as Error).name;
  }
}
