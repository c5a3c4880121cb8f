/** Everything that the command line does on AWS, put together for one stage. */
import { randomUUID } from "node:crypto";
import { type KeyName, type KeyRecord, type Stage, stageNames, type TenantId } from "@tenantkeys/core";
import { type ClientOptions, type Clients, createClients, destroyClients } from "../clients.ts";
import { createPublisher } from "../publisher.ts";
import { createRefusedStore } from "../refused-store.ts";
import { createRegistry } from "../registry.ts";
import type { Run } from "../run.ts";
import { assumeRole } from "./assume-role.ts";
import { type DeadLetterOptions, type DeadLetterOutcome, replayDeadLetters } from "./dead-letters.ts";
import { type KeyFilter, keysOfTenant, listKeys } from "./list-keys.ts";
import { planTenantKey, type TenantKeyPlan } from "./plan-tenant.ts";
import { type BusEvent, type PublishOutcome, publishSignUps } from "./publish-sign-ups.ts";
import {
  type KeptEvent,
  type KeptEventFilter,
  listKeptEvents,
  readKeptBody,
  settleKeptEvent,
} from "./refused-events.ts";
import { type DeployedStage, readDeployedStage } from "./stage-settings-item.ts";

export interface Operator extends DeployedStage {
  listKeys(run: Run, filter?: KeyFilter): AsyncGenerator<KeyRecord, void, undefined>;
  keysOfTenant(run: Run, tenantId: TenantId): Promise<readonly KeyRecord[]>;
  listRefused(run: Run, filter: KeptEventFilter): Promise<readonly KeptEvent[]>;
  readRefusedBody(run: Run, kept: KeptEvent): Promise<string>;
  settleRefused(run: Run, kept: KeptEvent): Promise<void>;
  /** @param options.keepRefused false for events that the refused store holds already */
  publish(
    run: Run,
    events: readonly BusEvent[],
    options: { readonly keepRefused: boolean },
  ): Promise<readonly PublishOutcome[]>;
  /** First what the worker gave up, then what EventBridge couldn't hand to the queue; the limit counts both. */
  replayDeadLetters(run: Run, options: DeadLetterOptions): AsyncGenerator<DeadLetterOutcome, void, undefined>;
  /** @param options.asCaller reads with the caller's own credentials instead of as the stage's auditor */
  planKey(
    run: Run,
    tenantId: TenantId,
    keyName: KeyName,
    options: { readonly asCaller: boolean },
  ): Promise<TenantKeyPlan>;
  close(): void;
}

/** @throws TenantKeysError `stage_not_deployed`, or what reading the stage's settings throws */
export async function connectOperator(options: ClientOptions, run: Run, stage: Stage): Promise<Operator> {
  const clients = createClients(options);
  try {
    const deployed = await readDeployedStage(clients, run, stage);
    return createOperator(options, clients, deployed);
  } catch (error) {
    destroyClients(clients);
    throw error;
  }
}

function createOperator(options: ClientOptions, clients: Clients, deployed: DeployedStage): Operator {
  const { settings, context } = deployed;
  const names = stageNames(settings.stage);
  const table = names.registryTable;
  const publishPorts = {
    eventBridge: clients.eventBridge,
    busName: names.bus,
    stage: settings.stage,
    eventSources: settings.eventSources,
    publisher: createPublisher(clients.eventBridge, names.bus),
    newRefusalId: randomUUID,
  };
  const refusedStore = createRefusedStore(clients, table);
  const registry = createRegistry(clients, table);
  let auditing: Promise<Clients> | undefined;
  const auditor = (run: Run) => {
    auditing ??= assumeRole(options, run, context.auditorRoleArn, "tenantkeys-plan").then((credentials) =>
      createClients({ ...options, credentials }),
    );
    return auditing;
  };
  return {
    settings,
    context,
    listKeys: (run, filter) => listKeys(clients, run, table, filter),
    keysOfTenant: (run, tenantId) => keysOfTenant(clients, run, table, tenantId),
    listRefused: (run, filter) => listKeptEvents(clients, run, table, filter),
    readRefusedBody: (run, kept) => readKeptBody(clients, run, table, kept),
    settleRefused: (run, kept) => settleKeptEvent(clients, run, table, kept),
    publish: (run, events, { keepRefused }) =>
      publishSignUps(keepRefused ? { ...publishPorts, refusedStore } : publishPorts, run, events),
    replayDeadLetters: (run, wanted) => replayBoth(clients, run, settings.stage, wanted),
    async planKey(run, tenantId, keyName, { asCaller }) {
      const observing = asCaller ? clients : await auditor(run);
      return planTenantKey({ ...deployed, registry, observing }, run, tenantId, keyName);
    },
    close() {
      destroyClients(clients);
      auditing?.then(destroyClients, () => undefined);
    },
  };
}

async function* replayBoth(
  clients: Clients,
  run: Run,
  stage: Stage,
  options: DeadLetterOptions,
): AsyncGenerator<DeadLetterOutcome, void, undefined> {
  const names = stageNames(stage);
  let left = options.limit;
  for (const deadLetterQueue of [names.queueDeadLetter, names.ruleDeadLetter]) {
    const queues = { deadLetterQueue, provisioningQueue: names.queue };
    for await (const outcome of replayDeadLetters(clients.sqs, run, queues, { ...options, limit: left })) {
      left -= 1;
      yield outcome;
    }
  }
}
