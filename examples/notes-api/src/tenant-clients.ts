/** AWS clients of one tenant's session. A tenant's client serves that tenant only; connections serve all. */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { S3Client } from "@aws-sdk/client-s3";
import type { TenantKey } from "@tenantkeys/client";

export interface TenantClients {
  readonly dynamodb: DynamoDBClient;
  readonly s3: S3Client;
}

/** Never destroyed, as it lives as long as the process. */
const { requestHandler } = new DynamoDBClient({}).config;

export function clientsOf(tenantKey: Pick<TenantKey, "credentials">): TenantClients {
  const config = { credentials: () => tenantKey.credentials(), requestHandler };
  return { dynamodb: new DynamoDBClient(config), s3: new S3Client(config) };
}

/** @throws TenantKeysError: why AWS refused, by what KMS and the registry say */
export async function asTenant<T>(
  tenantKey: Pick<TenantKey, "explain">,
  step: string,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw await tenantKey.explain(error, step);
  }
}
