/**
 * Findings in the registry. An opening and a closing are told on the bus before they are stored: a worker that stops in
 * between tells it once more, and none is stored and never told. Every write is conditional, so of two workers that see
 * the same at once one opens it and one closes it.
 */
import { PutCommand, type PutCommandInput, TransactWriteCommand } from "@aws-sdk/lib-dynamodb";
import {
  type FindingReplyType,
  findingReply,
  reconcileFindings,
  type Stage,
  type StoredFinding,
  type TenantId,
} from "@tenantkeys/core";
import { EntityFormatter } from "dynamodb-toolbox/entity/actions/format";
import { EntityParser } from "dynamodb-toolbox/entity/actions/parse";
import type { Clients } from "../clients.ts";
import { errorName, narrowAwsError } from "../narrow-error.ts";
import type { Publisher } from "../publisher.ts";
import { type QueryPage, queryPages } from "../query-pages.ts";
import { readItem } from "../registry.ts";
import {
  FINDINGS_INDEX,
  findingEntity,
  findingKey,
  findingsOf,
  OPEN_FINDINGS_PARTITION,
  registryTable,
} from "../registry-table.ts";
import type { Run } from "../run.ts";
import { cancellationCodes, outlastConflicts } from "./outlast-conflicts.ts";
import type { FindingStore } from "./ports.ts";

export interface FindingStorePorts {
  readonly clients: Clients;
  readonly tableName: string;
  readonly stage: Stage;
  readonly publisher: Publisher;
}

/** Of what belongs to no tenant of the registry. No tenant id is like it: they begin with a letter or a digit. */
const NO_OWNER = "-";
/** Ten thousand pages of 1 MB. */
const OPEN_PAGES_MAX = 10_000;

export function createFindingStore(ports: FindingStorePorts): FindingStore {
  const { clients, tableName, stage, publisher } = ports;
  const entity = findingEntity(registryTable(clients.documents, tableName));
  const toStored = (item: Record<string, unknown>): StoredFinding =>
    readItem(item, () => {
      const { owner: _1, openFinding: _2, ...stored } = new EntityFormatter(entity).format(item);
      return stored as unknown as StoredFinding;
    });
  const put = (owner: string, stored: StoredFinding): PutCommandInput => {
    const openFinding = stored.closedAtMs === undefined ? OPEN_FINDINGS_PARTITION : undefined;
    const { item } = entity.build(EntityParser).parse({ ...stored, owner, openFinding });
    return { TableName: tableName, Item: item };
  };
  const pages = (run: Run, query: QueryPage) => queryPages(clients, run, tableName, query);
  const readOpen = async (run: Run, owner: string) => {
    const { pk, prefix } = findingsOf(owner, "open");
    const open: StoredFinding[] = [];
    const query = { ...beginsWith(pk, prefix), ConsistentRead: true, pagesMax: OPEN_PAGES_MAX };
    for await (const item of pages(run, query)) open.push(toStored(item));
    return open;
  };
  const tell = (run: Run, type: FindingReplyType, stored: StoredFinding) =>
    publisher.publishReply(run, findingReply(type, stage, stored));
  return {
    async record(run, scope, findings) {
      const owner = scope.tenantId ?? NO_OWNER;
      const nowMs = run.clock.nowMs();
      const changes = reconcileFindings(await readOpen(run, owner), findings, scope, nowMs);
      for (const opened of changes.opened) {
        await tell(run, "TenantKeyFindingOpened", opened);
        await putIf(clients, run, { ...put(owner, opened), ...IS_NOT_THERE });
      }
      // One that was closed meanwhile stays closed: the next check opens it anew, and tells it.
      const seenNow = changes.stillOpen.filter(({ lastSeenAtMs }) => lastSeenAtMs === nowMs);
      for (const seen of seenNow) await putIf(clients, run, { ...put(owner, seen), ...isSince(seen) });
      for (const closed of changes.closed) {
        await tell(run, "TenantKeyFindingClosed", closed);
        const Key = findingKey({ owner, findingId: closed.findingId });
        const Delete = { TableName: tableName, Key, ...isSince(closed) };
        await transactIf(clients, run, [{ Delete }, { Put: put(owner, closed) }]);
      }
      return changes;
    },
    openOfTenant: (run, tenantId) => readOpen(run, tenantId),
    async *listOpen(run) {
      const query = {
        IndexName: FINDINGS_INDEX,
        KeyConditionExpression: "openFinding = :open",
        ExpressionAttributeValues: { ":open": OPEN_FINDINGS_PARTITION },
        pagesMax: OPEN_PAGES_MAX,
      };
      for await (const item of pages(run, query)) yield toStored(item);
    },
    history: (run, tenantId, limit) => readHistory(run, tenantId, limit),
  };

  async function readHistory(run: Run, tenantId: TenantId, limit: number): Promise<readonly StoredFinding[]> {
    const { pk, prefix } = findingsOf(tenantId, "closed");
    const closed: StoredFinding[] = [];
    const query = { ...beginsWith(pk, prefix), ScanIndexForward: false, Limit: limit, pagesMax: OPEN_PAGES_MAX };
    for await (const item of pages(run, query)) {
      closed.push(toStored(item));
      if (closed.length >= limit) break;
    }
    return closed;
  }
}

const IS_NOT_THERE = { ConditionExpression: "attribute_not_exists(pk)" };

function isSince({ firstSeenAtMs }: StoredFinding) {
  return {
    ConditionExpression: "firstSeenAtMs = :since",
    ExpressionAttributeValues: { ":since": firstSeenAtMs },
  };
}

function beginsWith(pk: string, prefix: string) {
  return {
    KeyConditionExpression: "pk = :pk AND begins_with(sk, :prefix)",
    ExpressionAttributeValues: { ":pk": pk, ":prefix": prefix },
  };
}

/** Where the condition isn't met, another worker has written what it saw at the same time: that stands. */
async function putIf(clients: Clients, run: Run, input: PutCommandInput): Promise<void> {
  try {
    await outlastConflicts(run, () => clients.documents.send(new PutCommand(input), { abortSignal: run.signal }));
  } catch (error) {
    if (errorName(error) !== "ConditionalCheckFailedException") throw narrowAwsError(error, "dynamodb:PutItem");
  }
}

type Writes = NonNullable<ConstructorParameters<typeof TransactWriteCommand>[0]["TransactItems"]>;

async function transactIf(clients: Clients, run: Run, TransactItems: Writes): Promise<void> {
  const write = () => clients.documents.send(new TransactWriteCommand({ TransactItems }), { abortSignal: run.signal });
  try {
    await outlastConflicts(run, write);
  } catch (error) {
    if (!cancellationCodes(error).includes("ConditionalCheckFailed")) throw narrowAwsError(error, "dynamodb:PutItem");
  }
}
