/** Keys that wait for a time: which are due, and how the worker is told to look at them again. */
import { SendMessageBatchCommand, type SendMessageBatchRequestEntry, type SQSClient } from "@aws-sdk/client-sqs";
import { QueryCommand } from "@aws-sdk/lib-dynamodb";
import {
  type AccountId,
  asTenantKeysError,
  type KeyName,
  parseKeyName,
  parseTenantId,
  type Region,
  type Stage,
  type TenantId,
  TenantKeysError,
} from "@tenantkeys/core";
import { busMessage, reviewEvent } from "./bus-message.ts";
import type { Clients } from "./clients.ts";
import { narrowAwsError } from "./narrow-error.ts";
import { REVIEW_INDEX, REVIEW_PARTITION } from "./registry-table.ts";
import { checkDeadline, type Run } from "./run.ts";

/** What one turn of the schedule sends at most: the next turn goes on with what is left. */
export const DUE_KEYS_MAX = 5_000;
const PAGE_ITEMS = 500;
/** Twice what full pages take: DynamoDB may end a page early, and a query that goes on longer goes in circles. */
const PAGES_MAX = (2 * DUE_KEYS_MAX) / PAGE_ITEMS;
/** SQS's most per call. */
const BATCH_MESSAGES = 10;
/** A message that SQS didn't take, for a fault of SQS's own, is sent at most this often in all. */
const SENDS_MAX = 3;
const RESEND_DELAY_MS = 200;

interface DueKey {
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
}

interface DueKeys {
  readonly keys: readonly DueKey[];
  readonly limitReached: boolean;
  /** Items of the index that name no key, and what is wrong with the last of them. */
  readonly unreadable: number;
  readonly error?: TenantKeysError | undefined;
}

export interface ReviewedStage {
  readonly stage: Stage;
  readonly accountId: AccountId;
  readonly region: Region;
  readonly queueUrl: string;
}

export interface ReviewsSent {
  readonly due: number;
  readonly sent: number;
  readonly failed: number;
  /** More was due than one turn sends. */
  readonly limitReached: boolean;
  /** Why some failed; the next turn finds the same keys due. */
  readonly error?: TenantKeysError | undefined;
}

export interface ReviewPorts {
  readonly clients: Pick<Clients, "documents" | "sqs">;
  readonly tableName: string;
  readonly stage: ReviewedStage;
  newEventId(): string;
}

/**
 * Puts every key whose time has come on the provisioning queue. A key that is there already is merely looked at twice.
 * @throws TenantKeysError where the index couldn't be read: nothing was sent then
 */
export async function sendDueReviews(ports: ReviewPorts, run: Run): Promise<ReviewsSent> {
  const { keys, limitReached, unreadable, error: unread } = await findDueKeys(ports, run);
  const { sent, error } = await sendReviews(ports, run, keys);
  const due = keys.length + unreadable;
  return { due, sent, failed: due - sent, limitReached, error: error ?? unread };
}

async function findDueKeys({ clients, tableName }: ReviewPorts, run: Run): Promise<DueKeys> {
  const items: Record<string, unknown>[] = [];
  let startKey: Record<string, unknown> | undefined;
  for (let page = 0; page < PAGES_MAX && items.length < DUE_KEYS_MAX; page++) {
    checkDeadline(run, "dynamodb:Query");
    const command = new QueryCommand({
      TableName: tableName,
      IndexName: REVIEW_INDEX,
      KeyConditionExpression: "review = :review AND nextCheckAtMs <= :now",
      ExpressionAttributeValues: { ":review": REVIEW_PARTITION, ":now": run.clock.nowMs() },
      Limit: PAGE_ITEMS,
      ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
    });
    const answer = await clients.documents.send(command, { abortSignal: run.signal }).catch((error) => {
      throw narrowAwsError(error, "dynamodb:Query");
    });
    items.push(...(answer.Items ?? []));
    startKey = answer.LastEvaluatedKey;
    if (startKey === undefined) break;
  }
  const limitReached = startKey !== undefined || items.length > DUE_KEYS_MAX;
  return { ...readKeys(items.slice(0, DUE_KEYS_MAX)), limitReached };
}

/** An item that names no key is left out, and not an end of all: the others' time has come as well. */
function readKeys(items: readonly Readonly<Record<string, unknown>>[]): Omit<DueKeys, "limitReached"> {
  const keys: DueKey[] = [];
  let error: TenantKeysError | undefined;
  for (const { pk, sk, tenantId, keyName } of items) {
    try {
      keys.push({ tenantId: parseTenantId(asText(tenantId)), keyName: parseKeyName(asText(keyName)) });
    } catch (cause) {
      const message = `registry item ${asText(pk)} / ${asText(sk)}: it is due for a review and names no key`;
      error = new TenantKeysError("record_invalid", message, { step: "dynamodb:Query", cause });
    }
  }
  return { keys, unreadable: items.length - keys.length, error };
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** A call that fails as a whole, or comes too late, ends the turn: the rest would meet the same. Its batch counts as not sent. */
async function sendReviews(ports: ReviewPorts, run: Run, keys: readonly DueKey[]) {
  let sent = 0;
  try {
    for (let start = 0; start < keys.length; start += BATCH_MESSAGES) {
      sent += await sendBatch(ports, run, keys.slice(start, start + BATCH_MESSAGES));
    }
  } catch (error) {
    return { sent, error: asTenantKeysError(error) };
  }
  if (sent === keys.length) return { sent, error: undefined };
  const message = `sqs:SendMessageBatch: ${keys.length - sent} of ${keys.length} reviews weren't taken by the queue`;
  return { sent, error: new TenantKeysError("aws_unavailable", message, { step: "sqs:SendMessage" }) };
}

/** @returns how many of them the queue took */
async function sendBatch(ports: ReviewPorts, run: Run, keys: readonly DueKey[]): Promise<number> {
  let pending: readonly SendMessageBatchRequestEntry[] = keys.map((key, index) => ({
    Id: String(index),
    MessageBody: busMessage(ports.stage, reviewEvent(ports.stage.stage, key), ports.newEventId(), run.clock.nowMs()),
  }));
  let refused = 0;
  for (let send = 1; ; send++) {
    checkDeadline(run, "sqs:SendMessage");
    const failed = await sendOnce(ports.clients.sqs, run, ports.stage.queueUrl, pending);
    const notTaken = pending.filter(({ Id }) => failed.has(Id));
    // What SQS calls the sender's fault it would refuse again.
    pending = notTaken.filter(({ Id }) => failed.get(Id) === "later");
    refused += notTaken.length - pending.length;
    if (pending.length === 0 || send === SENDS_MAX) return keys.length - refused - pending.length;
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
