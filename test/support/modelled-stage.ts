/**
 * A stage of many tenant keys that are all in order, made up as they are asked for: what AWS would answer of each, and what
 * the registry holds. No AWS behind it, and no network.
 */
import type { Clients } from "@tenantkeys/aws";
import {
  aliasName,
  type DesiredTenantKey,
  desiredTenantKey,
  type KeyArn,
  type KeyProfile,
  type KeyRecord,
  parseAccountId,
  parseAttemptId,
  parseKeyArn,
  parseKeyName,
  parseRegion,
  parseStageSettings,
  parseTenantId,
  type StageSettings,
  stageContext,
  type TenantId,
  type TenantRecord,
} from "@tenantkeys/core";
import type { QuotaModel } from "./quota-model.ts";

/** Our guesses of what AWS takes to answer, from the same Region. */
const LATENCY_MS: Readonly<Record<string, number>> = { dynamodb: 6, iam: 120, kms: 20, sqs: 10, tag: 120 };
/** What a page holds: of KMS and the tagging API their most, of DynamoDB 1 MB, of IAM what it was seen to give. */
const PAGE = { ListAliases: 100, GetResources: 100, GetAccountAuthorizationDetails: 100, Scan: 1_000 } as const;

const DAY_MS = 86_400_000;

export interface ModelledStage {
  readonly settings: StageSettings;
  readonly context: ReturnType<typeof stageContext>;
  readonly tenantKeys: number;
  /** Of everybody: registry, auditor, queue. */
  readonly clients: Clients;
  readonly queue: string[];
  keysOfTenant(tenantId: TenantId): readonly KeyRecord[];
  tenant(tenantId: TenantId): TenantRecord;
}

/** IAM lets an account have 5,000 roles at most, so many keys are those of tenants with several. */
export function modelledStage(
  model: QuotaModel,
  nowMs: number,
  { tenants, keysEach, settings: given = {} }: { tenants: number; keysEach: number; settings?: object },
): ModelledStage {
  const settings = parseStageSettings({
    stage: "sim",
    applicationRoleArns: ["arn:aws:iam::111122223333:role/notes-api"],
    administratorRoleArns: ["arn:aws:iam::111122223333:role/security-on-call"],
    ...given,
  });
  const context = stageContext(settings, parseAccountId("111122223333"), parseRegion("eu-west-1"));
  const made = createItems(settings, context, nowMs, tenants, keysEach);
  const queue: string[] = [];
  const send = (service: string) => async (command: { readonly input: unknown }) => {
    const name = command.constructor.name.replace(/Command$/, "");
    await model.call(`${service}:${name}`, LATENCY_MS[service] ?? 10);
    return answer(name, command.input as Record<string, unknown>);
  };
  const answer = (name: string, input: Record<string, unknown>): unknown => {
    if (name === "SendMessageBatch") {
      const entries = input.Entries as readonly { readonly MessageBody: string }[];
      queue.push(...entries.map(({ MessageBody }) => MessageBody));
      return {};
    }
    const make = made.answers[name];
    if (make === undefined) throw new Error(`the model has no ${name}`);
    return make(input);
  };
  const clients = Object.fromEntries(
    [
      ["kms", "kms"],
      ["iam", "iam"],
      ["documents", "dynamodb"],
      ["sqs", "sqs"],
      ["tagging", "tag"],
    ].map(([client, service = ""]) => [client, { send: send(service), destroy: () => {} }]),
  ) as unknown as Clients;
  const { keysOfTenant, tenant } = made;
  return { settings, context, tenantKeys: tenants * keysEach, clients, queue, keysOfTenant, tenant };
}

