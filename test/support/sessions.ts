/** Sessions of roles as tests use them: with any tags, and with the clients that try something. */

import { KMSClient } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import { AssumeRoleCommand, STSClient, type Tag } from "@aws-sdk/client-sts";
import { type Credentials, clientConfig, errorName } from "@tenantkeys/aws";
import { assumeRole, type Endpoint, type LocalStage } from "@tenantkeys/local";
import { afterAll } from "vitest";

const clients: { destroy(): void }[] = [];

afterAll(() => {
  for (const client of clients.splice(0)) client.destroy();
});

function kept<Client extends { destroy(): void }>(client: Client): Client {
  clients.push(client);
  return client;
}

export interface Session {
  readonly kms: KMSClient;
  readonly s3: S3Client;
}

export function sessionOf(at: Endpoint, credentials: Credentials): Session {
  const config = clientConfig({ ...at, credentials });
  return { kms: kept(new KMSClient(config)), s3: kept(new S3Client({ ...config, forcePathStyle: true })) };
}

/** A session of the tenant's own role, got as its application gets it. */
export async function tenantSession(stage: LocalStage, tenantId: string): Promise<Session> {
  const { stage: name } = stage.settings;
  const roleArn = `arn:aws:iam::${stage.accountId}:role/tenantkeys/${name}/tk-${name}-${tenantId}`;
  return sessionOf(stage.at, await assumeRole(stage.at, await stage.application(), roleArn, tenantId));
}

/** @throws the SDK's own error, such as AccessDenied */
export async function assumeTagged(
  stage: LocalStage,
  roleArn: string,
  tags: Readonly<Record<string, string>>,
): Promise<Session> {
  const sts = kept(new STSClient(clientConfig({ ...stage.at, credentials: await stage.application() })));
  const Tags: Tag[] = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  const { Credentials: session } = await sts.send(
    new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: "a-test", ...(Tags.length === 0 ? {} : { Tags }) }),
  );
  return sessionOf(stage.at, {
    accessKeyId: session?.AccessKeyId ?? "",
    secretAccessKey: session?.SecretAccessKey ?? "",
    sessionToken: session?.SessionToken ?? "",
  });
}

/** "worked", or the name of the error that AWS answered with. */
export function outcome(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "worked",
    (error: unknown) => errorName(error) ?? String(error),
  );
}
