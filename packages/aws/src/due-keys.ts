/** Keys that wait for a time: which are due, and how the worker is told to look at them again. */
import { QueryCommand } from "@aws-sdk/lib-dynamodb";
import {
  type AccountId,
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
import { sendMessages } from "./send-messages.ts";

/** What one turn of the schedule sends at most: the next turn goes on with what is left. */
export const DUE_KEYS_MAX = 5_000;
const PAGE_ITEMS = 500;
/** Twice what full pages take: DynamoDB may end a page early, and a query that goes on longer goes in circles. */
const PAGES_MAX = (2 * DUE_KEYS_MAX) / PAGE_ITEMS;

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
  const { stage, clients, newEventId } = ports;
  const bodies = keys.map((key) => busMessage(stage, reviewEvent(stage.stage, key), newEventId(), run.clock.nowMs()));
  const { sent, error } = await sendMessages(clients.sqs, run, stage.queueUrl, bodies, "reviews");
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
