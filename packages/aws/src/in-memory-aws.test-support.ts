/**
 * A small AWS in memory for the tests of the loop: roles, keys with tags and policy, aliases, the lagging tag index, the
 * registry under its fence rule and the bus. Each call is a moment at which a test may cut its worker off or make it
 * wait. What AWS itself refuses is tried against the local AWS (*.emulator.test.ts, test/e2e).
 */
import {
  ATTEMPT_TAG,
  type KeyRecord,
  type KeyState,
  type PolicyDocument,
  type Reply,
  samePolicy,
  type Tags,
  TenantKeysError,
} from "@tenantkeys/core";
import { narrowAwsError } from "./narrow-error.ts";
import type { ProvisionPorts } from "./provision-tenant-key.ts";
import type { Publisher } from "./publisher.ts";
import { createRateLimiter } from "./rate-limiter.ts";
import type { Registry } from "./registry.ts";
import type { Clock, Run } from "./run.ts";
import { awsError, type CallInput, CONTEXT, DESIRED, fakeClients, SETTINGS } from "./test-support.ts";

export const LEASE_DURATION_MS = 75_000;

interface Role {
  readonly path: string;
  readonly tags: Tags;
  readonly boundaryArn: string;
  trustPolicy: string;
  readonly policies: Map<string, string>;
}

interface Key {
  readonly arn: string;
  readonly tags: Tags;
  readonly indexedAtMs: number;
  policy: string;
  rotationPeriodDays: number | undefined;
  state: KeyState;
  /** Whether its policy ever let the tenant in: such a key may hold data. */
  everAdmitted: boolean;
}

export class InMemoryAws {
  readonly roles = new Map<string, Role>();
  readonly keys: Key[] = [];
  readonly aliases = new Map<string, string>();
  readonly records = new Map<string, KeyRecord>();
  readonly replies: Reply[] = [];
  /** The calls that took effect or were answered, in order. */
  readonly log: string[] = [];
  readonly #clock: Clock;
  readonly #indexLagMs: number;
  #attempts = 0;

  constructor(clock: Clock, indexLagMs = 0) {
    this.#clock = clock;
    this.#indexLagMs = indexLagMs;
  }

  newAttemptId(): string {
    return `attempt-${++this.#attempts}`;
  }

  tenantRecord(): KeyRecord | undefined {
    return this.records.get("acme/default");
  }

  /** @throws what the SDK throws for AWS's refusals */
  answer(name: string, input: CallInput): unknown {
    this.log.push(name);
    const operation = this.#operations[name];
    if (operation === undefined) throw new Error(`the in-memory AWS has no ${name}`);
    return operation(input);
  }

