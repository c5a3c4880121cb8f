/** Everything that the command line does on AWS, put together for one stage. */
import { randomUUID } from "node:crypto";
import {
  type DestructionRecord,
  type Finding,
  type KeyName,
  type KeyRecord,
  type RoleArn,
  type RuleId,
  type Stage,
  stageArns,
  stageNames,
  type TenantId,
  type TenantRecord,
} from "@tenantkeys/core";
import {
  type ClientOptions,
  type Clients,
  createClients,
  destroyClients,
  type SessionCredentials,
} from "../clients.ts";
import { createClientsByRegion } from "../clients-by-region.ts";
import { createPublisher } from "../publisher.ts";
import { createRefusedStore } from "../refused-store.ts";
import { createRegistry, type Registry } from "../registry.ts";
import type { Run } from "../run.ts";
import { createAuditorClients } from "../verification/auditor-clients.ts";
import {
  type ArchiveSize,
  type ArchiveWindow,
  archiveSize,
  type ReplayProgress,
  replayProgress,
  startArchiveReplay,
} from "./archive-replay.ts";
import { becomeTenant, type TenantRole } from "./become-tenant.ts";
import type { BusEvent } from "./bus-event.ts";
import { type DeadLetterOptions, type DeadLetterOutcome, replayDeadLetters } from "./dead-letters.ts";
import { createFailureCodes } from "./failure-codes.ts";
import { type GrantsOfKey, listGrants } from "./list-grants.ts";
import { destructionsOfTenant, type KeyFilter, listKeys } from "./list-keys.ts";
import type { LiveProof } from "./live-tally.ts";
import { planTenantKey, type TenantKeyPlan } from "./plan-tenant.ts";
import { type ValidatedPolicies, validateStagePolicies } from "./policy-validator.ts";
import { type Probe, type ProbedKey, probeKey } from "./probe-key.ts";
import type { Proven } from "./prove.ts";
import { type PublishOutcome, publishEvents } from "./publish-events.ts";
import {
  type KeptEvent,
  type KeptEventFilter,
  listKeptEvents,
  readKeptBody,
  settleKeptEvent,
} from "./refused-events.ts";
import { type AsCallerOutcome, repairAsCaller } from "./repair-as-caller.ts";
import { sendToQueue } from "./send-to-queue.ts";
import { type DeployedStage, readDeployedStage } from "./stage-settings-item.ts";
import { type LiveOptions, tryPairs } from "./try-pairs.ts";
import { createOperatorVerification, type OperatorVerification } from "./verification.ts";

