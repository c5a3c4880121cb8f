/** Sessions of tenants' roles, got as a tenant application gets them: its own role first, then the tenant's, tagged. */
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import { type Credentials, clientConfig } from "@tenantkeys/aws";
import { SESSION_TAG } from "@tenantkeys/core";

export interface Endpoint {
  readonly endpoint: string;
  readonly region: string;
}

/** @throws the SDK's own error, such as AccessDenied */
export async function assumeRole(
  at: Endpoint,
  credentials: Credentials,
  roleArn: string,
  tenantTag?: string,
): Promise<Credentials> {
  const sts = new STSClient(clientConfig({ ...at, credentials }));
  try {
    const { Credentials: session } = await sts.send(
      new AssumeRoleCommand({
        RoleArn: roleArn,
        RoleSessionName: "tenantkeys-local",
        ...(tenantTag === undefined ? {} : { Tags: [{ Key: SESSION_TAG, Value: tenantTag }] }),
      }),
    );
    return {
      accessKeyId: session?.AccessKeyId ?? "",
      secretAccessKey: session?.SecretAccessKey ?? "",
      sessionToken: session?.SessionToken ?? "",
    };
  } finally {
    sts.destroy();
  }
}
