/**
 * The canary's runs in the registry: `CANARY` / `RUN#{startedAtMs}` each run, kept for 90 days · `CANARY` /
 * `BREACH#{startedAtMs}` each that was breached once more, kept for ever.
 */
import { DeleteCommand, type DynamoDBDocumentClient, PutCommand } from "@aws-sdk/lib-dynamodb";
import { CANARY_PARTITION, type CanaryRun, DAY_MS } from "@tenantkeys/core";
import { Entity } from "dynamodb-toolbox/entity";
import { EntityFormatter } from "dynamodb-toolbox/entity/actions/format";
import { EntityParser } from "dynamodb-toolbox/entity/actions/parse";
import { item, list, map, number, string } from "dynamodb-toolbox/schema";
import type { Clients } from "../clients.ts";
import { narrowAwsError } from "../narrow-error.ts";
import { queryPages } from "../query-pages.ts";
import { readItem } from "../registry.ts";
import { registryTable } from "../registry-table.ts";
import type { Run } from "../run.ts";

const RUN_KEPT_MS = 90 * DAY_MS;
/** Each run adds one, so these catch up with whatever was left. */
const DELETES_PER_RUN = 10;
/** A run takes some 6 KB, and a page of DynamoDB's holds 1 MB. */
const PAGES_MAX = 100;
const PREFIXES = { runs: "RUN#", breaches: "BREACH#" } as const;

export interface CanaryStore {
  record(run: Run, canaryRun: CanaryRun): Promise<void>;
  /** Newest first. */
  list(run: Run, which: keyof typeof PREFIXES, limit: number): Promise<readonly CanaryRun[]>;
}

export function createCanaryStore(clients: Pick<Clients, "documents">, tableName: string): CanaryStore {
  const { documents } = clients;
  const entity = canaryRunEntity(documents, tableName);
  const put = async (run: Run, sk: string, canaryRun: CanaryRun) => {
    const attempts = canaryRun.attempts.map((attempt) => ({ ...attempt }));
    const { item: Item } = entity.build(EntityParser).parse({ ...canaryRun, attempts, sk });
    await documents.send(new PutCommand({ TableName: tableName, Item }), { abortSignal: run.signal }).catch((error) => {
      throw narrowAwsError(error, "dynamodb:PutItem");
    });
  };
  const toRun = (stored: Record<string, unknown>): CanaryRun =>
    readItem(stored, () => {
      const { sk: _, ...canaryRun } = new EntityFormatter(entity).format(stored);
      return canaryRun as unknown as CanaryRun;
    });
  return {
    async record(run, canaryRun) {
      if (canaryRun.state === "breached") await put(run, sortKey("breaches", canaryRun.startedAtMs), canaryRun);
      await put(run, sortKey("runs", canaryRun.startedAtMs), canaryRun);
      await deleteOld(clients, run, tableName);
    },
    async list(run, which, limit) {
      const query = {
        KeyConditionExpression: "pk = :pk AND begins_with(sk, :prefix)",
        ExpressionAttributeValues: { ":pk": CANARY_PARTITION, ":prefix": PREFIXES[which] },
        ScanIndexForward: false,
        Limit: limit,
        pagesMax: PAGES_MAX,
      };
      const runs: CanaryRun[] = [];
      for await (const stored of queryPages(clients, run, tableName, query)) {
        runs.push(toRun(stored));
        if (runs.length >= limit) break;
      }
      return runs;
    },
  };
}

function sortKey(which: keyof typeof PREFIXES, startedAtMs: number): string {
  return `${PREFIXES[which]}${String(startedAtMs).padStart(15, "0")}`;
}

async function deleteOld(clients: Pick<Clients, "documents">, run: Run, tableName: string): Promise<void> {
  const query = {
    KeyConditionExpression: "pk = :pk AND sk BETWEEN :first AND :last",
    ExpressionAttributeValues: {
      ":pk": CANARY_PARTITION,
      ":first": PREFIXES.runs,
      ":last": sortKey("runs", Math.max(0, run.clock.nowMs() - RUN_KEPT_MS)),
    },
    ProjectionExpression: "pk, sk",
    Limit: DELETES_PER_RUN,
    pagesMax: PAGES_MAX,
  };
  let deleted = 0;
  for await (const { pk, sk } of queryPages(clients, run, tableName, query)) {
    const command = new DeleteCommand({ TableName: tableName, Key: { pk, sk } });
    await clients.documents.send(command, { abortSignal: run.signal }).catch((error) => {
      throw narrowAwsError(error, "dynamodb:DeleteItem");
    });
    deleted += 1;
    if (deleted === DELETES_PER_RUN) return;
  }
}

function canaryRunEntity(documents: DynamoDBDocumentClient, tableName: string) {
  const attempt = map({
    by: string(),
    of: string(),
    must: string(),
    action: string(),
    tag: string().optional(),
    result: string(),
    reason: string().optional(),
  });
  return new Entity({
    name: "CanaryRun",
    table: registryTable(documents, tableName),
    timestamps: false,
    schema: item({
      sk: string().key(),
      startedAtMs: number(),
      endedAtMs: number(),
      state: string(),
      waitsFor: string().optional(),
      attempts: list(attempt),
    }),
    computeKey: ({ sk }: { sk: string }) => ({ pk: CANARY_PARTITION, sk }),
  });
}
