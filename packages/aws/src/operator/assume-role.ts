/** STS, for the operator alone: in a file of its own, so that the worker's bundle leaves the client out. */
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import { type RoleArn, SESSION_TAG, type TenantId, TenantKeysError } from "@tenantkeys/core";
import { type ClientOptions, type Credentials, clientConfig } from "../clients.ts";
import { narrowAwsError } from "../narrow-error.ts";
import type { Run } from "../run.ts";

/** STS's shortest: a plan takes seconds. */
const SESSION_SECONDS = 900;

/**
 * @param tenantTag pins the session to a tenant: tenants' roles are assumed with it only
 * @throws TenantKeysError `access_denied` where the caller may not assume the role
 */
export async function assumeRole(
  options: ClientOptions,
  run: Run,
  roleArn: RoleArn,
  sessionName: string,
  tenantTag?: TenantId,
): Promise<Credentials> {
  const sts = new STSClient(clientConfig(options));
  const Tags = tenantTag === undefined ? undefined : [{ Key: SESSION_TAG, Value: tenantTag }];
  const input = { RoleArn: roleArn, RoleSessionName: sessionName, DurationSeconds: SESSION_SECONDS, Tags };
  try {
    const { Credentials: session } = await sts.send(new AssumeRoleCommand(input), { abortSignal: run.signal });
    const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken } = session ?? {};
    if (accessKeyId !== undefined && secretAccessKey !== undefined && sessionToken !== undefined) {
      return { accessKeyId, secretAccessKey, sessionToken };
    }
  } catch (error) {
    throw narrowAwsError(error, "sts:AssumeRole");
  } finally {
    sts.destroy();
  }
  throw new TenantKeysError("aws_unexpected", "sts:AssumeRole: the answer holds no credentials");
}
