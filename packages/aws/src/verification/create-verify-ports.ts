/** Puts together what verifies a stage's keys, for a function and for the command line alike. */
import { stageNames } from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import type { DeployedStage } from "../operator/stage-settings-item.ts";
import { createPublisher } from "../publisher.ts";
import { createRegistry } from "../registry.ts";
import type { AuditorClients } from "./auditor-clients.ts";
import { createFindingStore } from "./finding-store.ts";
import type { QuotaShare, VerifyPorts } from "./ports.ts";
import { withSecurityHub } from "./security-hub.ts";
import type { SecurityServices } from "./security-services.ts";
import { createStatusStore } from "./status-store.ts";

export interface VerifyingStage extends DeployedStage {
  /** For the registry and the bus. */
  readonly clients: Clients;
  /** Whose reads of keys and roles these are. */
  readonly auditor: Pick<AuditorClients, "clients" | "clientsIn">;
  readonly quota: QuotaShare;
  /** Absent: neither Security Hub nor Access Analyzer has a part in it, whatever the stage's settings say. */
  readonly services?: SecurityServices | undefined;
}

export function createVerifyPorts(stage: VerifyingStage): VerifyPorts {
  const { clients, auditor, settings, context, quota, services } = stage;
  const { registryTable: tableName, bus } = stageNames(context.stage);
  const publisher = createPublisher(clients.eventBridge, bus);
  const findings = createFindingStore({ clients, tableName, stage: context.stage, publisher });
  return {
    observing: auditor.clients,
    observingIn: auditor.clientsIn,
    registry: createRegistry(clients, tableName),
    findings:
      services === undefined
        ? findings
        : withSecurityHub(findings, { securityHub: services.securityHub, context, settings }, services.onUntold),
    statuses: createStatusStore(clients, tableName),
    publisher,
    quota,
    accessAnalyzer: services?.accessAnalyzer,
    settings,
    context,
  };
}
