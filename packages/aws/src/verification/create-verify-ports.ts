/** Puts together what verifies a stage's keys, for a function and for the command line alike. */
import { stageNames } from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import type { DeployedStage } from "../operator/stage-settings-item.ts";
import { createPublisher } from "../publisher.ts";
import { createRegistry } from "../registry.ts";
import type { AuditorClients } from "./auditor-clients.ts";
import { createFindingStore } from "./finding-store.ts";
import type { QuotaShare, VerifyPorts } from "./ports.ts";
import { createStatusStore } from "./status-store.ts";

export interface VerifyingStage extends DeployedStage {
  /** For the registry and the bus. */
  readonly clients: Clients;
  /** Whose reads of keys and roles these are. */
  readonly auditor: Pick<AuditorClients, "clients" | "clientsIn">;
  readonly quota: QuotaShare;
}

export function createVerifyPorts({ clients, auditor, settings, context, quota }: VerifyingStage): VerifyPorts {
  const { registryTable: tableName, bus } = stageNames(context.stage);
  const publisher = createPublisher(clients.eventBridge, bus);
  return {
    observing: auditor.clients,
    observingIn: auditor.clientsIn,
    registry: createRegistry(clients, tableName),
    findings: createFindingStore({ clients, tableName, stage: context.stage, publisher }),
    statuses: createStatusStore(clients, tableName),
    publisher,
    quota,
    settings,
    context,
  };
}
