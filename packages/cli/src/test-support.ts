/** What this package's tests share: an operator in memory, and a command run without a process. Nothing that ships imports it. */
import type { BusEvent, DeadLetterOutcome, KeptEvent, Operator, PublishOutcome } from "@tenantkeys/aws";
import {
  type KeyRecord,
  parseAccountId,
  parseKeyArn,
  parseKeyName,
  parseRegion,
  parseStageSettings,
  parseTenantId,
  type Register,
  type Sweep,
  stageContext,
  type TenantRecord,
} from "@tenantkeys/core";
import type { CliPorts } from "./ports.ts";
import { runCli } from "./program.ts";

const settings = parseStageSettings({
  stage: "dev",
  applicationRoleArns: ["arn:aws:iam::111122223333:role/app"],
});

export function keyRecord(changes: Partial<KeyRecord> = {}): KeyRecord {
  return {
    tenantId: parseTenantId("acme"),
    keyName: parseKeyName("default"),
    state: "active",
    generation: 1,
    profile: "default",
    attempts: [],
    fence: 1,
    leaseUntilMs: 0,
    eventId: "event-1",
    declaredAtMs: 1_000,
    updatedAtMs: 2_000,
    keyArn: parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/1234"),
    ...changes,
  };
}

export function register(changes: Partial<Register> = {}): Register {
  return { value: true, generation: 1, eventId: "event-1", atMs: 4_000, ...changes };
}

export function tenantRecord(changes: Partial<TenantRecord> = {}): TenantRecord {
  return { tenantId: parseTenantId("acme"), version: 1, updatedAtMs: 2_000, ...changes };
}

export function keptEvent(changes: Partial<KeptEvent> = {}): KeptEvent {
  return {
    refusalId: "refusal-1",
    keptAtMs: 3_000,
    tenantId: "acme",
    code: "event_invalid",
    message: "detail.profile: is missing",
    nextAction: "Correct it.",
    parts: 1,
    ...changes,
  };
}

/** An operator whose every method fails unless the test says what it does; nothing is declared or destroyed. */
export function fakeOperator(methods: Partial<Operator> = {}): Operator {
  const unexpected = () => {
    throw new Error("the test didn't expect this call");
  };
  return {
    settings,
    context: stageContext(settings, parseAccountId("111122223333"), parseRegion("eu-west-1")),
    listGrants: unexpected,
    listKeys: unexpected,
    keysOfTenant: unexpected,
    tenant: async () => undefined,
    destructionsOfTenant: async () => [],
    listRefused: unexpected,
    readRefusedBody: unexpected,
    settleRefused: unexpected,
    publish: unexpected,
    sendToQueue: unexpected,
    archiveSize: unexpected,
    startArchiveReplay: unexpected,
    replayProgress: unexpected,
    replayDeadLetters: unexpected,
    planKey: unexpected,
    planRepair: unexpected,
    repairAsCaller: unexpected,
    probe: unexpected,
    prove: unexpected,
    tryPairs: unexpected,
    becomeTenant: unexpected,
    verifyKey: unexpected,
    openFindings: unexpected,
    openFindingsOfTenant: async () => [],
    findingHistory: unexpected,
    verifications: async () => [],
    sweeps: unexpected,
    canaryRuns: unexpected,
    validatePolicies: unexpected,
    close: () => {},
    ...methods,
  };
}

export function sweep(changes: Partial<Sweep> = {}): Sweep {
  const counts = { tenantKeys: 0, tenants: 0, tenantKeysVerified: 0, tenantsVerified: 0, readsDenied: 0, pagesCut: 0 };
  const shards = { shards: 0, shardsDone: 0, shardsLost: 0 };
  const base = { sweepId: "sweep-1", number: 1, phase: "checking", fence: 1, leaseUntilMs: 0, startedAtMs: 0 } as const;
  return { ...base, ...counts, ...shards, rounds: 1, ...changes };
}

export async function* generate<T>(values: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* values;
}

/** A publish that answers by tenant, and what it was called with. */
export function publishing(answer: (event: BusEvent) => PublishOutcome) {
  const calls: { tenants: unknown[]; keepRefused: boolean }[] = [];
  const publish: Operator["publish"] = async (_, events, { keepRefused }) => {
    calls.push({ tenants: events.map(({ detail }) => (detail as { tenantId: string }).tenantId), keepRefused });
    return events.map(answer);
  };
  return { publish, calls };
}

export function accepted(eventId: string): PublishOutcome {
  return { kind: "accepted", eventId };
}

export function deadLetter(kind: "replayed" | "listed" | "skipped", tenantId: string): DeadLetterOutcome {
  const about = { tenantId, eventId: "event-1", source: "tenantkeys.application", detailType: "TenantSignedUp" };
  const letter = { queueName: "dlq", messageId: `message-${tenantId}`, ...about, sentAtMs: 0 };
  return { kind, letter };
}

/** Runs the command with a clock that its own sleeping moves. */
export async function runCommand(
  args: readonly string[],
  operator: Operator = fakeOperator(),
  changes: Partial<CliPorts> = {},
) {
  let nowMs = 1_000_000;
  const said = { out: "", err: "" };
  const connections: unknown[] = [];
  const ports: CliPorts = {
    stdout: (text) => {
      said.out += text;
    },
    stderr: (text) => {
      said.err += text;
    },
    stderrIsTerminal: false,
    stdinIsTerminal: false,
    environment: { AWS_REGION: "eu-west-1" },
    clock: {
      nowMs: () => nowMs,
      sleep: async (durationMs) => {
        nowMs += durationMs;
      },
    },
    readStdin: async () => "",
    ask: async () => {
      throw new Error("the test didn't expect a question");
    },
    connect: async (options, _run, stage) => {
      connections.push({ ...options, stage });
      return operator;
    },
    reEncryptObjects: () => () => {
      throw new Error("the test didn't expect a run");
    },
    fileCursor: () => {
      throw new Error("the test didn't expect a cursor");
    },
    validatePolicies: async () => {
      throw new Error("the test didn't expect a validation");
    },
    ...changes,
  };
  const exitCode = await runCli(args, ports);
  return { exitCode, ...said, connections };
}
