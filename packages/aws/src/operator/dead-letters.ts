/**
 * Looks through a dead-letter queue and sends what it holds to the provisioning queue again. Not by SQS's own
 * StartMessageMoveTask: it can't choose by tenant or only look, and the local AWS doesn't have it.
 */
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { refuseSender, type TenantKeysError } from "@tenantkeys/core";
import { narrowAwsError } from "../narrow-error.ts";
import type { Run } from "../run.ts";
import { queueUrl } from "./queue-url.ts";
import { forceStage, type StagePlace, stageMismatch } from "./stage-guard.ts";

/** SQS's most per receive. */
const RECEIVE_MESSAGES_MAX = 10;
/** Long polling asks every server that may hold messages; a short poll may miss some. */
const RECEIVE_WAIT_SECONDS = 1;
/** A queue may answer nothing while it holds something, so it is believed the second time. */
const EMPTY_RECEIVES_MAX = 2;
/** How long a message that was looked at stays out of the next receives' sight; given back at the end, or by SQS then. */
const HOLD_SECONDS = 600;
const GIVE_BACK_CONCURRENCY = 10;

export interface DeadLetter {
  readonly queueName: string;
  readonly messageId: string;
  /** As the event says it, where it is one; neither is checked. */
  readonly tenantId: string | undefined;
  readonly eventId: string | undefined;
  readonly source: string | undefined;
  readonly detailType: string | undefined;
  /** Epoch milliseconds. */
  readonly sentAtMs: number;
}

export type DeadLetterOutcome = { readonly letter: DeadLetter } & (
  | { readonly kind: "replayed" }
  /** Would be replayed, were it no dry run. */
  | { readonly kind: "listed" }
  /** Of another tenant, or failed with another code: left where it is. */
  | { readonly kind: "skipped" }
  /** Still in the dead-letter queue. */
  | { readonly kind: "failed"; readonly error: TenantKeysError }
);

export interface DeadLetterOptions {
  readonly tenantId?: string | undefined;
  /** Only what failed with this error. */
  readonly code?: string | undefined;
  readonly dryRun: boolean;
  /** Sends what was meant for another stage to this one. */
  readonly forceStage: boolean;
  /** Messages looked at, at most. */
  readonly limit: number;
}

export interface DeadLetterPorts {
  readonly sqs: SQSClient;
  readonly deadLetterQueue: string;
  readonly provisioningQueue: string;
  readonly place: StagePlace;
  /** The errors that the registry has for this event: a dead letter itself doesn't say why it died. */
  failureCodes(letter: DeadLetter): Promise<readonly string[]>;
}

/**
 * Sends first and deletes second: a stop in between leaves the message in both queues, and a sign-up done twice
 * changes nothing. Whatever isn't replayed is given back when the caller is done with the generator.
 * @throws TenantKeysError `stage_not_deployed` where a queue is missing, or what receiving throws
 */
export async function* replayDeadLetters(
  ports: DeadLetterPorts,
  run: Run,
  options: DeadLetterOptions,
): AsyncGenerator<DeadLetterOutcome, void, undefined> {
  const { sqs } = ports;
  const [from, to] = await Promise.all([
    queueUrl(sqs, run, ports.deadLetterQueue),
    queueUrl(sqs, run, ports.provisioningQueue),
  ]);
  const held = new Map<string, string>();
  const seen = new Set<string>();
  try {
    let empty = 0;
    while (seen.size < options.limit && empty < EMPTY_RECEIVES_MAX) {
      const messages = await receive(sqs, run, from, options.limit - seen.size);
      const unseen = messages.filter((message) => !seen.has(message.MessageId ?? ""));
      // Only repeats: SQS gives a message twice now and then, and a queue of nothing else is done with as well.
      empty = unseen.length === 0 ? empty + 1 : 0;
      for (const { MessageId, ReceiptHandle } of messages) {
        seen.add(MessageId ?? "");
        held.set(MessageId ?? "", ReceiptHandle ?? "");
      }
      const replay = (message: Message) => replayOne(ports, run, { from, to }, message, options);
      for (const outcome of await Promise.all(unseen.map(replay))) {
        if (outcome.kind === "replayed") held.delete(outcome.letter.messageId);
        yield outcome;
      }
    }
  } finally {
    await giveBack(sqs, run, from, [...held.values()]);
  }
}

