/** The SDK's clients, made once per process and configured in this one place. */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { IAMClient } from "@aws-sdk/client-iam";
import { KMSClient } from "@aws-sdk/client-kms";
import { ResourceGroupsTaggingAPIClient } from "@aws-sdk/client-resource-groups-tagging-api";
import { SQSClient } from "@aws-sdk/client-sqs";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Of an assumed role: good until `expiration`. */
export interface SessionCredentials extends Credentials {
  readonly sessionToken: string;
  readonly expiration: Date;
}

export interface ClientOptions {
  readonly region: string;
  /** Absent: AWS's own endpoints, or AWS_ENDPOINT_URL, as the SDK reads it. */
  readonly endpoint?: string | undefined;
  /** Absent: the SDK's default chain. A function is asked again when what it gave is about to expire. */
  readonly credentials?: Credentials | (() => Promise<SessionCredentials>) | undefined;
}

export interface Clients {
  readonly kms: KMSClient;
  /**
   * For CreateKey alone. It takes no idempotency token, so the SDK's own retry after a lost reply would make a second
   * key: one attempt, and the recorded-attempt protocol decides what follows.
   */
  readonly kmsOnce: KMSClient;
  readonly iam: IAMClient;
  readonly documents: DynamoDBDocumentClient;
  readonly eventBridge: EventBridgeClient;
  readonly sqs: SQSClient;
  readonly tagging: ResourceGroupsTaggingAPIClient;
}

/** A control-plane call answers well within this; without a limit a lost connection would hold a worker until its time-out. */
const REQUEST_TIMEOUT_MS = 10_000;
const CONNECTION_TIMEOUT_MS = 3_000;

/** What every client of this project is made with: region, endpoint, credentials and time limits. */
export function clientConfig(options: ClientOptions) {
  return {
    region: options.region,
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    requestHandler: {
      requestTimeout: REQUEST_TIMEOUT_MS,
      // Without it the SDK only writes a warning and goes on waiting.
      throwOnRequestTimeout: true,
      connectionTimeout: CONNECTION_TIMEOUT_MS,
    },
  };
}

export function createClients(options: ClientOptions): Clients {
  const config = clientConfig(options);
  return {
    kms: new KMSClient(config),
    kmsOnce: new KMSClient({ ...config, maxAttempts: 1 }),
    iam: new IAMClient(config),
    documents: DynamoDBDocumentClient.from(new DynamoDBClient(config), {
      marshallOptions: { removeUndefinedValues: true },
    }),
    eventBridge: new EventBridgeClient(config),
    sqs: new SQSClient(config),
    tagging: new ResourceGroupsTaggingAPIClient(config),
  };
}

export function destroyClients(clients: Clients): void {
  for (const client of Object.values(clients)) client.destroy();
}
