/** The sweep store on the registry's table. */
import {
  type DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  TransactWriteCommand,
  type TransactWriteCommandInput,
  UpdateCommand,
} from "@aws-sdk/lib-dynamodb";
import type { Sweep } from "@tenantkeys/core";
import { EntityFormatter } from "dynamodb-toolbox/entity/actions/format";
import { EntityParser } from "dynamodb-toolbox/entity/actions/parse";
import { errorName, narrowAwsError } from "../../narrow-error.ts";
import { type QueryPage, queryPages } from "../../query-pages.ts";
import { readItem } from "../../registry.ts";
import type { Run } from "../../run.ts";
import { cancellationCodes, outlastConflicts } from "../outlast-conflicts.ts";
import { CURRENT_KEY, RECORD_PREFIX, SWEEP_PARTITION, shardEntity, shardKey, sweepEntity } from "./sweep-items.ts";
import type { Shard, ShardWithContent, SweepStore } from "./sweep-store.ts";
import { type Conditions, conditionExpressions, type ItemUpdate, updateExpressions } from "./update-expression.ts";

/** A transaction holds 4 MB, and a shard that was lost still has its content: up to 400 KB. */
const DELETES_PER_CALL = 10;
/** A page holds 1 MB: with their content some 10 shards, of which there are 10,000 at most. */
const PAGES_MAX = 5_000;

type Writes = NonNullable<TransactWriteCommandInput["TransactItems"]>;

/** @param documents of who may write the registry's sweep items */
export function createSweepStore(documents: DynamoDBDocumentClient, tableName: string): SweepStore {
  const items = createItems(documents, tableName);
  const current = (update: ItemUpdate, conditions: Conditions) => ({
    TableName: tableName,
    Key: CURRENT_KEY,
    ...updateExpressions(update, conditions),
  });
  const onShard = (shard: Shard, update: ItemUpdate, conditions: Conditions = {}) => ({
    TableName: tableName,
    Key: shardKey(shard),
    ...updateExpressions(update, { ...STILL_OUT, fence: { is: "equal", value: shard.fence }, ...conditions }),
  });
  const change = (run: Run, known: Sweep, update: ItemUpdate, conditions: Conditions = {}) =>
    items.update(run, current(update, { ...of(known), ...conditions }));
  const endShard = (run: Run, shard: Shard, end: ItemUpdate, add: Readonly<Record<string, number>>) => {
    const counted = current(
      { add },
      { sweepId: { is: "equal", value: shard.sweepId }, fence: { is: "equal", value: shard.fence }, ...CHECKING },
    );
    return items.transact(run, [{ Update: onShard(shard, end) }, { Update: counted }]);
  };
  return {
    current: (run) => items.sweep(run),
    begin: (run, next, known) =>
      items.put(run, { ...items.sweepPut(next, CURRENT_KEY.sk), ...conditionExpressions(beginsAfter(known)) }),
    listAgain: (run, known, leaseUntilMs) =>
      change(run, known, { set: { leaseUntilMs, fence: known.fence + 1 } }, leaseIs(known)),
    sendAgain: (run, known, leaseUntilMs) => change(run, known, { set: { leaseUntilMs } }, leaseIs(known)),
    giveUp: (run, known) => change(run, known, { set: { leaseUntilMs: 0 } }, leaseIs(known)),
    listed: (run, known, listed) =>
      change(run, known, { set: { ...listed, phase: "checking", listedAtMs: run.clock.nowMs() } }),
    sent: (run, known) => change(run, known, { set: { sentAtMs: run.clock.nowMs() } }, { sentAtMs: { is: "absent" } }),
    close(run, known, findings) {
      const ended: Sweep = { ...known, phase: "closed", endedAtMs: run.clock.nowMs(), findings };
      const counted: Conditions = {
        ...of(known),
        shardsDone: { is: "equal", value: known.shardsDone },
        shardsLost: { is: "equal", value: known.shardsLost },
      };
      return items.transact(run, [
        { Put: { ...items.sweepPut(ended, CURRENT_KEY.sk), ...conditionExpressions(counted) } },
        { Put: items.sweepPut(ended, `${RECORD_PREFIX}${String(known.startedAtMs).padStart(15, "0")}`) },
      ]);
    },
    ended: (run, limit) => items.ended(run, limit),
    putShard: (run, shard) =>
      items.put(run, {
        ...items.shardPut(shard),
        ...conditionExpressions({ fence: [{ is: "absent" }, { is: "at-most", value: shard.fence }] }),
      }),
    shard: (run, sweepId, shard) => items.shard(run, sweepId, shard),
    shardsOut: (run, known) => items.shardsOut(run, known),
    shardSentAgain(run, shard) {
      const update = { set: { sends: shard.sends + 1, sentAtMs: run.clock.nowMs() } };
      return items.update(run, onShard(shard, update, { sends: { is: "equal", value: shard.sends } }));
    },
    shardReached: (run, shard, reached) => items.update(run, onShard(shard, { set: reached })),
    shardDone(run, shard, { readsDenied, notVerified }) {
      const end = { set: { doneAtMs: run.clock.nowMs() }, remove: ["content"] };
      const tenantKeysVerified = shard.tenantKeys - notVerified;
      const counted = { shardsDone: 1, tenantsVerified: shard.tenants, tenantKeysVerified, readsDenied };
      return endShard(run, shard, end, counted);
    },
    shardLost: (run, shard) => endShard(run, shard, { set: { lostAtMs: run.clock.nowMs() } }, { shardsLost: 1 }),
    deleteShards: (run, sweepId) => items.deleteShards(run, sweepId),
  };
}

