/** What the unit tests of this folder share: one stage, one tenant, a clock and clients without AWS. Nothing that ships imports it. */
import type { PutEventsRequestEntry } from "@aws-sdk/client-eventbridge";
import {
  completeKeyProfile,
  desiredTenantKey,
  parseAccountId,
  parseKeyArn,
  parseKeyName,
  parseRegion,
  parseStageSettings,
  parseTenantId,
  stageContext,
} from "@tenantkeys/core";
import type { Clients } from "./clients.ts";
import type { Clock, Run } from "./run.ts";

export const SETTINGS = parseStageSettings({
  stage: "dev",
  applicationRoleArns: ["arn:aws:iam::111122223333:role/app/acme-web"],
});
export const CONTEXT = stageContext(SETTINGS, parseAccountId("111122223333"), parseRegion("eu-west-1"));
export const ACME = parseTenantId("acme");
export const DEFAULT_KEY = parseKeyName("default");
export const DESIRED = desiredTenantKey(CONTEXT, ACME, DEFAULT_KEY, completeKeyProfile());
export const KEY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/1");
export const CREDENTIALS = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "an-example" };

/** Epoch milliseconds at which a FakeClock starts. */
export const START_MS = 1_767_225_600_000;

/** Sleeping takes no time but moves the clock. */
export class FakeClock implements Clock {
  readonly sleptMs: number[] = [];
  #nowMs = START_MS;

  nowMs(): number {
    return this.#nowMs;
  }

  advance(durationMs: number): void {
    this.#nowMs += durationMs;
  }

  async sleep(durationMs: number): Promise<void> {
    this.sleptMs.push(durationMs);
    this.advance(durationMs);
  }
}

export function runOn(clock: Clock, durationMs = 50_000): Run {
  return { clock, deadlineMs: clock.nowMs() + durationMs, signal: new AbortController().signal };
}

/** The fields of commands that tests look at. A command has those of its own kind only. */
export interface CallInput {
  readonly RoleName: string;
  readonly Path: string;
  readonly PermissionsBoundary: string;
  readonly AssumeRolePolicyDocument: string;
  readonly PolicyName: string;
  readonly PolicyDocument: string;
  readonly KeyId: string;
  readonly Policy: string;
  readonly AliasName: string;
  readonly TargetKeyId: string;
  readonly RotationPeriodInDays: number;
  readonly PendingWindowInDays: number;
  readonly MultiRegion?: boolean | undefined;
  readonly ReplicaRegion: string;
  readonly GrantId: string;
  /** No field of KMS: what a replica in memory is called. */
  readonly Arn?: string;
  readonly Origin: string | undefined;
  readonly KeySpec: string | undefined;
  readonly CustomKeyStoreId: string | undefined;
  readonly XksKeyId: string | undefined;
  readonly ImportToken: Uint8Array;
  readonly EncryptedKeyMaterial: Uint8Array;
  readonly ValidTo: Date | undefined;
  /** IAM's tags have the first two fields, KMS's the others. */
  readonly Tags: readonly {
    readonly Key: string;
    readonly Value: string;
    readonly TagKey: string;
    readonly TagValue: string;
  }[];
  readonly TagFilters: readonly { readonly Key: string; readonly Values: readonly string[] }[];
  readonly VisibilityTimeout: number;
  readonly QueueUrl: string;
  readonly MessageBody: string;
  readonly Entries: readonly PutEventsRequestEntry[];
}

export interface Call {
  /** Which of the clients it went through. */
  readonly client: keyof Clients;
  /** Such as `CreateKey`. */
  readonly name: string;
  readonly input: CallInput;
  readonly signal: AbortSignal | undefined;
}

/** Clients whose `send` is a function: it answers, or throws, in AWS's place. */
export function fakeClients(answer: (call: Call) => unknown): Clients {
  const client = (name: keyof Clients) => ({
    send: async (command: { readonly input: CallInput }, options?: { readonly abortSignal?: AbortSignal }) =>
      answer({
        client: name,
        name: command.constructor.name.replace(/Command$/, ""),
        input: command.input,
        signal: options?.abortSignal,
      }),
    destroy: () => {},
  });
  const names = ["kms", "kmsOnce", "iam", "documents", "eventBridge", "sqs", "tagging"] as const;
  return Object.fromEntries(names.map((name) => [name, client(name)])) as unknown as Clients;
}

/** An error as the SDK throws it for an answer of AWS: named, with the reply's status. */
export function awsError(name: string, httpStatusCode: number, message = `${name} for a test`): Error {
  return Object.assign(new Error(message), { name, $metadata: { httpStatusCode } });
}

/** The error of a connection that was closed before the reply came. */
export function lostReply(): Error {
  return Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
}
