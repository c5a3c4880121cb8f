/** The refused store from the operator's side: list what is kept, read an event's text, settle it after a replay. */
import { QueryCommand, TransactWriteCommand } from "@aws-sdk/lib-dynamodb";
import { TenantKeysError } from "@tenantkeys/core";
import { EntityFormatter } from "dynamodb-toolbox/entity/actions/format";
import { EntityParser } from "dynamodb-toolbox/entity/actions/parse";
import type { Clients } from "../clients.ts";
import { narrowAwsError } from "../narrow-error.ts";
import { readItem } from "../registry.ts";
import { REFUSED_PARTITION, refusalEntity, refusalPartEntity, registryTable } from "../registry-table.ts";
import type { Run } from "../run.ts";

/** Refusals are small: DynamoDB gives some thousands of them per page. */
const LIST_PAGES_MAX = 1_000;
const LIST_PAGE_ITEMS = 500;
/** An event of 1 MiB takes at most 3 MiB as text, and a page holds 1 MB of it. */
const BODY_PAGES_MAX = 12;

/** A refused event as it is kept, without its text. What the event says of itself isn't checked: that is why it is here. */
export interface KeptEvent {
  readonly refusalId: string;
  /** Epoch milliseconds. */
  readonly keptAtMs: number;
  readonly eventId?: string | undefined;
  readonly tenantId?: string | undefined;
  readonly keyName?: string | undefined;
  readonly code: string;
  readonly message: string;
  readonly step?: string | undefined;
  readonly field?: string | undefined;
  readonly nextAction: string;
  /** Pieces that the text is kept in. */
  readonly parts: number;
}

export interface KeptEventFilter {
  /** Events given at most. */
  readonly limit: number;
  readonly tenantId?: string | undefined;
  readonly refusalId?: string | undefined;
  readonly eventId?: string | undefined;
  readonly code?: string | undefined;
}

/**
 * Newest first. Filters are applied by DynamoDB after reading, so they cost a walk over the partition.
 * @throws TenantKeysError `record_invalid` at an item that tenantkeys didn't write
 */
export async function listKeptEvents(
  clients: Clients,
  run: Run,
  tableName: string,
  filter: KeptEventFilter,
): Promise<readonly KeptEvent[]> {
  const formatter = new EntityFormatter(refusalEntity(registryTable(clients.documents, tableName)));
  const kept: KeptEvent[] = [];
  let startKey: Record<string, unknown> | undefined;
  for (let page = 0; page < LIST_PAGES_MAX; page++) {
    const answer = await query(clients, run, {
      TableName: tableName,
      ConsistentRead: true,
      ScanIndexForward: false,
      Limit: LIST_PAGE_ITEMS,
      ...keptEventConditions(filter),
      ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
    });
    for (const item of answer.Items ?? []) {
      if (kept.length === filter.limit) return kept;
      kept.push(readItem(item, () => formatter.format(item) as unknown as KeptEvent));
    }
    startKey = answer.LastEvaluatedKey;
    if (startKey === undefined || kept.length === filter.limit) return kept;
  }
  throw new TenantKeysError("aws_unexpected", `dynamodb:Query: more than ${LIST_PAGES_MAX} pages of refused events`);
}

function keptEventConditions({ tenantId, refusalId, eventId, code }: KeptEventFilter) {
  const wanted = Object.entries({ tenantId, refusalId, eventId, code }).filter(([, value]) => value !== undefined);
  const values = Object.fromEntries(wanted.map(([name, value]) => [`:${name}`, value]));
  return {
    KeyConditionExpression: "pk = :pk",
    ExpressionAttributeValues: { ":pk": REFUSED_PARTITION, ...values },
    ...(wanted.length === 0 ? {} : { FilterExpression: wanted.map(([name]) => `${name} = :${name}`).join(" AND ") }),
  };
}

/** @throws TenantKeysError `record_invalid` where a part of the text is missing */
export async function readKeptBody(clients: Clients, run: Run, tableName: string, kept: KeptEvent): Promise<string> {
  const formatter = new EntityFormatter(refusalPartEntity(registryTable(clients.documents, tableName)));
  const texts = new Map<number, string>();
  let startKey: Record<string, unknown> | undefined;
  for (let page = 0; page < BODY_PAGES_MAX; page++) {
    const answer = await query(clients, run, {
      TableName: tableName,
      ConsistentRead: true,
      KeyConditionExpression: "pk = :pk",
      ExpressionAttributeValues: { ":pk": `${REFUSED_PARTITION}#${kept.refusalId}` },
      ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
    });
    for (const item of answer.Items ?? []) {
      const { part, text } = readItem(item, () => formatter.format(item));
      texts.set(part, text);
    }
    startKey = answer.LastEvaluatedKey;
    if (startKey === undefined) break;
  }
  const parts = Array.from({ length: kept.parts }, (_, part) => texts.get(part));
  if (parts.includes(undefined)) {
    const message = `the refused event ${kept.refusalId} lacks a part of its text: ${texts.size} of ${kept.parts} are there`;
    throw new TenantKeysError("record_invalid", message, { tenantId: kept.tenantId, step: "read" });
  }
  return parts.join("");
}

/** Deletes the item and its parts in one transaction: a stop in between would leave one without the other. */
export async function settleKeptEvent(clients: Clients, run: Run, tableName: string, kept: KeptEvent): Promise<void> {
  const table = registryTable(clients.documents, tableName);
  const { refusalId, keptAtMs } = kept;
  const parser = new EntityParser(refusalPartEntity(table));
  const keys = [
    new EntityParser(refusalEntity(table)).parse({ refusalId, keptAtMs }, { mode: "key" }).key,
    ...Array.from({ length: kept.parts }, (_, part) => parser.parse({ refusalId, part }, { mode: "key" }).key),
  ];
  const command = new TransactWriteCommand({
    TransactItems: keys.map((Key) => ({ Delete: { TableName: tableName, Key } })),
  });
  try {
    await clients.documents.send(command, { abortSignal: run.signal });
  } catch (error) {
    throw narrowAwsError(error, "dynamodb:DeleteItem");
  }
}

async function query(clients: Clients, run: Run, input: ConstructorParameters<typeof QueryCommand>[0]) {
  try {
    return await clients.documents.send(new QueryCommand(input), { abortSignal: run.signal });
  } catch (error) {
    throw narrowAwsError(error, "dynamodb:Query");
  }
}
