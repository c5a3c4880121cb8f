/** STS, for who looks as another role: in a file of its own, so that the worker's bundle leaves the client out. */
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import { type RoleArn, SESSION_TAG, type TenantId, TenantKeysError } from "@tenantkeys/core";
import { type ClientOptions, clientConfig, type SessionCredentials } from "./clients.ts";
import { narrowAwsError } from "./narrow-error.ts";
import type { Run } from "./run.ts";

/** STS's shortest: what lasts longer renews it (auditor-clients.ts). */
const SESSION_SECONDS = 900;

/**
 * @param tenantTag pins the session to a tenant: tenants' roles are assumed with it only
 * @throws TenantKeysError `access_denied` where the caller may not assume the role
 */
export async function assumeRole(
  options: ClientOptions,
  run: Pick<Run, "signal">,
  roleArn: RoleArn,
  sessionName: string,
  tenantTag?: TenantId,
): Promise<SessionCredentials> {
  const sts = new STSClient(clientConfig(options));
  try {
    return await assumeRoleBy(sts, run, roleArn, sessionName, tenantTag);
  } finally {
    sts.destroy();
  }
}

/** The same with a client that is there already, for many roles. */
export async function assumeRoleBy(
  sts: STSClient,
  run: Pick<Run, "signal">,
  roleArn: RoleArn,
  sessionName: string,
  tenantTag?: TenantId,
): Promise<SessionCredentials> {
  const Tags = tenantTag === undefined ? undefined : [{ Key: SESSION_TAG, Value: tenantTag }];
  const input = { RoleArn: roleArn, RoleSessionName: sessionName, DurationSeconds: SESSION_SECONDS, Tags };
  try {
    const { Credentials: session } = await sts.send(new AssumeRoleCommand(input), { abortSignal: run.signal });
    const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey } = session ?? {};
    const { SessionToken: sessionToken, Expiration: expiration } = session ?? {};
    const isWhole = accessKeyId !== undefined && secretAccessKey !== undefined;
    if (isWhole && sessionToken !== undefined && expiration !== undefined) {
      return { accessKeyId, secretAccessKey, sessionToken, expiration };
    }
  } catch (error) {
    throw narrowAwsError(error, "sts:AssumeRole");
  }
  throw new TenantKeysError("aws_unexpected", "sts:AssumeRole: the answer holds no credentials");
}