export interface Operator extends DeployedStage, OperatorVerification {
  listKeys(run: Run, filter?: KeyFilter): AsyncGenerator<KeyRecord, void, undefined>;
  keysOfTenant(run: Run, tenantId: TenantId): Promise<readonly KeyRecord[]>;
  /** What is declared of the tenant as a whole; undefined where the registry doesn't know it. */
  tenant(run: Run, tenantId: TenantId): Promise<TenantRecord | undefined>;
  /** What stays of the tenant's keys that are gone, by key name and time. */
  destructionsOfTenant(run: Run, tenantId: TenantId): Promise<readonly DestructionRecord[]>;
  listRefused(run: Run, filter: KeptEventFilter): Promise<readonly KeptEvent[]>;
  readRefusedBody(run: Run, kept: KeptEvent): Promise<string>;
  settleRefused(run: Run, kept: KeptEvent): Promise<void>;
  /** @param options.keepRefused false for events that the refused store holds already */
  publish(
    run: Run,
    events: readonly BusEvent[],
    options: { readonly keepRefused: boolean },
  ): Promise<readonly PublishOutcome[]>;
  /** Tries, as the application would and without doing it, whether a tenant's key can be used. */
  probe(run: Run, probed: ProbedKey, applicationRoleArn: RoleArn): Promise<Probe>;
  /** Tries with real sessions what a proof says: every tenant its own key, and the others'. */
  tryPairs(run: Run, proven: Proven, options: LiveOptions): Promise<LiveProof>;
  /** A session of the tenant's role, as its application gets one; of 15 minutes, so it is asked for again. */
  becomeTenant(run: Run, tenant: TenantRole, applicationRoleArn: RoleArn): Promise<SessionCredentials>;
  /** Straight to the worker's queue, so that SQS says who sent them. */
  sendToQueue(run: Run, events: readonly BusEvent[]): Promise<readonly PublishOutcome[]>;
  archiveSize(run: Run): Promise<ArchiveSize>;
  startArchiveReplay(run: Run, replayName: string, window: ArchiveWindow): Promise<void>;
  replayProgress(run: Run, replayName: string): Promise<ReplayProgress>;
  /** First what the worker gave up, then what EventBridge couldn't hand to the queue; the limit counts both. */
  replayDeadLetters(run: Run, options: DeadLetterOptions): AsyncGenerator<DeadLetterOutcome, void, undefined>;
  /** @param options.asCaller reads with the caller's own credentials instead of as the stage's auditor */
  planKey(
    run: Run,
    tenantId: TenantId,
    keyName: KeyName,
    options: { readonly asCaller: boolean },
  ): Promise<TenantKeyPlan>;
  /** The grants of a tenant key, its replicas and those that it replaced. @param options as of `planKey` */
  listGrants(
    run: Run,
    tenantId: TenantId,
    keyName: KeyName,
    options: { readonly asCaller: boolean },
  ): Promise<GrantsOfKey>;
  /** What the worker would do for a repair by these rules, if this person asked for it now. */
  planRepair(run: Run, tenantId: TenantId, keyName: KeyName, rules: readonly RuleId[]): Promise<TenantKeyPlan>;
  /**
   * Puts right, with the caller's own credentials, what the worker has no right to.
   * @param mayHoldData a person has said that this very key may go
   */
  repairAsCaller(run: Run, finding: Finding, mayHoldData: boolean): Promise<AsCallerOutcome>;
  /** Has IAM Access Analyzer validate the policies that the deployed settings make. */
  validatePolicies(run: Run): Promise<ValidatedPolicies>;
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
    intake: settings,
    publisher: createPublisher(clients.eventBridge, names.bus),
    newRefusalId: randomUUID,
  };
  const arns = stageArns(context.accountId, context.region, settings.stage);
  const archive = { eventBridge: clients.eventBridge, archiveName: names.archive, arns };
  const queue = { sqs: clients.sqs, queueName: names.queue, place: context, newEventId: randomUUID };
  const refusedStore = createRefusedStore(clients, table);
  const registry = createRegistry(clients, table);
  const auditor = createAuditorClients(options, context.auditorRoleArn, "tenantkeys-plan");
  const caller = createClientsByRegion(options, clients);
  const verification = createOperatorVerification(options, caller, deployed, auditor);
  return {
    settings,
    context,
    listKeys: (run, filter) => listKeys(clients, run, table, filter),
    keysOfTenant: (run, tenantId) => registry.keysOfTenant(run, tenantId),
    tenant: (run, tenantId) => registry.getTenant(run, tenantId),
    destructionsOfTenant: (run, tenantId) => destructionsOfTenant(clients, run, table, tenantId),
    listRefused: (run, filter) => listKeptEvents(clients, run, table, filter),
    readRefusedBody: (run, kept) => readKeptBody(clients, run, table, kept),
    settleRefused: (run, kept) => settleKeptEvent(clients, run, table, kept),
    publish: (run, events, { keepRefused }) =>
      publishEvents(keepRefused ? { ...publishPorts, refusedStore } : publishPorts, run, events),
    sendToQueue: (run, events) => sendToQueue(queue, run, events),
    archiveSize: (run) => archiveSize(archive, run),
    startArchiveReplay: (run, replayName, window) => startArchiveReplay(archive, run, replayName, window),
    replayProgress: (run, replayName) => replayProgress(archive, run, replayName),
    replayDeadLetters: (run, wanted) => replayBoth(clients, registry, run, deployed, wanted),
    probe: (run, probed, applicationRoleArn) => probeKey(options, run, probed, applicationRoleArn),
    tryPairs: (run, proven, live) => tryPairs(options, deployed.context, run, proven, live),
    becomeTenant: (run, tenant, applicationRoleArn) => becomeTenant(options, run, tenant, applicationRoleArn),
    async planKey(run, tenantId, keyName, { asCaller }) {
      const observing = asCaller ? clients : auditor.clients;
      return planTenantKey({ ...deployed, registry, observing }, run, tenantId, keyName);
    },
    listGrants: (run, tenantId, keyName, { asCaller }) =>
      listGrants(
        { ...deployed, registry, observingIn: asCaller ? caller.in : auditor.clientsIn },
        run,
        tenantId,
        keyName,
      ),
    planRepair: (run, tenantId, keyName, rules) =>
      planTenantKey({ ...deployed, registry, observing: auditor.clients }, run, tenantId, keyName, rules),
    repairAsCaller: (run, finding, mayHoldData) =>
      repairAsCaller({ ...deployed, registry, clientsIn: caller.in }, run, finding, mayHoldData),
    ...verification.methods,
    validatePolicies: (run) => validateStagePolicies(options, run, deployed),
    close() {
      caller.close();
      auditor.close();
      verification.close();
    },
  };
}

async function* replayBoth(
  clients: Clients,
  registry: Registry,
  run: Run,
  { context, settings }: DeployedStage,
  options: DeadLetterOptions,
): AsyncGenerator<DeadLetterOutcome, void, undefined> {
  const names = stageNames(context.stage);
  const shared = {
    sqs: clients.sqs,
    provisioningQueue: names.queue,
    place: context,
    failureCodes: createFailureCodes(settings.eventMappings, (tenantId) => registry.keysOfTenant(run, tenantId)),
  };
  let left = options.limit;
  for (const deadLetterQueue of [names.queueDeadLetter, names.ruleDeadLetter]) {
    for await (const outcome of replayDeadLetters({ ...shared, deadLetterQueue }, run, { ...options, limit: left })) {
      left -= 1;
      yield outcome;
    }
  }
}