function createItems(
  settings: StageSettings,
  context: ReturnType<typeof stageContext>,
  nowMs: number,
  tenants: number,
  keysEach: number,
) {
  const count = tenants * keysEach;
  const tenantOf = (index: number) => parseTenantId(uuidOf(Math.floor(index / keysEach)));
  const nameOf = (index: number) => parseKeyName(`class-${index % keysEach}`);
  const keyId = (index: number) => uuidOf(1_000_000 + index);
  const arnOf = (index: number): KeyArn =>
    parseKeyArn(`arn:aws:kms:${context.region}:${context.accountId}:key/${keyId(index)}`);
  const indexOf = (arn: unknown) => indexOfUuid(String(arn).split("/")[1] ?? "") - 1_000_000;
  const madeAtMs = nowMs - 100 * DAY_MS;
  const record = (index: number): KeyRecord => ({
    tenantId: tenantOf(index),
    keyName: nameOf(index),
    state: "active",
    generation: 1,
    profile: "default",
    attempts: [{ attemptId: parseAttemptId(uuidOf(2_000_000 + index)), outcome: "created", keyArn: arnOf(index) }],
    fence: 2,
    leaseUntilMs: 0,
    eventId: uuidOf(3_000_000 + index),
    declaredAtMs: madeAtMs,
    updatedAtMs: madeAtMs,
    activeAtMs: madeAtMs,
    keyArn: arnOf(index),
    aliasName: aliasName(context.stage, tenantOf(index), nameOf(index)),
  });
  const desired = lastOf((tenantId: TenantId): DesiredTenantKey => {
    return desiredTenantKey(context, tenantId, nameOf(0), settings.profiles.default as KeyProfile);
  });
  const policyText = lastOf((tenantId: TenantId) => JSON.stringify(desired(tenantId).admittedPolicy));
  const records = lastOf((tenantId: TenantId) => {
    const first = indexOfUuid(tenantId) * keysEach;
    return Array.from({ length: keysEach }, (_, offset) => record(first + offset));
  });
  const tags = (index: number) => ({
    ...desired(tenantOf(index)).keyTags(parseAttemptId(uuidOf(2_000_000 + index))),
    "tenantkeys:key": nameOf(index),
  });
  const tagList = (index: number) => Object.entries(tags(index));
  const role = (tenant: number) => {
    const first = tenant * keysEach;
    const { ownRole, rolePolicy } = desired(tenantOf(first));
    const encoded = (document: unknown) => encodeURIComponent(JSON.stringify(document));
    return {
      RoleName: ownRole.name,
      Path: ownRole.path,
      Arn: ownRole.arn,
      AssumeRolePolicyDocument: encoded(ownRole.trustPolicy),
      PermissionsBoundary: { PermissionsBoundaryArn: ownRole.boundaryArn },
      Tags: Object.entries(ownRole.tags).map(([Key, Value]) => ({ Key, Value })),
      RolePolicyList: Array.from({ length: keysEach }, (_, offset) => ({
        PolicyName: `key-${nameOf(first + offset)}`,
        PolicyDocument: encoded(rolePolicy(arnOf(first + offset))),
      })),
      AttachedManagedPolicies: [],
    };
  };
  const answers: Readonly<Record<string, (input: Record<string, unknown>) => unknown>> = {
    Scan: ({ ExclusiveStartKey: from }) => {
      const { page, next } = pageOf(count, PAGE.Scan, (from as { at: string } | undefined)?.at);
      const Items = page.map((index) => {
        const { tenantId, keyName } = record(index);
        return { pk: `TENANT#${tenantId}`, sk: `KEY#${keyName}`, entity: "TenantKey", ...record(index) };
      });
      return { Items, ...(next === undefined ? {} : { LastEvaluatedKey: { at: next } }) };
    },
    ListAliases: ({ Marker }) => {
      const { page, next } = pageOf(count, PAGE.ListAliases, Marker);
      const alias = (index: number) => ({
        AliasName: aliasName(context.stage, tenantOf(index), nameOf(index)),
        TargetKeyId: keyId(index),
      });
      return { Aliases: page.map(alias), Truncated: next !== undefined, NextMarker: next };
    },
    GetResources: ({ PaginationToken }) => {
      const { page, next } = pageOf(count, PAGE.GetResources, PaginationToken);
      const resource = (index: number) => ({
        ResourceARN: arnOf(index),
        Tags: tagList(index).map(([Key, Value]) => ({ Key, Value })),
      });
      return { ResourceTagMappingList: page.map(resource), PaginationToken: next ?? "" };
    },
    GetAccountAuthorizationDetails: ({ Marker }) => {
      const { page, next } = pageOf(tenants, PAGE.GetAccountAuthorizationDetails, Marker);
      return { RoleDetailList: page.map(role), IsTruncated: next !== undefined, Marker: next };
    },
    DescribeKey: ({ KeyId }) => ({
      KeyMetadata: {
        Arn: KeyId,
        KeyState: "Enabled",
        Origin: "AWS_KMS",
        KeySpec: "SYMMETRIC_DEFAULT",
        KeyUsage: "ENCRYPT_DECRYPT",
        MultiRegion: false,
        CreationDate: new Date(madeAtMs),
      },
    }),
    GetKeyPolicy: ({ KeyId }) => ({ Policy: policyText(tenantOf(indexOf(KeyId))) }),
    GetKeyRotationStatus: () => ({
      KeyRotationEnabled: true,
      RotationPeriodInDays: 365,
      NextRotationDate: new Date(madeAtMs + 365 * DAY_MS),
    }),
    ListResourceTags: ({ KeyId }) => ({
      Tags: tagList(indexOf(KeyId)).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
      Truncated: false,
    }),
    ListGrants: () => ({ Grants: [], Truncated: false }),
    ListKeyRotations: () => ({ Rotations: [], Truncated: false }),
  };
  const tenant = (tenantId: TenantId): TenantRecord => ({ tenantId, version: 1, updatedAtMs: madeAtMs });
  return { answers, keysOfTenant: records, tenant };
}

function pageOf(count: number, size: number, from: unknown) {
  const start = Number(from ?? 0);
  const end = Math.min(count, start + size);
  const page = Array.from({ length: end - start }, (_, offset) => start + offset);
  return { page, next: end < count ? String(end) : undefined };
}

/** Looks like a UUID, and says its number. */
function uuidOf(number: number): string {
  return `5ee7a1e5-0000-4000-8000-${String(number).padStart(12, "0")}`;
}

function indexOfUuid(uuid: string): number {
  return Number(uuid.slice(24));
}

/** Keeps some hundred results: keys of one tenant are asked for at about the same time. */
function lastOf<T>(make: (tenantId: TenantId) => T): (tenantId: TenantId) => T {
  const known = new Map<TenantId, T>();
  return (tenantId) => {
    const value = known.get(tenantId) ?? make(tenantId);
    if (known.size > 300) known.clear();
    known.set(tenantId, value);
    return value;
  };
}
