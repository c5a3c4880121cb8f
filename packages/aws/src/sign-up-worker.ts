/** What becomes of one message of the provisioning queue: done, refused and kept, or given back to be tried again. */

import type { SQSClient } from "@aws-sdk/client-sqs";
import {
  asTenantKeysError,
  type ErrorCode,
  parseSignUp,
  provisioningFailedReply,
  type SignUp,
  type TenantKeysError,
} from "@tenantkeys/core";
import { type ProvisionOutcome, type ProvisionPorts, provisionTenantKey } from "./provision-tenant-key.ts";
import type { RefusedStore } from "./refused-store.ts";
import type { Run } from "./run.ts";
import { retryDelaySeconds, retryLater } from "./work-queue.ts";

export interface WorkerPorts extends ProvisionPorts {
  readonly refusedStore: RefusedStore;
  readonly sqs: SQSClient;
  readonly queueUrl: string;
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
}

export type WorkOutcome =
  | { readonly kind: "done"; readonly signUp: SignUp; readonly keys: readonly ProvisionOutcome[] }
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

export async function workSignUp(ports: WorkerPorts, run: Run, message: QueueMessage): Promise<WorkOutcome> {
  try {
    const signUp = parseSignUp(message.body, Object.keys(ports.profiles));
    const keys = await ports.inTurn(signUp.tenantId, () => provisionKeys(ports, run, signUp));
    return { kind: "done", signUp, keys };
  } catch (error) {
    const failure = asTenantKeysError(error);
    const eventId = eventIdOf(message);
    return failure.retryable
      ? giveBack(ports, run, message, eventId, failure)
      : refuse(ports, run, message, eventId, failure);
  }
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

/** One key after another: they share the tenant's role, and the first makes it. */
async function provisionKeys(ports: WorkerPorts, run: Run, signUp: SignUp): Promise<readonly ProvisionOutcome[]> {
  const { tenantId, generation, profile, eventId, tenantRegistrationId } = signUp;
  const keys: ProvisionOutcome[] = [];
  for (const keyName of signUp.keyNames) {
    const declaration = { tenantId, keyName, generation, profile, eventId, tenantRegistrationId };
    keys.push(await provisionTenantKey(ports, run, declaration));
  }
  return keys;
}

/** Kept first, said second: an event that was announced and not kept would be lost. */
async function refuse(
  ports: WorkerPorts,
  run: Run,
  message: QueueMessage,
  eventId: string,
  error: TenantKeysError,
): Promise<WorkOutcome> {
  const { messageId: refusalId, sentAtMs: receivedAtMs, body } = message;
  try {
    await ports.refusedStore.keep(run, { refusalId, receivedAtMs, body, eventId }, error);
    await ports.publisher.publishReply(run, provisioningFailedReply(ports.context.stage, eventId, error));
    return { kind: "refused", eventId, error };
  } catch (unkept) {
    return giveBack(ports, run, message, eventId, asTenantKeysError(unkept));
  }
}

async function giveBack(
  ports: WorkerPorts,
  run: Run,
  message: QueueMessage,
  eventId: string,
  error: TenantKeysError,
): Promise<WorkOutcome> {
  const lastReceive = message.receiveCount >= ports.receivesMax;
  const delaySeconds = delayFor(error.code, ports.retryDelaySeconds, message.receiveCount);
  const { receiptHandle } = message;
  // Either call may fail without harm: the queue's own visibility time-out then brings the message back, later.
  await Promise.allSettled([
    retryLater(ports.sqs, run, { queueUrl: ports.queueUrl, receiptHandle, delaySeconds }),
    lastReceive
      ? ports.publisher.publishReply(run, provisioningFailedReply(ports.context.stage, eventId, error))
      : undefined,
  ]);
  return { kind: "retry", eventId, error, lastReceive };
}

/** A lease is mostly given back within a second; everything else is worth the stage's own delay. */
function delayFor(code: ErrorCode, firstSeconds: number, receiveCount: number): number {
  return code === "lease_taken" ? 2 * receiveCount - 1 : retryDelaySeconds(firstSeconds, receiveCount);
}
