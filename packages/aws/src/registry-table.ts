/**
 * The registry's single table and its kinds of item, through dynamodb-toolbox (docs/adr/0003). `pk` and `sk`:
 * `TENANT#{tenantId}` / `KEY#{keyName}` a tenant key · `REFUSED` / `{keptAtMs}#{refusalId}` a refused event ·
 * `REFUSED#{refusalId}` / `PART#{n}` its text, in parts · `STAGE` / `SETTINGS` what the stage was deployed with.
 */
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { Entity } from "dynamodb-toolbox/entity";
import { item, list, map, number, string } from "dynamodb-toolbox/schema";
import { Table } from "dynamodb-toolbox/table";

export const TENANT_PREFIX = "TENANT#";
export const REFUSED_PARTITION = "REFUSED";

export function registryTable(documents: DynamoDBDocumentClient, name: string) {
  return new Table({
    documentClient: documents,
    name,
    partitionKey: { name: "pk", type: "string" },
    sortKey: { name: "sk", type: "string" },
    entityAttributeSavedAs: "entity",
  });
}

type RegistryTable = ReturnType<typeof registryTable>;

export function keyEntity(table: RegistryTable) {
  return new Entity({
    name: "TenantKey",
    table,
    timestamps: false,
    schema: item({
      tenantId: string().key(),
      keyName: string().key(),
      state: string(),
      generation: number(),
      profile: string(),
      attempts: list(map({ attemptId: string(), outcome: string(), keyArn: string().optional() })),
      fence: number(),
      leaseUntilMs: number(),
      eventId: string(),
      declaredAtMs: number(),
      updatedAtMs: number(),
      activeAtMs: number().optional(),
      keyArn: string().optional(),
      aliasName: string().optional(),
      roleArn: string().optional(),
      tenantRegistrationId: string().optional(),
      failure: map({
        code: string(),
        message: string(),
        step: string(),
        nextAction: string(),
        failedAtMs: number(),
      }).optional(),
    }),
    computeKey: ({ tenantId, keyName }: { tenantId: string; keyName: string }) => ({
      pk: `${TENANT_PREFIX}${tenantId}`,
      sk: `KEY#${keyName}`,
    }),
  });
}

export function refusalEntity(table: RegistryTable) {
  return new Entity({
    name: "RefusedEvent",
    table,
    timestamps: false,
    schema: item({
      refusalId: string().key(),
      keptAtMs: number().key(),
      eventId: string().optional(),
      tenantId: string().optional(),
      keyName: string().optional(),
      code: string(),
      message: string(),
      step: string().optional(),
      field: string().optional(),
      nextAction: string(),
      parts: number(),
    }),
    computeKey: ({ refusalId, keptAtMs }: { refusalId: string; keptAtMs: number }) => ({
      pk: REFUSED_PARTITION,
      sk: `${String(keptAtMs).padStart(15, "0")}#${refusalId}`,
    }),
  });
}

/** A refused event's text. An SQS message may hold 1 MiB and an item 400 KB, so the text is cut into parts. */
export function refusalPartEntity(table: RegistryTable) {
  return new Entity({
    name: "RefusedEventPart",
    table,
    timestamps: false,
    schema: item({ refusalId: string().key(), part: number().key(), text: string() }),
    computeKey: ({ refusalId, part }: { refusalId: string; part: number }) => ({
      pk: `${REFUSED_PARTITION}#${refusalId}`,
      sk: `PART#${part}`,
    }),
  });
}