const STILL_OUT: Conditions = { doneAtMs: { is: "absent" }, lostAtMs: { is: "absent" } };
const CHECKING: Conditions = { phase: { is: "equal", value: "checking" } };

/** Still the same sweep in the same phase, in the same lister's hands. */
function of({ sweepId, fence, phase }: Sweep): Conditions {
  return {
    sweepId: { is: "equal", value: sweepId },
    fence: { is: "equal", value: fence },
    phase: { is: "equal", value: phase },
  };
}

function leaseIs({ leaseUntilMs }: Sweep): Conditions {
  return { leaseUntilMs: { is: "equal", value: leaseUntilMs } };
}

function beginsAfter(known: Sweep | undefined): Conditions {
  return known === undefined ? { sweepId: { is: "absent" } } : of(known);
}

/** The calls themselves. */
function createItems(documents: DynamoDBDocumentClient, tableName: string) {
  const sweeps = sweepEntity(documents, tableName);
  const shards = shardEntity(documents, tableName);
  const toSweep = (raw: Record<string, unknown>): Sweep =>
    readItem(raw, () => {
      const { sk: _, ...sweep } = new EntityFormatter(sweeps).format(raw);
      return sweep as Sweep;
    });
  const toShard = (raw: Record<string, unknown>): ShardWithContent =>
    readItem(raw, () => new EntityFormatter(shards).format(raw) as unknown as ShardWithContent);
  const put = (run: Run, input: ConstructorParameters<typeof PutCommand>[0]) =>
    unlessFirst(run, "dynamodb:PutItem", () => documents.send(new PutCommand(input), { abortSignal: run.signal }));
  const get = async (run: Run, Key: Record<string, string>) => {
    const command = new GetCommand({ TableName: tableName, Key, ConsistentRead: true });
    const answer = await documents.send(command, { abortSignal: run.signal }).catch((error) => {
      throw narrowAwsError(error, "dynamodb:GetItem");
    });
    return answer.Item;
  };
  return {
    put,
    sweepPut: (sweep: Sweep, sk: string) => ({
      TableName: tableName,
      Item: sweeps.build(EntityParser).parse({ ...sweep, sk, findings: sweep.findings }).item,
    }),
    shardPut: (shard: ShardWithContent) => ({
      TableName: tableName,
      Item: shards.build(EntityParser).parse({ ...shard }).item,
    }),
    async sweep(run: Run): Promise<Sweep | undefined> {
      const item = await get(run, CURRENT_KEY);
      return item === undefined ? undefined : toSweep(item);
    },
    async shard(run: Run, sweepId: string, shard: number): Promise<ShardWithContent | undefined> {
      const item = await get(run, shardKey({ sweepId, shard }));
      return item === undefined ? undefined : toShard(item);
    },
    async ended(run: Run, limit: number): Promise<readonly Sweep[]> {
      const newest = { ScanIndexForward: false, Limit: limit, ...partition(SWEEP_PARTITION, RECORD_PREFIX) };
      const found: Sweep[] = [];
      for await (const item of queryPages({ documents }, run, tableName, newest)) {
        if (found.push(toSweep(item)) === limit) break;
      }
      return found;
    },
    async *shardsOut(run: Run, { sweepId, fence }: Sweep): AsyncGenerator<Shard, void, undefined> {
      for await (const item of queryPages({ documents }, run, tableName, shardsQuery(sweepId))) {
        const shard = toShard(item);
        const isOut = shard.doneAtMs === undefined && shard.lostAtMs === undefined;
        if (isOut && shard.fence === fence) yield { ...shard };
      }
    },
    update: (run: Run, input: ConstructorParameters<typeof UpdateCommand>[0]) =>
      unlessFirst(run, "dynamodb:UpdateItem", () =>
        documents.send(new UpdateCommand(input), { abortSignal: run.signal }),
      ),
    transact: (run: Run, writes: Writes) => transact(documents, run, writes),
    deleteShards: (run: Run, sweepId: string) => deleteShards(documents, run, tableName, sweepId),
  };
}

