/** The SDK's clients of the application, configured in this one place. */
import { DynamoDBClient, type DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import { STSClient, type STSClientConfig } from "@aws-sdk/client-sts";

/** An application's caller waits: a lost connection is noticed within this, and tried again. */
const REQUEST_TIMEOUT_MS = 5_000;
const CONNECTION_TIMEOUT_MS = 2_000;
/** The first and two more, with the SDK's growing delays: then the error is the application's to deal with. */
const ATTEMPTS_MAX = 3;

/** What every client is made with. */
export interface SdkConfig {
  readonly region: string;
  readonly endpoint?: string;
  readonly maxAttempts: number;
  readonly requestHandler: NonNullable<DynamoDBClientConfig["requestHandler"]>;
}

interface ApplicationClients {
  readonly dynamodb: DynamoDBClient;
  /** Of the Region: the SDK has no global endpoint of STS any more. */
  readonly sts: STSClient;
  /** For further clients: with the same connections, whoever signs what goes over them. */
  readonly config: SdkConfig;
  destroy(): void;
}

export function createApplicationClients(options: {
  readonly region: string;
  readonly endpoint?: string | undefined;
  readonly credentials?: STSClientConfig["credentials"] | undefined;
}): ApplicationClients {
  const place = {
    region: options.region,
    maxAttempts: ATTEMPTS_MAX,
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
  };
  const own = options.credentials === undefined ? {} : { credentials: options.credentials };
  const sts = new STSClient({
    ...place,
    ...own,
    requestHandler: {
      requestTimeout: REQUEST_TIMEOUT_MS,
      // Without it the SDK only writes a warning and goes on waiting.
      throwOnRequestTimeout: true,
      connectionTimeout: CONNECTION_TIMEOUT_MS,
    },
  });
  const config = { ...place, requestHandler: sts.config.requestHandler };
  return { sts, dynamodb: new DynamoDBClient({ ...config, ...own }), config, destroy: () => sts.destroy() };
}
