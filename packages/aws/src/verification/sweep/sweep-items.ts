/**
 * A sweep's items in the registry: `SWEEP` / `CURRENT` the one that is under way, or the last one · `SWEEP` /
 * `RECORD#{startedAtMs}` each that has ended · `SWEEP#{sweepId}` / `SHARD#{shard}` its shards.
 */
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { VERIFICATION_PARTITIONS } from "@tenantkeys/core";
import { Entity } from "dynamodb-toolbox/entity";
import { binary, item, number, record, string } from "dynamodb-toolbox/schema";
import { registryTable } from "../../registry-table.ts";

export const SWEEP_PARTITION = VERIFICATION_PARTITIONS.sweeps;
export const CURRENT_KEY = { pk: SWEEP_PARTITION, sk: "CURRENT" } as const;
export const RECORD_PREFIX = "RECORD#";

export function shardKey({ sweepId, shard }: { readonly sweepId: string; readonly shard: number }) {
  return { pk: `${SWEEP_PARTITION}#${sweepId}`, sk: `SHARD#${String(shard).padStart(6, "0")}` };
}

export function sweepEntity(documents: DynamoDBDocumentClient, tableName: string) {
  return new Entity({
    name: "Sweep",
    table: registryTable(documents, tableName),
    timestamps: false,
    schema: item({
      sk: string().key(),
      sweepId: string(),
      number: number(),
      phase: string().enum("listing", "checking", "closed"),
      fence: number(),
      leaseUntilMs: number(),
      startedAtMs: number(),
      previousSweepId: string().optional(),
      listedAtMs: number().optional(),
      sentAtMs: number().optional(),
      endedAtMs: number().optional(),
      shards: number(),
      shardsDone: number(),
      shardsLost: number(),
      tenantKeys: number(),
      tenants: number(),
      tenantKeysVerified: number(),
      tenantsVerified: number(),
      readsDenied: number(),
      pagesCut: number(),
      rounds: number(),
      findings: record(string(), number()).optional(),
    }),
    computeKey: ({ sk }: { sk: string }) => ({ pk: SWEEP_PARTITION, sk }),
  });
}

export function shardEntity(documents: DynamoDBDocumentClient, tableName: string) {
  return new Entity({
    name: "SweepShard",
    table: registryTable(documents, tableName),
    timestamps: false,
    schema: item({
      sweepId: string().key(),
      shard: number().key(),
      fence: number(),
      tenantKeys: number(),
      tenants: number(),
      sends: number(),
      sentAtMs: number(),
      nextKey: number(),
      readsDenied: number(),
      notVerified: number(),
      doneAtMs: number().optional(),
      lostAtMs: number().optional(),
      content: binary().optional(),
    }),
    computeKey: shardKey,
  });
}