  readonly #operations: Readonly<Record<string, (input: CallInput) => unknown>> = {
    CreateRole: (input) => this.#createRole(input),
    GetRole: ({ RoleName }) => this.#getRole(RoleName),
    GetRolePolicy: ({ RoleName, PolicyName }) => {
      const text = this.#role(RoleName).policies.get(PolicyName);
      if (text === undefined) throw awsError("NoSuchEntityException", 404);
      return { PolicyDocument: encodeURIComponent(text) };
    },
    PutRolePolicy: ({ RoleName, PolicyName, PolicyDocument }) => {
      this.#role(RoleName).policies.set(PolicyName, PolicyDocument);
      return {};
    },
    UpdateAssumeRolePolicy: ({ RoleName, PolicyDocument }) => {
      this.#role(RoleName).trustPolicy = PolicyDocument;
      return {};
    },
    CreateKey: (input) => this.#createKey(input),
    CreateAlias: ({ AliasName, TargetKeyId }) => {
      if (this.aliases.has(AliasName)) throw awsError("AlreadyExistsException", 400);
      this.aliases.set(AliasName, this.#key(TargetKeyId).arn);
      return {};
    },
    EnableKeyRotation: ({ KeyId, RotationPeriodInDays }) => {
      this.#key(KeyId).rotationPeriodDays = RotationPeriodInDays;
      return {};
    },
    PutKeyPolicy: ({ KeyId, Policy }) => this.#putKeyPolicy(KeyId, Policy),
    ScheduleKeyDeletion: ({ KeyId }) => {
      this.#key(KeyId).state = "PendingDeletion";
      return {};
    },
    DescribeKey: ({ KeyId }) => {
      const key = this.#key(this.#resolve(KeyId));
      return { KeyMetadata: { Arn: key.arn, KeyState: key.state } };
    },
    GetKeyPolicy: ({ KeyId }) => ({ Policy: this.#key(KeyId).policy }),
    GetKeyRotationStatus: ({ KeyId }) => {
      const days = this.#key(KeyId).rotationPeriodDays;
      return { KeyRotationEnabled: days !== undefined, RotationPeriodInDays: days };
    },
    ListResourceTags: ({ KeyId }) => ({
      Tags: Object.entries(this.#key(KeyId).tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
    }),
    GetResources: ({ TagFilters }) => ({
      ResourceTagMappingList: this.keys
        .filter((key) => key.indexedAtMs <= this.#clock.nowMs())
        .filter((key) => TagFilters.every((filter) => key.tags[filter.Key] === filter.Values[0]))
        .map((key) => ({ ResourceARN: key.arn })),
    }),
  };

  #createRole({ RoleName, Path, PermissionsBoundary, AssumeRolePolicyDocument, Tags: tags }: CallInput): unknown {
    if (this.roles.has(RoleName)) throw awsError("EntityAlreadyExistsException", 409);
    this.roles.set(RoleName, {
      path: Path,
      boundaryArn: PermissionsBoundary,
      trustPolicy: AssumeRolePolicyDocument,
      tags: Object.fromEntries(tags.map((tag) => [tag.Key, tag.Value])),
      policies: new Map(),
    });
    return {};
  }

  #getRole(name: string): unknown {
    const role = this.#role(name);
    return {
      Role: {
        Arn: `arn:aws:iam::111122223333:role${role.path}${name}`,
        Path: role.path,
        Tags: Object.entries(role.tags).map(([Key, Value]) => ({ Key, Value })),
        AssumeRolePolicyDocument: encodeURIComponent(role.trustPolicy),
        PermissionsBoundary: { PermissionsBoundaryArn: role.boundaryArn },
      },
    };
  }

  #role(name: string): Role {
    const role = this.roles.get(name);
    if (role === undefined) throw awsError("NoSuchEntityException", 404);
    return role;
  }

  #createKey({ Policy, Tags: tags }: CallInput): unknown {
    const key: Key = {
      arn: `arn:aws:kms:eu-west-1:111122223333:key/${this.keys.length + 1}`,
      tags: Object.fromEntries(tags.map((tag) => [tag.TagKey, tag.TagValue])),
      indexedAtMs: this.#clock.nowMs() + this.#indexLagMs,
      policy: Policy,
      rotationPeriodDays: undefined,
      state: "Enabled",
      everAdmitted: false,
    };
    this.keys.push(key);
    return { KeyMetadata: { Arn: key.arn } };
  }

  #putKeyPolicy(keyId: string, policy: string): unknown {
    const key = this.#key(keyId);
    const admits = (JSON.parse(policy) as PolicyDocument).Statement.some(({ Sid }) => Sid === "UseByTenant");
    if (admits && !this.roles.has(DESIRED.role.name)) throw awsError("MalformedPolicyDocumentException", 400);
    key.policy = policy;
    key.everAdmitted ||= admits;
    return {};
  }

  /** KMS answers for an alias that isn't there as for a key that lets nobody look. */
  #resolve(keyId: string): string {
    if (!keyId.startsWith("alias/")) return keyId;
    const arn = this.aliases.get(keyId);
    if (arn === undefined) throw awsError("AccessDeniedException", 400);
    return arn;
  }

  #key(arn: string): Key {
    const key = this.keys.find((candidate) => candidate.arn === arn);
    if (key === undefined) throw awsError("NotFoundException", 400);
    return key;
  }
}

