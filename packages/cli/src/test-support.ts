/** What this package's tests share: an operator in memory, and a command run without a process. Nothing that ships imports it. */
import type { DeadLetterOutcome, KeptEvent, Operator, PublishOutcome } from "@tenantkeys/aws";
import {
  type KeyRecord,
  parseAccountId,
  parseKeyArn,
  parseKeyName,
  parseRegion,
  parseStageSettings,
  parseTenantId,
  stageContext,
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

/** An operator whose every method fails unless the test says what it does. */
export function fakeOperator(methods: Partial<Operator> = {}): Operator {
  const unexpected = () => {
    throw new Error("the test didn't expect this call");
  };
  return {
    settings,
    context: stageContext(settings, parseAccountId("111122223333"), parseRegion("eu-west-1")),
    listKeys: unexpected,
    keysOfTenant: unexpected,
    listRefused: unexpected,
    readRefusedBody: unexpected,
    settleRefused: unexpected,
    publish: unexpected,
    replayDeadLetters: unexpected,
    planKey: unexpected,
    close: () => {},
    ...methods,
  };
}

export async function* generate<T>(values: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* values;
}

export function accepted(eventId: string): PublishOutcome {
  return { kind: "accepted", eventId };
}

export function deadLetter(kind: "replayed" | "listed" | "skipped", tenantId: string): DeadLetterOutcome {
  const letter = { queueName: "dlq", messageId: `message-${tenantId}`, tenantId, eventId: "event-1", sentAtMs: 0 };
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
    environment: { AWS_REGION: "eu-west-1" },
    clock: {
      nowMs: () => nowMs,
      sleep: async (durationMs) => {
        nowMs += durationMs;
      },
    },
    readStdin: async () => "",
    connect: async (options, _run, stage) => {
      connections.push({ ...options, stage });
      return operator;
    },
    ...changes,
  };
  const exitCode = await runCli(args, ports);
  return { exitCode, ...said, connections };
}
