/** Works on one message of the verification queues: a shard of a sweep, a tenant to look at, or an event of AWS's own. */
import {
  asTenantKeysError,
  type KeyName,
  parseVerificationMessage,
  type TenantId,
  type TenantKeysError,
  type VerificationMessage,
} from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import type { Registry } from "../registry.ts";
import type { Run } from "../run.ts";
import { retryDelaySeconds, retryLater } from "../work-queue.ts";
import type { GuardMessage, GuardOutcome } from "./guard-ports.ts";
import { type ShardOutcome, type ShardPorts, workShard } from "./sweep/shard-worker.ts";

export interface VerificationWorkerPorts extends ShardPorts {
  readonly clients: Pick<Clients, "sqs">;
  readonly registry: Pick<Registry, "keysOfTenant">;
  /** `guardEvent`, with its ports. */
  guard(run: Run, message: GuardMessage): Promise<GuardOutcome>;
}

export interface VerificationDelivery {
  readonly messageId: string;
  readonly body: string;
  readonly receiptHandle: string;
  readonly receiveCount: number;
  /** Absent: it comes back when the queue's own time is over. */
  readonly queueUrl: string | undefined;
}

export type VerificationOutcome =
  | { readonly kind: "done"; readonly work: VerificationMessage["kind"]; readonly result: Exclude<Work, Unfinished> }
  /** Given back; it is seen again after a moment. */
  | { readonly kind: "retry"; readonly error: TenantKeysError }
  /** Given back at once, so that the queue soon moves it to its dead letters: trying again can't help. */
  | { readonly kind: "refused"; readonly error: TenantKeysError };

const RETRY_DELAY_SECONDS = 5;

/** Never throws: whatever goes wrong, the message goes back and the reason is in the outcome. */
export async function workVerificationMessage(
  ports: VerificationWorkerPorts,
  run: Run,
  delivery: VerificationDelivery,
): Promise<VerificationOutcome> {
  let error: TenantKeysError;
  let delaySeconds: number | undefined;
  try {
    const message = parseVerificationMessage(delivery.body);
    const result = await carryOut(ports, run, message, delivery.receiveCount);
    if (!isUnfinished(result)) return { kind: "done", work: message.kind, result };
    error = result.error;
    // What only lacked time goes on at once.
    if (error.code === "deadline_near") delaySeconds = 0;
    else if ("delaySeconds" in result) delaySeconds = result.delaySeconds;
  } catch (cause) {
    error = asTenantKeysError(cause);
  }
  delaySeconds ??= retryDelaySeconds(RETRY_DELAY_SECONDS, delivery.receiveCount);
  await giveBack(ports, run, delivery, error.retryable ? delaySeconds : 0);
  return { kind: error.retryable ? "retry" : "refused", error };
}

type Work = ShardOutcome | GuardOutcome | VerifiedTenant;
/** Left for another delivery; the guard says after how long. */
type Unfinished = Extract<Work, { readonly kind: "unfinished" }>;

async function carryOut(
  ports: VerificationWorkerPorts,
  run: Run,
  message: VerificationMessage,
  receiveCount: number,
): Promise<Work> {
  switch (message.kind) {
    case "shard":
      return workShard(ports, run, message);
    case "tenant-key":
      return verifyTenant(ports, run, message.tenantId, message.keyName);
    case "aws-event":
      return ports.guard(run, { event: message.event, receiveCount });
  }
}

function isUnfinished(work: Work): work is Unfinished {
  return work.kind === "unfinished";
}

interface VerifiedTenant {
  readonly kind: "verified";
  readonly tenantId: TenantId;
  readonly tenantKeys: number;
  readonly findings: number;
}

/** One after another: a tenant has a handful of keys. All is read directly, grants and past rotations too. */
async function verifyTenant(
  ports: VerificationWorkerPorts,
  run: Run,
  tenantId: TenantId,
  keyName: KeyName | undefined,
): Promise<VerifiedTenant> {
  const names =
    keyName === undefined
      ? (await ports.registry.keysOfTenant(run, tenantId)).map((record) => record.keyName)
      : [keyName];
  let findings = 0;
  for (const name of names) {
    const depth = { grants: true, rotations: true };
    const { verdict } = await ports.verifyKey(run, { tenantId, keyName: name }, depth);
    findings += verdict.findings.length;
  }
  return { kind: "verified", tenantId, tenantKeys: names.length, findings };
}

/** Where that fails, the message comes back later than it could. */
async function giveBack(
  { clients }: VerificationWorkerPorts,
  run: Run,
  { queueUrl, receiptHandle }: VerificationDelivery,
  delaySeconds: number,
): Promise<void> {
  if (queueUrl === undefined) return;
  await retryLater(clients.sqs, run, { queueUrl, receiptHandle, delaySeconds }).catch(() => undefined);
}
