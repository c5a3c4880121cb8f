/** What becomes of one message of the provisioning queue: done, refused and kept, or given back to be tried again. */

import type { SQSClient } from "@aws-sdk/client-sqs";
import {
  asTenantKeysError,
  type ErrorCode,
  type EventStage,
  failedReply,
  failedReplyTypeOf,
  glanceAtEvent,
  parseTenantEvent,
  type Reply,
  refuseSender,
  type StageSettings,
  sbtFailedReply,
  type TenantKeysError,
} from "@tenantkeys/core";
import { carryOutEvent, type DoneEvent } from "./carry-out-event.ts";
import type { ProvisionPorts } from "./ports.ts";
import type { RefusedStore } from "./refused-store.ts";
import { repliesTo } from "./replies-to.ts";
import type { Run } from "./run.ts";
import { retryDelaySeconds, retryLater } from "./work-queue.ts";

export interface WorkerPorts extends ProvisionPorts {
  readonly stage: EventStage &
    Pick<StageSettings, "keyProfiles" | "tenantOwnedKeys" | "automaticRepair" | "cancelUnintendedDeletions">;
  readonly refusedStore: RefusedStore;
  readonly sqs: SQSClient;
  readonly queueUrl: string;
  /** Where a key that was repaired is looked at again. */
  readonly verificationQueueUrl: string;
  readonly receivesMax: number;
  readonly retryDelaySeconds: number;
  /** Runs the work on one tenant in turn within this process: two messages would only wait for each other's lease. */
  inTurn<T>(name: string, task: () => Promise<T>): Promise<T>;
}

export interface QueueMessage {
  readonly messageId: string;
  readonly receiptHandle: string;
  /** The event, as EventBridge gave it to the queue. */
  readonly body: string;
  readonly receiveCount: number;
  /** Epoch milliseconds. */
  readonly sentAtMs: number;
  /** Who put it into the queue, as SQS authenticated it. */
  readonly senderId?: string | undefined;
}

export type WorkOutcome =
  | ({ readonly kind: "done" } & DoneEvent)
  /** Waiting can't help: kept in the refused store, and said on the bus. */
  | { readonly kind: "refused"; readonly eventId: string; readonly error: TenantKeysError }
  /** Back in the queue; after its last receive SQS moves it to the dead-letter queue, and the bus was told. */
  | {
      readonly kind: "retry";
      readonly eventId: string;
      readonly error: TenantKeysError;
      readonly lastReceive: boolean;
    };

/** As in the schema of the replies. */
const EVENT_ID_CHARACTERS_MAX = 128;

interface Failure {
  readonly message: QueueMessage;
  readonly eventId: string;
  readonly error: TenantKeysError;
}

export async function workEvent(ports: WorkerPorts, run: Run, message: QueueMessage): Promise<WorkOutcome> {
  try {
    const event = parseTenantEvent(message.body, ports.stage);
    refuseSender(event, message.senderId, ports.context.stage);
    const done = await ports.inTurn(event.tenantId, () => carryOutEvent(ports, run, event, personOf(message)));
    for (const reply of repliesTo(ports, done)) await ports.publisher.publishReply(run, reply);
    return { kind: "done", ...done };
  } catch (error) {
    const failure = { message, eventId: eventIdOf(message), error: asTenantKeysError(error) };
    return failure.error.retryable ? giveBack(ports, run, failure) : refuse(ports, run, failure);
  }
}

/**
 * The person who sent the message, where it is one: SQS authenticates the sender, and a role's session is always of the
 * account's own. What EventBridge delivers has the id of a user of AWS's own (`AIDA…`), so users aren't told apart from it
 * and don't count. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
 */
function personOf({ senderId }: QueueMessage): string | undefined {
  return senderId?.startsWith("AROA") ? senderId : undefined;
}

/** By what its publisher knows the event, also one that is refused; the message's own id where the event has none. */
function eventIdOf({ body, messageId }: QueueMessage): string {
  try {
    const { id } = JSON.parse(body);
    return typeof id === "string" && id.length >= 1 && id.length <= EVENT_ID_CHARACTERS_MAX ? id : messageId;
  } catch {
    return messageId;
  }
}

function failedReplies(ports: WorkerPorts, { message, eventId, error }: Failure): readonly Reply[] {
  const { type, replyTo, tenantRegistrationId } = glanceAtEvent(message.body, ports.stage.eventMappings);
  const registration = { tenantRegistrationId };
  const ours = failedReply(failedReplyTypeOf(type), ports.context.stage, eventId, error, registration);
  if (replyTo !== "sbt" || tenantRegistrationId === undefined) return [ours];
  const theirs = sbtFailedReply(type, tenantRegistrationId, error, ports.sbtReplySource);
  return theirs === undefined ? [ours] : [ours, theirs];
}

/** Kept first, said second: an event that was announced and not kept would be lost. */
async function refuse(ports: WorkerPorts, run: Run, failure: Failure): Promise<WorkOutcome> {
  const { message, eventId, error } = failure;
  const { messageId: refusalId, sentAtMs: receivedAtMs, body } = message;
  try {
    await ports.refusedStore.keep(run, { refusalId, receivedAtMs, body, eventId }, error);
    for (const reply of failedReplies(ports, failure)) await ports.publisher.publishReply(run, reply);
    return { kind: "refused", eventId, error };
  } catch (unkept) {
    return giveBack(ports, run, { ...failure, error: asTenantKeysError(unkept) });
  }
}

async function giveBack(ports: WorkerPorts, run: Run, failure: Failure): Promise<WorkOutcome> {
  const { message, eventId, error } = failure;
  const lastReceive = message.receiveCount >= ports.receivesMax;
  const delaySeconds = delayFor(error.code, ports.retryDelaySeconds, message.receiveCount);
  const { receiptHandle } = message;
  const replies = lastReceive ? failedReplies(ports, failure) : [];
  // Any of these calls may fail without harm: the queue's own visibility time-out then brings the message back, later.
  await Promise.allSettled([
    retryLater(ports.sqs, run, { queueUrl: ports.queueUrl, receiptHandle, delaySeconds }),
    ...replies.map((reply) => ports.publisher.publishReply(run, reply)),
  ]);
  return { kind: "retry", eventId, error, lastReceive };
}

/** A lease is mostly given back within a second; everything else is worth the stage's own delay. */
function delayFor(code: ErrorCode, firstSeconds: number, receiveCount: number): number {
  return code === "lease_taken" ? 2 * receiveCount - 1 : retryDelaySeconds(firstSeconds, receiveCount);
}
