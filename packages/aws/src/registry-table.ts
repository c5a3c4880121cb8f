/**
 * The registry's single table and its kinds of item, through dynamodb-toolbox (docs/adr/0003). `pk` and `sk`:
 * `TENANT#{tenantId}` / `TENANT` what is declared of a tenant · `…` / `KEY#{keyName}` a tenant key ·
 * `…` / `DESTROYED#{keyName}#{confirmedGoneAtMs}` what stays of a key that is gone · `REFUSED` / `{keptAtMs}#{refusalId}` a refused event ·
 * `REFUSED#{refusalId}` / `PART#{n}` its text, in parts · `STAGE` / `SETTINGS` what the stage was deployed with ·
 * `FINDINGS#{tenantId, or -}` / `OPEN#{findingId}` a finding that is open · `…` / `CLOSED#{closedAtMs}#{findingId}` one that is over ·
 * `CHECKS#{tenantId}` / `VERIFIED#{keyName}` when a key was last verified, and what auditors ask of it ·
 * `…` / `USES#{keyName}` how often a key was used, by minute (verification/use-counter.ts).
 * `REPAIR` / `LEDGER` what was repaired without anybody asking · `CANARY` / `RUN#{startedAtMs}`, `BREACH#{startedAtMs}`
 * what the canary tried (canary/canary-store.ts).
 */
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { type DestructionRecord, TENANT_PREFIX, VERIFICATION_PARTITIONS } from "@tenantkeys/core";
import { Entity } from "dynamodb-toolbox/entity";
import { boolean, item, list, map, number, string } from "dynamodb-toolbox/schema";
import { Table } from "dynamodb-toolbox/table";

export { TENANT_PREFIX };
export const REFUSED_PARTITION = "REFUSED";
/** The index of keys that wait for a time: partition `review`, always this value, sorted by `nextCheckAtMs`. */
export const REVIEW_INDEX = "review";
export const REVIEW_PARTITION = "REVIEW";

/** The index of keys by their ARN: for who knows only that. A destruction record is in it too. */
export const KEYS_INDEX = "keys";
/** The index of what is open: partition `openFinding`, always this value, sorted by `firstSeenAtMs`. */
export const FINDINGS_INDEX = "findings";
export const OPEN_FINDINGS_PARTITION = "OPEN";
const FINDINGS_PREFIX = VERIFICATION_PARTITIONS.findings;
/** Apart from what is declared of a tenant, which verification must not be able to write. */
export const CHECKS_PREFIX = VERIFICATION_PARTITIONS.checks;
const OPEN_PREFIX = "OPEN#";
const CLOSED_PREFIX = "CLOSED#";
export const VERIFIED_PREFIX = "VERIFIED#";

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

const importParameters = () =>
  map({
    wrappingAlgorithm: string(),
    wrappingKeySpec: string(),
    publicKey: string(),
    importToken: string(),
    expiresAtMs: number(),
  });

const lastRepair = () =>
  map({
    eventId: string(),
    by: string(),
    rules: list(string()),
    automatic: boolean(),
    actions: list(string()),
    withheld: list(string()),
    doneAtMs: number(),
  });

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
      pastProfiles: list(string()).optional(),
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
      ownKeyArn: string().optional(),
      xksKeyId: string().optional(),
      waitingFor: string().optional(),
      // Both or neither: an item without them isn't in the index of what is due.
      nextCheckAtMs: number().optional(),
      review: string().optional(),
      disablingSinceMs: number().optional(),
      offboardedAtMs: number().optional(),
      scheduledAtMs: number().optional(),
      deletionDateMs: number().optional(),
      lastUsedAtMs: number().optional(),
      destroyedAtMs: number().optional(),
      materialGeneration: number().optional(),
      materialExpiresAtMs: number().optional(),
      importParameters: importParameters().optional(),
      lastRepair: lastRepair().optional(),
      previousKeyArns: list(string()).optional(),
      replicas: list(map({ region: string(), keyArn: string() })).optional(),
      rotation: map({
        generation: number(),
        startedAtMs: number(),
        doneAtMs: number().optional(),
        replacedKeyArn: string().optional(),
      }).optional(),
    }),
    computeKey: ({ tenantId, keyName }: { tenantId: string; keyName: string }) => ({
      pk: `${TENANT_PREFIX}${tenantId}`,
      sk: `KEY#${keyName}`,
    }),
  });
}

export function tenantEntity(table: RegistryTable) {
  const register = () =>
    map({
      value: boolean(),
      generation: number(),
      eventId: string(),
      by: string().optional(),
      reason: string().optional(),
      atMs: number(),
    }).optional();
  return new Entity({
    name: "Tenant",
    table,
    timestamps: false,
    schema: item({
      tenantId: string().key(),
      version: number(),
      lifeGeneration: number().optional(),
      endedGeneration: number().optional(),
      suspension: register(),
      leaving: register(),
      hold: register(),
      approvals: list(
        map({ offboardingGeneration: number(), generation: number(), eventId: string(), by: string(), atMs: number() }),
      ).optional(),
      tenantRegistrationId: string().optional(),
      updatedAtMs: number(),
    }),
    computeKey: ({ tenantId }: { tenantId: string }) => ({ pk: `${TENANT_PREFIX}${tenantId}`, sk: "TENANT" }),
  });
}