function partition(pk: string, prefix: string) {
  return {
    KeyConditionExpression: "pk = :pk AND begins_with(sk, :prefix)",
    ExpressionAttributeValues: { ":pk": pk, ":prefix": prefix },
    ConsistentRead: true,
    pagesMax: PAGES_MAX,
  };
}

/** Of a shard all but its content, which would be most of the answer. */
const SHARD_ATTRIBUTES = [
  ...["pk", "sk", "entity", "sweepId", "shard", "fence", "tenantKeys", "tenants"],
  ...["sends", "sentAtMs", "nextKey", "readsDenied", "notVerified", "doneAtMs", "lostAtMs"],
];

function shardsQuery(sweepId: string): QueryPage {
  return {
    ...partition(`${SWEEP_PARTITION}#${sweepId}`, "SHARD#"),
    ProjectionExpression: SHARD_ATTRIBUTES.map((name) => `#${name}`).join(", "),
    ExpressionAttributeNames: Object.fromEntries(SHARD_ATTRIBUTES.map((name) => [`#${name}`, name])),
  };
}

async function deleteShards(
  documents: DynamoDBDocumentClient,
  run: Run,
  tableName: string,
  sweepId: string,
): Promise<void> {
  // A transaction, as BatchWriteItem would be one more right to give.
  const deleteAll = (keys: readonly Record<string, unknown>[]) =>
    transact(
      documents,
      run,
      keys.map((Key) => ({ Delete: { TableName: tableName, Key } })),
    );
  let keys: Record<string, unknown>[] = [];
  for await (const { pk, sk } of queryPages({ documents }, run, tableName, shardsQuery(sweepId))) {
    keys.push({ pk, sk });
    if (keys.length < DELETES_PER_CALL) continue;
    await deleteAll(keys);
    keys = [];
  }
  if (keys.length > 0) await deleteAll(keys);
}

async function unlessFirst(run: Run, step: string, write: () => Promise<unknown>): Promise<boolean> {
  try {
    // Shards that end count on the sweep's item in transactions.
    await outlastConflicts(run, write);
    return true;
  } catch (error) {
    if (errorName(error) === "ConditionalCheckFailedException") return false;
    throw narrowAwsError(error, step);
  }
}

async function transact(documents: DynamoDBDocumentClient, run: Run, TransactItems: Writes): Promise<boolean> {
  const write = () => documents.send(new TransactWriteCommand({ TransactItems }), { abortSignal: run.signal });
  try {
    await outlastConflicts(run, write);
    return true;
  } catch (error) {
    if (cancellationCodes(error).includes("ConditionalCheckFailed")) return false;
    throw narrowAwsError(error, "dynamodb:TransactWriteItems");
  }
}
