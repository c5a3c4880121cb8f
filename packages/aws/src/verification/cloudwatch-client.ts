/** CloudWatch's client, apart from the others: the worker's bundle leaves it out. */
import { CloudWatchClient } from "@aws-sdk/client-cloudwatch";
import { type ClientOptions, clientConfig } from "../clients.ts";

export function createCloudWatchClient(options: ClientOptions): CloudWatchClient {
  return new CloudWatchClient(clientConfig(options));
}
