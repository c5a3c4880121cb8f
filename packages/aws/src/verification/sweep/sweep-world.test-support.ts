/**
 * A stage in memory as a sweep meets it: registry, aliases, tagged keys, roles, the queue, findings and metrics. Each write
 * is a moment at which a test may stop its worker. Nothing that ships imports it.
 */
import {
  type Finding,
  findingId,
  type KeyRecord,
  parseAttemptId,
  parseKeyArn,
  parseKeyName,
  parseTenantId,
  RULE_IDS,
  type StoredFinding,
  tenantRolePath,
  type Verdict,
} from "@tenantkeys/core";
import type { Clock, Run } from "../../run.ts";
import { awsError, type Call, CONTEXT, fakeClients, SETTINGS } from "../../test-support.ts";
import type { MetricValues } from "../metrics.ts";
import type { FindingScope, FindingStore, InspectionDepth, QuotaShare } from "../ports.ts";
import type { VerificationWorkerPorts } from "../verification-worker.ts";
import type { SweepPorts } from "./ports.ts";
import type { ShardKey } from "./shard-content.ts";
import { type AroundWrite, emptySweeps, inMemorySweepStore } from "./sweep-store.test-support.ts";

export const LEASE_DURATION_MS = 915_000;
const PAGE = 10;

export interface RecordedFindings {
  readonly scope: FindingScope;
  readonly findings: readonly Finding[];
}

export interface VerifiedKey extends Pick<ShardKey, "tenantId" | "keyName" | "bulk"> {
  readonly depth: InspectionDepth;
}

export const CLEAN: Verdict = { findings: [], unjudged: [], attributes: undefined };
export const UNJUDGED: Verdict = { findings: [], unjudged: RULE_IDS, attributes: undefined };

export function tenantKey(tenant: string, keyName = "default", more: Partial<KeyRecord> = {}): KeyRecord {
  const keyArn = parseKeyArn(`arn:aws:kms:eu-west-1:111122223333:key/${tenant}-${keyName}`);
  return {
    tenantId: parseTenantId(tenant),
    keyName: parseKeyName(keyName),
    state: "active",
    generation: 1,
    profile: "default",
    attempts: [{ attemptId: parseAttemptId(`attempt-${tenant}`), outcome: "created", keyArn }],
    fence: 1,
    leaseUntilMs: 0,
    eventId: "event-1",
    declaredAtMs: 1,
    updatedAtMs: 1,
    keyArn,
    ...more,
  };
}

export class SweepWorld {
  readonly held = emptySweeps();
  readonly items: Record<string, unknown>[] = [];
  readonly aliases: { readonly AliasName: string; readonly TargetKeyId?: string }[] = [];
  readonly tagged: {
    readonly ResourceARN: string;
    readonly Tags: { readonly Key: string; readonly Value: string }[];
  }[] = [];
  readonly roles: Record<string, unknown>[] = [];
  readonly queue: string[] = [];
  readonly recorded: RecordedFindings[] = [];
  readonly open: StoredFinding[] = [];
  readonly metrics: MetricValues[] = [];
  readonly verified: VerifiedKey[] = [];
  /** Calls of the auditor and of the registry, by operation. */
  readonly calls: string[] = [];
  readonly turns: string[] = [];
  /** Answers in AWS's place where it gives something. */
  fails: (call: Call) => Error | undefined = () => undefined;
  verdictOf: (key: ShardKey) => Verdict | Error = () => CLEAN;
  around: AroundWrite = async (_name, effect) => effect();
  #sweeps = 0;

  /** A tenant key with all that belongs to it. */
  add(record: KeyRecord): KeyRecord {
    const { tenantId, keyName, keyArn } = record;
    this.items.push({ pk: `TENANT#${tenantId}`, sk: `KEY#${keyName}`, entity: "TenantKey", ...record });
    const keyId = keyArn?.split("/")[1] ?? "";
    this.aliases.push({ AliasName: `alias/tenantkeys/dev/${tenantId}/${keyName}`, TargetKeyId: keyId });
    this.tag(keyArn ?? "", { stage: "dev", tenant: tenantId, key: keyName });
    if (!this.roles.some(({ RoleName }) => RoleName === `tk-dev-${tenantId}`)) this.addRole(`tk-dev-${tenantId}`);
    return record;
  }

  tag(keyArn: string, tags: Readonly<Record<string, string>>): void {
    const Tags = Object.entries(tags).map(([name, Value]) => ({ Key: `tenantkeys:${name}`, Value }));
    this.tagged.push({ ResourceARN: keyArn, Tags });
  }

  addRole(name: string, path = tenantRolePath(SETTINGS.stage)): void {
    this.roles.push({
      RoleName: name,
      Path: path,
      Arn: `arn:aws:iam::111122223333:role${path}${name}`,
      AssumeRolePolicyDocument: encodeURIComponent('{"Version":"2012-10-17","Statement":[]}'),
      Tags: [{ Key: "tenantkeys:stage", Value: "dev" }],
    });
  }

