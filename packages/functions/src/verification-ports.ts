/**
 * Puts the adapters of verification together. Clients and rates live as long as the execution environment; the settings
 * are read for each run, since a deployment may change them without starting the function anew.
 */
import { randomUUID } from "node:crypto";
import {
  type AutomaticRepair,
  type AutomaticRepairPorts,
  type CriticalCall,
  createAuditorClients,
  createClients,
  createCloudWatchClient,
  createCriticalCalls,
  createGuardMemory,
  createMetrics,
  createQuotaShare,
  createSecurityServices,
  createSnsClient,
  createSweepStore,
  createUseCounter,
  createVerifyPorts,
  guardEvent,
  type QuotaShare,
  type RepairAutomatically,
  type Run,
  readDeployedStage,
  repairAutomatically,
  type SecurityServices,
  type SweepPorts,
  type VerificationWorkerPorts,
  verifyTenantKeyNow,
} from "@tenantkeys/aws";
import { type Region, type StageSettings, stageArns } from "@tenantkeys/core";
import type { SweepConfig, VerificationConfig } from "./verification-config.ts";

/** How much longer a lease is than its lister can live: Lambda kills a run at its time-out. */
const LEASE_MARGIN_MS = 15_000;
/** Lambda's least for an event source: so many more functions look at keys that somebody touched. */
const GUARD_CONCURRENCY = 2;

/** What a function says in its log of what it did beside its work. */
export interface Reports {
  readonly onUntold: SecurityServices["onUntold"];
  readonly onUncalled: CriticalCall["onUncalled"];
  readonly onRepair: (repair: AutomaticRepair) => void;
}

function repairing(ports: Omit<AutomaticRepairPorts, "newEventId">, { onRepair }: Reports): RepairAutomatically {
  return async (run, scope) => {
    const repair = await repairAutomatically({ ...ports, newEventId: randomUUID }, run, scope);
    onRepair(repair);
    return repair;
  };
}

/** What doesn't change while the function lives. */
function adapters(
  { stage, accountId, region, tableName }: VerificationConfig,
  sessionName: string,
  { onUntold, onUncalled }: Reports,
) {
  const clients = createClients({ region });
  const { auditorRole, alarmTopic: topicArn } = stageArns(accountId, region, stage);
  return {
    clients,
    auditor: createAuditorClients({ region }, auditorRole, sessionName),
    sweeps: createSweepStore(clients.documents, tableName),
    metrics: createMetrics(createCloudWatchClient({ region }), stage),
    quotaOf: createQuotas(),
    servicesOf: createServices(region, onUntold),
    calling: createCriticalCalls({ sns: createSnsClient({ region }), topicArn, stage, onUncalled }),
  };
}

/** One set of rates for as long as the share and the number of workers stay the same. */
function createQuotas() {
  let known: { readonly name: string; readonly quota: QuotaShare } | undefined;
  return (share: number, workers: number): QuotaShare => {
    const name = `${share}/${workers}`;
    if (known?.name !== name) known = { name, quota: createQuotaShare(share, workers) };
    return known.quota;
  };
}

/** One set of clients for as long as the stage's settings switch on the same services. */
function createServices(region: Region, onUntold: SecurityServices["onUntold"]) {
  let known: { readonly name: string; readonly services: SecurityServices } | undefined;
  return (settings: StageSettings): SecurityServices => {
    const name = `${settings.securityHub}/${settings.accessAnalyzer}`;
    if (known?.name !== name) known = { name, services: createSecurityServices({ region }, settings, onUntold) };
    return known.services;
  };
}

/** @returns what gives a turn of the schedule its ports; `livesMs` is how long the run can live */
export function createSweepPorts(config: SweepConfig, reports: Reports) {
  const { quotaOf, servicesOf, calling, auditor, ...fixed } = adapters(config, "tenantkeys-sweep", reports);
  return async (run: Run, livesMs: number): Promise<SweepPorts> => {
    const deployed = await readDeployedStage(fixed.clients, run, config.stage);
    // One lister at a time, by its lease; the lists are nobody else's to ask for.
    const quota = quotaOf(deployed.settings.sweepQuotaShare, 1);
    const services = servicesOf(deployed.settings);
    const ports = createVerifyPorts({ ...deployed, clients: fixed.clients, auditor, quota, services });
    const verifying = { ...ports, findings: calling(ports.findings) };
    const { provisioningQueueUrl } = config;
    return {
      ...fixed,
      ...deployed,
      findings: verifying.findings,
      repair: repairing({ ...verifying, clients: fixed.clients, provisioningQueueUrl }, reports),
      observing: auditor.clients,
      quota,
      tableName: config.tableName,
      queueUrl: config.queueUrl,
      leaseDurationMs: livesMs + LEASE_MARGIN_MS,
      newSweepId: randomUUID,
    };
  };
}

/** @returns what gives the work on one batch of messages its ports */
export function createVerificationWorkerPorts(config: VerificationConfig, reports: Reports) {
  const { quotaOf, servicesOf, calling, auditor, ...fixed } = adapters(config, "tenantkeys-verify", reports);
  const { clients, metrics } = fixed;
  const { tableName, provisioningQueueUrl } = config;
  const memory = createGuardMemory();
  const useCounter = createUseCounter(clients, tableName);
  return async (run: Run): Promise<VerificationWorkerPorts> => {
    const deployed = await readDeployedStage(clients, run, config.stage);
    const { sweepQuotaShare, verifyConcurrency } = deployed.settings;
    const quota = quotaOf(sweepQuotaShare, verifyConcurrency + GUARD_CONCURRENCY);
    const services = servicesOf(deployed.settings);
    const ports = createVerifyPorts({ ...deployed, clients, auditor, quota, services });
    const verifying = { ...ports, findings: calling(ports.findings) };
    const putMetrics = metrics.put;
    const repair = repairing({ ...verifying, clients, provisioningQueueUrl }, reports);
    const ofGuard = { ...verifying, clients, tableName, provisioningQueueUrl, putMetrics, useCounter, memory, repair };
    return {
      ...fixed,
      registry: verifying.registry,
      findings: verifying.findings,
      repair,
      verifyKey: (ofKey, { tenantId, keyName }, depth, bulk) =>
        verifyTenantKeyNow(verifying, ofKey, tenantId, keyName, depth, bulk),
      guard: (ofEvent, message) => guardEvent({ ...ofGuard, newEventId: randomUUID }, ofEvent, message),
    };
  };
}
