/** Keys that wait for a time: which are due, and how the worker is told to look at them again. */
import { SendMessageBatchCommand, type SendMessageBatchRequestEntry, type SQSClient } from "@aws-sdk/client-sqs";
import { QueryCommand } from "@aws-sdk/lib-dynamodb";
import { type AccountId, REPLY_SOURCE, type Region, type Stage, TenantKeysError } from "@tenantkeys/core";
import type { Clients } from "./clients.ts";
import { narrowAwsError } from "./narrow-error.ts";
import { REVIEW_INDEX, REVIEW_PARTITION } from "./registry-table.ts";
import type { Run } from "./run.ts";

/** What one turn of the schedule sends at most: the next turn goes on with what is left. */
export const DUE_KEYS_MAX = 5_000;
const PAGE_ITEMS = 500;
/** SQS's most per call. */
const BATCH_MESSAGES = 10;
/** A message that SQS refused for a fault of its own is sent at most this often in all. */
const SENDS_MAX = 3;

export interface DueKey {
  readonly tenantId: string;
  readonly keyName: string;
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
  readonly limitReached: boolean;
}

export interface ReviewPorts {
  readonly clients: Pick<Clients, "documents" | "sqs">;
  readonly tableName: string;
  readonly stage: ReviewedStage;
  newEventId(): string;
}

/**
 * Puts every key whose time has come on the provisioning queue. A key that is there already is merely looked at twice.
 * @throws TenantKeysError where reading failed, or where messages weren't taken: the next turn finds the same keys due
 */
export async function sendDueReviews(ports: ReviewPorts, run: Run): Promise<ReviewsSent> {
  const { due, limitReached } = await findDueKeys(ports, run);
  let sent = 0;
  for (let start = 0; start < due.length; start += BATCH_MESSAGES) {
    const batch = due.slice(start, start + BATCH_MESSAGES);
    sent += await sendBatch(ports, run, batch);
  }
  if (sent === due.length) return { due: due.length, sent, limitReached };
  const message = `sqs:SendMessageBatch: ${due.length - sent} of ${due.length} reviews weren't taken by the queue`;
  throw new TenantKeysError("aws_unavailable", message, { step: "sqs:SendMessage" });
}

async function findDueKeys(
  { clients, tableName }: ReviewPorts,
  run: Run,
): Promise<{ readonly due: readonly DueKey[]; readonly limitReached: boolean }> {
  const due: DueKey[] = [];
  let startKey: Record<string, unknown> | undefined;
  do {
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
    for (const item of answer.Items ?? []) due.push({ tenantId: String(item.tenantId), keyName: String(item.keyName) });
    startKey = answer.LastEvaluatedKey;
  } while (startKey !== undefined && due.length < DUE_KEYS_MAX);
  return { due: due.slice(0, DUE_KEYS_MAX), limitReached: startKey !== undefined || due.length > DUE_KEYS_MAX };
}

/** @returns how many of them the queue took */
async function sendBatch(ports: ReviewPorts, run: Run, keys: readonly DueKey[]): Promise<number> {
  let pending: readonly SendMessageBatchRequestEntry[] = keys.map((key, index) => ({
    Id: String(index),
    MessageBody: JSON.stringify(reviewDue(ports, run, key)),
  }));
  for (let send = 1; send <= SENDS_MAX && pending.length > 0; send++) {
    const failed = await sendOnce(ports.clients.sqs, run, ports.stage.queueUrl, pending);
    pending = pending.filter(({ Id }) => failed.has(Id));
  }
  return keys.length - pending.length;
}

/** @returns the ids of the entries that the queue didn't take */
async function sendOnce(
  sqs: SQSClient,
  run: Run,
  QueueUrl: string,
  entries: readonly SendMessageBatchRequestEntry[],
): Promise<ReadonlySet<string | undefined>> {
  try {
    const command = new SendMessageBatchCommand({ QueueUrl, Entries: [...entries] });
    const { Failed } = await sqs.send(command, { abortSignal: run.signal });
    return new Set((Failed ?? []).map(({ Id }) => Id));
  } catch (error) {
    throw narrowAwsError(error, "sqs:SendMessage");
  }
}

/** An event as EventBridge would have delivered it: the worker knows one form only. */
function reviewDue({ stage: { stage, accountId, region }, newEventId }: ReviewPorts, run: Run, key: DueKey) {
  return {
    version: "0",
    id: newEventId(),
    "detail-type": "TenantKeyReviewDue",
    source: REPLY_SOURCE,
    account: accountId,
    time: new Date(run.clock.nowMs()).toISOString(),
    region,
    resources: [],
    detail: { version: "1", stage, ...key },
  };
}