async function replayOne(
  ports: DeadLetterPorts,
  run: Run,
  urls: { readonly from: string; readonly to: string },
  message: Message,
  options: DeadLetterOptions,
): Promise<DeadLetterOutcome> {
  const event = parseObject(message.Body);
  const letter = readLetter(ports.deadLetterQueue, message, event);
  const abort = { abortSignal: run.signal };
  let step = "dynamodb:Query";
  try {
    if (options.tenantId !== undefined && letter.tenantId !== options.tenantId) return { kind: "skipped", letter };
    if (options.code !== undefined && !(await ports.failureCodes(letter)).includes(options.code)) {
      return { kind: "skipped", letter };
    }
    // The worker refused it for its sender, which it would now have no more.
    const { tenantId, detailType: type = "" } = letter;
    refuseSender({ type, tenantId }, message.Attributes?.SenderId, ports.place.stage);
    const mismatch = stageMismatch(event, ports.place);
    if (mismatch !== undefined && !options.forceStage) return failed(letter, mismatch);
    if (options.dryRun) return { kind: "listed", letter };
    // As it came, to the byte, unless it has to be changed.
    const body = mismatch === undefined ? (message.Body ?? "") : JSON.stringify(forceStage(event, ports.place));
    step = "sqs:SendMessage";
    await ports.sqs.send(new SendMessageCommand({ QueueUrl: urls.to, MessageBody: body }), abort);
    step = "sqs:DeleteMessage";
    const deletion = { QueueUrl: urls.from, ReceiptHandle: message.ReceiptHandle };
    await ports.sqs.send(new DeleteMessageCommand(deletion), abort);
    return { kind: "replayed", letter };
  } catch (error) {
    return failed(letter, narrowAwsError(error, step));
  }
}

function failed(letter: DeadLetter, error: TenantKeysError): DeadLetterOutcome {
  return { kind: "failed", letter, error: error.within({ tenantId: letter.tenantId }) };
}

async function receive(sqs: SQSClient, run: Run, url: string, wanted: number): Promise<readonly Message[]> {
  const command = new ReceiveMessageCommand({
    QueueUrl: url,
    MaxNumberOfMessages: Math.min(RECEIVE_MESSAGES_MAX, wanted),
    WaitTimeSeconds: RECEIVE_WAIT_SECONDS,
    VisibilityTimeout: HOLD_SECONDS,
    MessageSystemAttributeNames: ["SenderId", "SentTimestamp"],
  });
  try {
    return (await sqs.send(command, { abortSignal: run.signal })).Messages ?? [];
  } catch (error) {
    throw narrowAwsError(error, "sqs:ReceiveMessage");
  }
}

/** A message that can't be given back comes back by itself when its hold runs out, so no failure here matters. */
async function giveBack(sqs: SQSClient, run: Run, url: string, receiptHandles: readonly string[]): Promise<void> {
  for (let start = 0; start < receiptHandles.length; start += GIVE_BACK_CONCURRENCY) {
    const some = receiptHandles.slice(start, start + GIVE_BACK_CONCURRENCY);
    await Promise.allSettled(
      some.map((ReceiptHandle) => {
        const command = new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle, VisibilityTimeout: 0 });
        return sqs.send(command, { abortSignal: run.signal });
      }),
    );
  }
}

function readLetter(queueName: string, message: Message, event: Record<string, unknown>): DeadLetter {
  const detail = typeof event.detail === "object" && event.detail !== null ? event.detail : {};
  return {
    queueName,
    messageId: message.MessageId ?? "",
    tenantId: "tenantId" in detail ? textOf(detail.tenantId) : undefined,
    eventId: textOf(event.id),
    source: textOf(event.source),
    detailType: textOf(event["detail-type"]),
    sentAtMs: Number(message.Attributes?.SentTimestamp ?? 0),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** What isn't an event is replayed all the same where no tenant was asked for: the worker keeps it with the reason. */
function parseObject(text: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
