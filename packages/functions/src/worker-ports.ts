/** Puts the adapters together for the worker, once per execution environment. */
import { randomUUID } from "node:crypto";
import {
  createClients,
  createClientsByRegion,
  createPublisher,
  createRateLimiter,
  createRefusedStore,
  createRegistry,
  createTurns,
  verificationQueueUrl,
  type WorkerPorts,
} from "@tenantkeys/aws";
import { stageNames } from "@tenantkeys/core";
import type { StageConfig } from "./stage-config.ts";

/** How much longer a lease is than its worker can live: Lambda kills a run at its time-out. */
const LEASE_MARGIN_MS = 15_000;

export function workerPorts({ settings, context, queueUrl }: StageConfig): WorkerPorts {
  const clients = createClients({ region: context.region });
  const names = stageNames(settings.stage);
  const clientsByRegion = createClientsByRegion({ region: context.region }, clients);
  return {
    clients,
    clientsIn: clientsByRegion.in,
    sqs: clients.sqs,
    queueUrl,
    verificationQueueUrl: verificationQueueUrl(queueUrl, settings.stage),
    context,
    profiles: settings.profiles,
    stage: settings,
    approvalPrincipal: settings.approvalPrincipal,
    sbtReplySource: settings.sbtReplySource,
    registry: createRegistry(clients, names.registryTable),
    refusedStore: createRefusedStore(clients, names.registryTable),
    publisher: createPublisher(clients.eventBridge, names.bus),
    // Each of the concurrent workers keeps to its share, so that all of them together keep to the stage's rate.
    createKeyLimiter: createRateLimiter(settings.createKeyRatePerSecond / settings.maximumConcurrency),
    visibilityBudgetMs: settings.roleVisibilityBudgetSeconds * 1000,
    leaseDurationMs: settings.provisionTimeoutSeconds * 1000 + LEASE_MARGIN_MS,
    receivesMax: settings.receivesMax,
    retryDelaySeconds: settings.retryDelaySeconds,
    newAttemptId: randomUUID,
    inTurn: createTurns(),
  };
}