  sweepPorts(): SweepPorts {
    const clients = fakeClients((call) => this.#answer(call));
    return {
      ...this.#closePorts(),
      clients,
      observing: clients,
      quota: this.#quota(),
      settings: SETTINGS,
      context: CONTEXT,
      tableName: "registry",
      queueUrl: "https://sqs.example/verification",
      leaseDurationMs: LEASE_DURATION_MS,
      newSweepId: () => `sweep-${++this.#sweeps}`,
    };
  }

  workerPorts(): VerificationWorkerPorts {
    const records = () => this.items as unknown as KeyRecord[];
    return {
      ...this.#closePorts(),
      clients: fakeClients((call) => this.#answer(call)),
      registry: { keysOfTenant: async (_run, id) => records().filter(({ tenantId }) => tenantId === id) },
      guard: () => Promise.reject(new Error("no guard in this world")),
      verifyKey: async (_run, key, depth, bulk) => {
        const verdict = this.verdictOf(key as ShardKey);
        if (verdict instanceof Error) throw verdict;
        this.verified.push({ tenantId: key.tenantId, keyName: key.keyName, depth, bulk });
        return { record: undefined, verdict, changes: { opened: [], stillOpen: [], closed: [] } };
      },
    };
  }

  #closePorts() {
    const { recorded, open, metrics } = this;
    const around: AroundWrite = (name, effect) => this.around(name, effect);
    const findings: FindingStore = {
      record: (_run, scope, found) =>
        around("record findings", () => {
          recorded.push({ scope, findings: found });
          const times = { firstSeenAtMs: 1, lastSeenAtMs: 1 };
          return {
            opened: found.map((one) => ({ ...one, ...times, findingId: findingId(one) })),
            stillOpen: [],
            closed: [],
          };
        }),
      openOfTenant: async () => [],
      async *listOpen() {
        yield* open;
      },
      history: async () => [],
    };
    return {
      sweeps: inMemorySweepStore(this.held, around),
      findings,
      repair: () => around("repair", () => ({ asked: [], waiting: [], beyond: [] })),
      metrics: { put: (_run: Run, values: MetricValues) => around("put metrics", () => void metrics.push(values)) },
    };
  }

  #quota(): QuotaShare {
    return { takeTurn: async (_run, operation) => void this.turns.push(operation) };
  }

  #answer(call: Call): unknown {
    this.calls.push(call.name);
    const error = this.fails(call);
    if (error !== undefined) throw error;
    const input = call.input as unknown as Record<string, unknown>;
    switch (call.name) {
      case "Scan": {
        const { page, next } = pageOf(this.items, (input.ExclusiveStartKey as { at: string } | undefined)?.at);
        return { Items: page, ...(next === undefined ? {} : { LastEvaluatedKey: { at: next } }) };
      }
      case "ListAliases": {
        const { page, next } = pageOf(this.aliases, input.Marker as string | undefined);
        return { Aliases: page, Truncated: next !== undefined, NextMarker: next };
      }
      case "GetResources": {
        const { page, next } = pageOf(this.tagged, input.PaginationToken as string | undefined);
        return { ResourceTagMappingList: page, PaginationToken: next ?? "" };
      }
      case "GetAccountAuthorizationDetails": {
        const { page, next } = pageOf(this.roles, input.Marker as string | undefined);
        return { RoleDetailList: page, IsTruncated: next !== undefined, Marker: next };
      }
      case "DescribeKey":
        if (!this.tagged.some(({ ResourceARN }) => ResourceARN === input.KeyId))
          throw awsError("NotFoundException", 400);
        return { KeyMetadata: { Arn: input.KeyId, KeyState: "Enabled", CreationDate: new Date(0) } };
      case "GetRole": {
        const Role = this.roles.find(({ RoleName }) => RoleName === input.RoleName);
        if (Role === undefined) throw awsError("NoSuchEntityException", 404);
        return { Role };
      }
      case "ListRolePolicies":
      case "ListAttachedRolePolicies":
        return {};
      case "SendMessageBatch":
        return this.around("send", () => {
          const entries = input.Entries as readonly { readonly MessageBody: string }[];
          this.queue.push(...entries.map(({ MessageBody }) => MessageBody));
          return {};
        });
      case "ChangeMessageVisibility":
        return {};
      default:
        throw new Error(`no ${call.name} in this world`);
    }
  }
}

function pageOf<T>(all: readonly T[], from: string | undefined) {
  const start = Number(from ?? 0);
  const next = start + PAGE < all.length ? String(start + PAGE) : undefined;
  return { page: all.slice(start, start + PAGE), next };
}

export class Killed extends Error {}

/** Stops its worker for good at the n-th write, before it or after it: from then on nothing gets through. */
export function killingAt(write: number, when: "before" | "after") {
  let writes = 0;
  let dead = false;
  const around: AroundWrite = async (_name, effect) => {
    if (dead) throw new Killed();
    writes += 1;
    dead = writes === write;
    if (dead && when === "before") throw new Killed();
    const result = effect();
    if (dead) throw new Killed();
    return result;
  };
  return { around, writes: () => writes, isDead: () => dead };
}

export function longRun(clock: Clock): Run {
  return { clock, deadlineMs: clock.nowMs() + 280_000, signal: new AbortController().signal };
}
