/** The worker's adapters in this process, under the provisioner's own role, with a hook around every AWS call. */
import { randomUUID } from "node:crypto";
import { UpdateAssumeRolePolicyCommand } from "@aws-sdk/client-iam";
import {
  type Clients,
  type Clock,
  type Credentials,
  createClients,
  createPublisher,
  createRateLimiter,
  createRefusedStore,
  createRegistry,
  createTurns,
  startRun,
  systemClock,
  type WorkerPorts,
} from "@tenantkeys/aws";
import {
  type KeyDeclaration,
  parseKeyName,
  parseTenantId,
  type StageContext,
  type StageSettings,
  SYSTEM_PATH,
  stageNames,
} from "@tenantkeys/core";
import { assumeRole, type Endpoint, type LocalStage } from "@tenantkeys/local";

export const LEASE_DURATION_MS = 75_000;

/** Called around each AWS call, with the command's name such as `CreateKeyCommand` and its number, from 1. */
export interface CallHook {
  before?(commandName: string, call: number): void | Promise<void>;
  after?(commandName: string, call: number): void | Promise<void>;
  /** Answers in AWS's place where it gives something. */
  instead?(commandName: string): { readonly output: object } | undefined;
}

export function provisionerCredentials(stage: LocalStage): Promise<Credentials> {
  return functionCredentials(stage, stageNames(stage.settings.stage).provisionerRole);
}

/**
 * A session of the role of one of the stage's functions. On AWS only Lambda may take it. Its policies stay as they are:
 * the tests work under exactly its rights.
 */
export async function functionCredentials(stage: LocalStage, RoleName: string): Promise<Credentials> {
  const allow = (Principal: object) => ({ Effect: "Allow", Principal, Action: "sts:AssumeRole" });
  const trust = {
    Version: "2012-10-17",
    Statement: [allow({ Service: "lambda.amazonaws.com" }), allow({ AWS: `arn:aws:iam::${stage.accountId}:root` })],
  };
  await stage.iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: JSON.stringify(trust) }));
  const roleArn = `arn:aws:iam::${stage.accountId}:role${SYSTEM_PATH}${RoleName}`;
  return assumeRole(stage.at, stage.emulator.credentials, roleArn);
}

export interface ProvisionerInput {
  readonly at: Endpoint;
  readonly credentials: Credentials;
  readonly settings: StageSettings;
  readonly context: StageContext;
  readonly hook?: CallHook;
}

export function provisionerPorts({ at, credentials, settings, context, hook }: ProvisionerInput): WorkerPorts {
  const clients = createClients({ ...at, credentials });
  if (hook !== undefined) hookInto(clients, hook);
  const names = stageNames(settings.stage);
  return {
    clients,
    clientsIn: (region) => createClients({ ...at, region, credentials }),
    sqs: clients.sqs,
    queueUrl: `${at.endpoint}/${context.accountId}/${names.queue}`,
    verificationQueueUrl: `${at.endpoint}/${context.accountId}/${names.verificationQueue}`,
    context,
    profiles: settings.profiles,
    stage: settings,
    approvalPrincipal: settings.approvalPrincipal,
    sbtReplySource: settings.sbtReplySource,
    registry: createRegistry(clients, names.registryTable),
    refusedStore: createRefusedStore(clients, names.registryTable),
    publisher: createPublisher(clients.eventBridge, names.bus),
    createKeyLimiter: createRateLimiter(1000),
    visibilityBudgetMs: 2_000,
    leaseDurationMs: LEASE_DURATION_MS,
    receivesMax: settings.receivesMax,
    retryDelaySeconds: settings.retryDelaySeconds,
    newAttemptId: randomUUID,
    inTurn: createTurns(),
  };
}

interface Hookable {
  readonly middlewareStack: {
    add(middleware: unknown, options: { readonly step: "initialize"; readonly name: string }): void;
  };
}

/** Counts over all of them. */
export function hookInto({ documents, ...others }: Partial<Clients>, hook: CallHook): void {
  let calls = 0;
  const around =
    (next: (args: unknown) => Promise<unknown>, context: { commandName?: string }) => async (args: unknown) => {
      const name = context.commandName ?? "";
      const call = ++calls;
      await hook.before?.(name, call);
      const reply = hook.instead?.(name) ?? (await next(args));
      await hook.after?.(name, call);
      return reply;
    };
  // The document client's own commands run the DynamoDB client's, so hooking both would count each call twice.
  for (const client of [documents, ...Object.values(others)].filter((one) => one !== undefined)) {
    (client as unknown as Hookable).middlewareStack.add(around, { step: "initialize", name: "testHook" });
  }
}

/** The same clock, a while later: what a redelivery after the lease sees. */
export function clockAhead(byMs: number): Clock {
  return { nowMs: () => systemClock.nowMs() + byMs, sleep: systemClock.sleep };
}

export function testRun(clock: Clock = systemClock) {
  return startRun(clock, 50_000, 5_000);
}

export function declarationOf(tenantId: string, change: Partial<KeyDeclaration> = {}): KeyDeclaration {
  return {
    tenantId: parseTenantId(tenantId),
    keyName: parseKeyName("default"),
    generation: 1_767_225_600_000,
    profile: "default",
    eventId: randomUUID(),
    ...change,
  };
}
