/** Puts the adapters of the canary together. Clients live as long as the execution environment, settings as long as a run. */
import { randomUUID } from "node:crypto";
import {
  type CanaryPorts,
  createCanaryAws,
  createCanaryStore,
  createClients,
  createCloudWatchClient,
  createCriticalCalls,
  createFindingStore,
  createMetrics,
  createPublisher,
  createRegistry,
  createSecurityHub,
  createSnsClient,
  type Run,
  readDeployedStage,
  type SecurityHubPorts,
  withSecurityHub,
} from "@tenantkeys/aws";
import { stageArns, stageNames } from "@tenantkeys/core";
import type { VerificationConfig } from "./verification-config.ts";
import type { Reports } from "./verification-ports.ts";

/** @returns what gives a run its ports */
export function createCanaryPorts(
  { stage, accountId, region, tableName, provisioningQueueUrl }: VerificationConfig,
  { onUntold, onUncalled }: Pick<Reports, "onUntold" | "onUncalled">,
) {
  const at = { region };
  const clients = createClients(at);
  const { alarmTopic: topicArn } = stageArns(accountId, region, stage);
  const publisher = createPublisher(clients.eventBridge, stageNames(stage).bus);
  const calling = createCriticalCalls({ sns: createSnsClient(at), topicArn, stage, onUncalled });
  const stored = createFindingStore({ clients, tableName, stage, publisher });
  let securityHub: SecurityHubPorts["securityHub"];
  const fixed = {
    aws: createCanaryAws(at),
    clients,
    provisioningQueueUrl,
    newEventId: randomUUID,
    registry: createRegistry(clients, tableName),
    metrics: createMetrics(createCloudWatchClient(at), stage),
    runs: createCanaryStore(clients, tableName),
  };
  return async (run: Run): Promise<CanaryPorts> => {
    const deployed = await readDeployedStage(clients, run, stage);
    securityHub ??= createSecurityHub(at, deployed.settings);
    const findings = calling(withSecurityHub(stored, { ...deployed, securityHub }, onUntold));
    return { ...fixed, ...deployed, findings };
  };
}