export function destructionEntity(table: RegistryTable) {
  return new Entity({
    name: "Destruction",
    table,
    timestamps: false,
    schema: item({
      tenantId: string().key(),
      keyName: string().key(),
      confirmedGoneAtMs: number().key(),
      keyArn: string(),
      offboardingGeneration: number(),
      offboardingEventId: string(),
      requestedBy: string().optional(),
      reason: string().optional(),
      approvedBy: list(string()),
      offboardedAtMs: number(),
      scheduledAtMs: number(),
      deletionDateMs: number(),
      deletionWindowDays: number(),
      lastUsedAtMs: number().optional(),
    }),
    computeKey: ({
      tenantId,
      keyName,
      confirmedGoneAtMs,
    }: Pick<DestructionRecord, "confirmedGoneAtMs"> & Readonly<Record<"tenantId" | "keyName", string>>) => ({
      pk: `${TENANT_PREFIX}${tenantId}`,
      sk: `DESTROYED#${keyName}#${String(confirmedGoneAtMs).padStart(15, "0")}`,
    }),
  });
}

/** Where a finding is kept: with its tenant, or `-` for what belongs to no tenant of the registry. */
export interface FindingPlace {
  readonly owner: string;
  readonly findingId: string;
  /** Absent while it is open. */
  readonly closedAtMs?: number | undefined;
}

/** Of an owner's open findings, or closed ones: the partition, and how its sort keys begin. */
export function findingsOf(owner: string, kind: "open" | "closed") {
  return { pk: `${FINDINGS_PREFIX}${owner}`, prefix: kind === "open" ? OPEN_PREFIX : CLOSED_PREFIX };
}

export function findingKey({ owner, findingId, closedAtMs }: FindingPlace) {
  const closed = closedAtMs === undefined ? undefined : String(closedAtMs).padStart(15, "0");
  const sk = closed === undefined ? `${OPEN_PREFIX}${findingId}` : `${CLOSED_PREFIX}${closed}#${findingId}`;
  return { pk: `${FINDINGS_PREFIX}${owner}`, sk };
}

export function findingEntity(table: RegistryTable) {
  return new Entity({
    name: "Finding",
    table,
    timestamps: false,
    schema: item({
      owner: string().key(),
      findingId: string().key(),
      // Part of the sort key of a closed one, and no attribute of an open one.
      closedAtMs: number().key().optional(),
      // Only of an open one: so it is in the index of what is open.
      openFinding: string().optional(),
      ruleId: string(),
      severity: string(),
      tenantId: string().optional(),
      keyName: string().optional(),
      resource: string(),
      expected: string(),
      seen: string(),
      firstSeenAtMs: number(),
      lastSeenAtMs: number(),
    }),
    computeKey: (place: FindingPlace) => findingKey(place),
  });
}

export function verifiedKeyEntity(table: RegistryTable) {
  return new Entity({
    name: "VerifiedKey",
    table,
    timestamps: false,
    schema: item({
      tenantId: string().key(),
      keyName: string().key(),
      verifiedAtMs: number(),
      grantsReadAtMs: number().optional(),
      rotationsReadAtMs: number().optional(),
      // Not at the top: the index of keys by ARN would take this for a key.
      attributes: map({
        keyArn: string(),
        nistState: string(),
        fipsLevel: string().optional(),
        lastRotatedAtMs: number().optional(),
        nextRotationAtMs: number().optional(),
        rotationsOnRequest: number().optional(),
        grants: number().optional(),
      }).optional(),
      policyOpinion: map({ policyHash: string(), objections: list(string()) }).optional(),
    }),
    computeKey: ({ tenantId, keyName }: { tenantId: string; keyName: string }) => ({
      pk: `${CHECKS_PREFIX}${tenantId}`,
      sk: `${VERIFIED_PREFIX}${keyName}`,
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

export const REPAIR_LEDGER_KEY = { pk: VERIFICATION_PARTITIONS.repairs, sk: "LEDGER" } as const;

/** What was repaired without anybody asking. */
export function repairLedgerEntity(table: RegistryTable) {
  return new Entity({
    name: "RepairLedger",
    table,
    timestamps: false,
    schema: item({
      version: number(),
      stageKeys: number().optional(),
      keys: list(
        map({ tenantId: string(), keyName: string(), firstAtMs: number(), lastAtMs: number(), requests: number() }),
      ),
    }),
    computeKey: () => ({ ...REPAIR_LEDGER_KEY }),
  });
}
