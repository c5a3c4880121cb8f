/** Puts many messages on a queue: as few calls as SQS takes, and what it didn't take again. */
import { SendMessageBatchCommand, type SendMessageBatchRequestEntry, type SQSClient } from "@aws-sdk/client-sqs";
import { asTenantKeysError, TenantKeysError } from "@tenantkeys/core";
import { narrowAwsError } from "./narrow-error.ts";
import { checkDeadline, type Run } from "./run.ts";

/** SQS's most per call. */
const BATCH_MESSAGES = 10;
/** A message that SQS didn't take, for a fault of SQS's own, is sent at most this often in all. */
const SENDS_MAX = 3;
const RESEND_DELAY_MS = 200;

export interface SentMessages {
  readonly sent: number;
  /** Why the others weren't. */
  readonly error: TenantKeysError | undefined;
}

/**
 * A call that fails as a whole, or comes too late, ends it: the rest would meet the same. Its batch counts as not sent.
 * @param what they are, for the message of an error: "reviews"
 */
export async function sendMessages(
  sqs: SQSClient,
  run: Run,
  queueUrl: string,
  bodies: readonly string[],
  what: string,
): Promise<SentMessages> {
  let sent = 0;
  try {
    for (let start = 0; start < bodies.length; start += BATCH_MESSAGES) {
      sent += await sendBatch(sqs, run, queueUrl, bodies.slice(start, start + BATCH_MESSAGES));
    }
  } catch (error) {
    return { sent, error: asTenantKeysError(error) };
  }
  if (sent === bodies.length) return { sent, error: undefined };
  const message = `sqs:SendMessageBatch: ${bodies.length - sent} of ${bodies.length} ${what} weren't taken by the queue`;
  return { sent, error: new TenantKeysError("aws_unavailable", message, { step: "sqs:SendMessage" }) };
}

/** @returns how many of them the queue took */
async function sendBatch(sqs: SQSClient, run: Run, queueUrl: string, bodies: readonly string[]): Promise<number> {
  let pending: readonly SendMessageBatchRequestEntry[] = bodies.map((body, index) => ({
    Id: String(index),
    MessageBody: body,
  }));
  let refused = 0;
  for (let send = 1; ; send++) {
    checkDeadline(run, "sqs:SendMessage");
    const failed = await sendOnce(sqs, run, queueUrl, pending);
    const notTaken = pending.filter(({ Id }) => failed.has(Id));
    // What SQS calls the sender's fault it would refuse again.
    pending = notTaken.filter(({ Id }) => failed.get(Id) === "later");
    refused += notTaken.length - pending.length;
    if (pending.length === 0 || send === SENDS_MAX) return bodies.length - refused - pending.length;
    await run.clock.sleep(RESEND_DELAY_MS * send);
  }
}

/** @returns the entries that the queue didn't take, by their ids */
async function sendOnce(
  sqs: SQSClient,
  run: Run,
  QueueUrl: string,
  entries: readonly SendMessageBatchRequestEntry[],
): Promise<ReadonlyMap<string | undefined, "later" | "never">> {
  try {
    const command = new SendMessageBatchCommand({ QueueUrl, Entries: [...entries] });
    const { Failed } = await sqs.send(command, { abortSignal: run.signal });
    return new Map((Failed ?? []).map(({ Id, SenderFault }) => [Id, SenderFault === true ? "never" : "later"]));
  } catch (error) {
    throw narrowAwsError(error, "sqs:SendMessage");
  }
}