/** Wraps one call: a test may wait, fail, lose the reply or never come back. */
export type AroundCall = (name: string, signal: AbortSignal, effect: () => unknown) => Promise<unknown>;

const DIRECTLY: AroundCall = async (_name, _signal, effect) => effect();

/** What a worker works with, each of its calls through `around`. */
export function portsOn(aws: InMemoryAws, around: AroundCall = DIRECTLY): ProvisionPorts {
  return {
    clients: fakeClients(({ name, input, signal }) =>
      around(name, signal as AbortSignal, () => aws.answer(name, input)),
    ),
    createKeyLimiter: createRateLimiter(1000),
    visibilityBudgetMs: 2_000,
    registry: inMemoryRegistry(aws, around),
    publisher: inMemoryPublisher(aws, around),
    context: CONTEXT,
    profiles: SETTINGS.profiles,
    leaseDurationMs: LEASE_DURATION_MS,
    newAttemptId: () => aws.newAttemptId(),
  };
}

function inMemoryRegistry(aws: InMemoryAws, around: AroundCall): Registry {
  const write: AroundCall = (operation, signal, effect) =>
    around(operation, signal, () => {
      aws.log.push(operation);
      return effect();
    }).catch((error: unknown) => {
      throw narrowAwsError(error, "dynamodb:PutItem");
    });
  const name = (record: Pick<KeyRecord, "tenantId" | "keyName">) => `${record.tenantId}/${record.keyName}`;
  return {
    async create(run, record) {
      const answer = await write("create", run.signal, () => {
        const existing = aws.records.get(name(record));
        if (existing !== undefined) return { kind: "exists", record: existing };
        aws.records.set(name(record), record);
        return { kind: "created" };
      });
      return answer as Awaited<ReturnType<Registry["create"]>>;
    },
    async replace(run, record, expectedFence) {
      await write("replace", run.signal, () => {
        if (aws.records.get(name(record))?.fence !== expectedFence) {
          throw new TenantKeysError("lease_lost", "another worker has taken over", { step: "record" });
        }
        aws.records.set(name(record), record);
      });
    },
    get: async (_run, tenantId, keyName) => aws.records.get(name({ tenantId, keyName })),
  };
}

function inMemoryPublisher(aws: InMemoryAws, around: AroundCall): Publisher {
  return {
    async publishReply(run: Run, reply) {
      await around("publish", run.signal, () => {
        aws.log.push("publish");
        aws.replies.push(reply);
      });
    },
  };
}

/** What is wrong with the tenant key as AWS has it, as sentences; none where it is as desired. */
export function faultsOf(aws: InMemoryAws): readonly string[] {
  const enabled = aws.keys.filter((key) => key.state === "Enabled");
  const key = aws.keys.find((candidate) => candidate.arn === aws.aliases.get(DESIRED.aliasName));
  const role = aws.roles.get(DESIRED.role.name);
  const record = aws.tenantRecord();
  const rolePolicy = JSON.parse(role?.policies.get("key-default") ?? "null");
  const checks: readonly (readonly [boolean, string])[] = [
    [enabled.length === 1, `${enabled.length} keys are enabled`],
    [key !== undefined && key === enabled[0], "the alias doesn't point at the enabled key"],
    [key?.rotationPeriodDays === 365, "the key doesn't rotate"],
    [samePolicy(JSON.parse(key?.policy ?? "null"), DESIRED.admittedPolicy), "the key's policy isn't the admitted one"],
    [key !== undefined && samePolicy(rolePolicy, DESIRED.rolePolicy(key.arn as never)), "the role's policy differs"],
    [record?.state === "active" && record.keyArn === key?.arn, "the record isn't active with the key"],
    [record?.leaseUntilMs === 0, "the lease wasn't given back"],
    [
      record?.attempts.some(({ attemptId }) => attemptId === key?.tags[ATTEMPT_TAG]) === true,
      "no recorded attempt made the key",
    ],
  ];
  return checks.flatMap(([holds, fault]) => (holds ? [] : [fault]));
}
