/**
 * A small AWS in memory for the tests of the loop: roles, keys with tags and policy, aliases, the lagging tag index, the
 * registry under its fence rule and the bus. Each call is a moment at which a test may cut its worker off or make it
 * wait. What AWS itself refuses is tried against the local AWS (*.emulator.test.ts, test/e2e).
 */
import type { GrantListEntry } from "@aws-sdk/client-kms";
import {
  ATTEMPT_TAG,
  type DestructionRecord,
  type KeyRecord,
  type KeySpec,
  type KeyState,
  keyUsage,
  type PolicyDocument,
  type Reply,
  samePolicy,
  type Tags,
  TenantKeysError,
  type TenantRecord,
} from "@tenantkeys/core";
import { narrowAwsError } from "./narrow-error.ts";
import type { ProvisionPorts } from "./ports.ts";
import type { Publisher } from "./publisher.ts";
import { createRateLimiter } from "./rate-limiter.ts";
import type { Registry } from "./registry.ts";
import type { Clock, Run } from "./run.ts";
import { awsError, type CallInput, CONTEXT, DESIRED, fakeClients, SETTINGS } from "./test-support.ts";

export const LEASE_DURATION_MS = 75_000;

interface Role {
  readonly path: string;
  tags: Tags;
  boundaryArn: string | undefined;
  trustPolicy: string;
  readonly policies: Map<string, string>;
}

interface Key {
  readonly arn: string;
  readonly tags: Tags;
  readonly indexedAtMs: number;
  readonly createdAtMs: number;
  grants: GrantListEntry[];
  policy: string;
  rotationPeriodDays: number | undefined;
  /** Epoch milliseconds of each rotation on demand. */
  readonly rotatedAtMs: number[];
  readonly origin: string;
  readonly keySpec: KeySpec;
  readonly xksKeyId: string | undefined;
  state: KeyState;
  deletionDateMs: number | undefined;
  /** Stands for the bytes that were imported first. */
  material: string | undefined;
  materialExpiresAtMs: number | undefined;
  /** Whether its policy ever let the tenant in: such a key may hold data. */
  everAdmitted: boolean;
}

export class InMemoryAws {
  /** IAM is the same in every Region: an AWS of another Region may be given these. */
  roles = new Map<string, Role>();
  readonly keys: Key[] = [];
  readonly aliases = new Map<string, string>();
  readonly records = new Map<string, KeyRecord>();
  readonly tenants = new Map<string, TenantRecord>();
  readonly destructions: DestructionRecord[] = [];
  /** Of every custom key store. */
  storeState = "CONNECTED";
  readonly replies: Reply[] = [];
  /** The calls that took effect or were answered, in order. */
  readonly log: string[] = [];
  readonly #clock: Clock;
  readonly #indexLagMs: number;
  #attempts = 0;
  #keysMade = 0;

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
    ListAttachedRolePolicies: ({ RoleName }) => {
      this.#role(RoleName);
      return { AttachedPolicies: [] };
    },
    ListRolePolicies: ({ RoleName }) => ({ PolicyNames: [...this.#role(RoleName).policies.keys()] }),
    DeleteRolePolicy: ({ RoleName, PolicyName }) => {
      if (!this.#role(RoleName).policies.delete(PolicyName)) throw awsError("NoSuchEntityException", 404);
      return {};
    },
    PutRolePermissionsBoundary: ({ RoleName, PermissionsBoundary }) => {
      this.#role(RoleName).boundaryArn = PermissionsBoundary;
      return {};
    },
    TagRole: ({ RoleName, Tags: tags }) => {
      const role = this.#role(RoleName);
      role.tags = { ...role.tags, ...Object.fromEntries(tags.map((tag) => [tag.Key, tag.Value])) };
      return {};
    },
    RevokeGrant: ({ KeyId, GrantId }) => {
      const key = this.#key(KeyId);
      if (!key.grants.some((grant) => grant.GrantId === GrantId)) throw awsError("NotFoundException", 400);
      key.grants = key.grants.filter((grant) => grant.GrantId !== GrantId);
      return {};
    },
    DeleteRole: ({ RoleName }) => {
      if (this.#role(RoleName).policies.size > 0) throw awsError("DeleteConflictException", 409);
      this.roles.delete(RoleName);
      return {};
    },
    CreateKey: (input) => this.#createKey(input),
    CreateAlias: ({ AliasName, TargetKeyId }) => {
      if (this.aliases.has(AliasName)) throw awsError("AlreadyExistsException", 400);
      this.aliases.set(AliasName, this.#key(TargetKeyId).arn);
      return {};
    },
    UpdateAlias: ({ AliasName, TargetKeyId }) => {
      if (!this.aliases.has(AliasName)) throw awsError("NotFoundException", 400);
      this.aliases.set(AliasName, this.#key(TargetKeyId).arn);
      return {};
    },
    ListAliases: ({ KeyId }) => ({
      Aliases: [...this.aliases]
        .filter(([, arn]) => KeyId === undefined || arn === KeyId)
        .map(([AliasName, arn]) => ({ AliasName, TargetKeyId: arn.slice(arn.indexOf("/") + 1) })),
    }),
    ListGrants: ({ KeyId }) => ({ Grants: this.#key(KeyId).grants }),
    DescribeCustomKeyStores: ({ CustomKeyStoreId }) => ({
      CustomKeyStores: [{ CustomKeyStoreId, ConnectionState: this.storeState }],
    }),
    EnableKeyRotation: ({ KeyId, RotationPeriodInDays }) => {
      this.#keyIn(KeyId, ["Enabled"]).rotationPeriodDays = RotationPeriodInDays;
      return {};
    },
    PutKeyPolicy: ({ KeyId, Policy }) => this.#putKeyPolicy(KeyId, Policy),
    EnableKey: ({ KeyId }) => this.#changeState(KeyId, ["Enabled", "Disabled"], "Enabled"),
    DisableKey: ({ KeyId }) => this.#changeState(KeyId, ["Enabled", "Disabled"], "Disabled"),
    ScheduleKeyDeletion: ({ KeyId, PendingWindowInDays }) => {
      this.#changeState(KeyId, ["Enabled", "Disabled", "PendingImport"], "PendingDeletion");
      const deletionDateMs = this.#clock.nowMs() + PendingWindowInDays * 86_400_000;
      this.#key(KeyId).deletionDateMs = deletionDateMs;
      return { DeletionDate: new Date(deletionDateMs) };
    },
    CancelKeyDeletion: ({ KeyId }) => {
      const key = this.#keyIn(KeyId, ["PendingDeletion"]);
      key.state = key.origin === "EXTERNAL" && key.material === undefined ? "PendingImport" : "Disabled";
      key.deletionDateMs = undefined;
      return {};
    },
    RotateKeyOnDemand: ({ KeyId }) => {
      this.#keyIn(KeyId, ["Enabled"]).rotatedAtMs.push(this.#clock.nowMs());
      return {};
    },
    ListKeyRotations: ({ KeyId }) => ({
      Rotations: this.#key(KeyId).rotatedAtMs.map((atMs) => ({
        RotationType: "ON_DEMAND",
        RotationDate: new Date(Math.floor(atMs / 1000) * 1000),
      })),
    }),
    GetKeyLastUsage: () => {
      throw awsError("UnknownOperationException", 400);
    },
    GetParametersForImport: ({ KeyId }) => ({
      KeyId,
      PublicKey: Buffer.from("a public key"),
      ImportToken: Buffer.from(KeyId),
      ParametersValidTo: new Date(this.#clock.nowMs() + 86_400_000),
    }),
    ImportKeyMaterial: (input) => this.#importKeyMaterial(input),
    DescribeKey: ({ KeyId }) => {
      const key = this.#key(this.#resolve(KeyId));
      const { arn, state, origin, keySpec, createdAtMs, deletionDateMs, materialExpiresAtMs } = key;
      const date = (atMs: number | undefined) => (atMs === undefined ? undefined : new Date(atMs));
      const ends = { DeletionDate: date(deletionDateMs), ValidTo: date(materialExpiresAtMs) };
      const dates = { CreationDate: date(createdAtMs), ...ends };
      const kind = { Origin: origin, KeySpec: keySpec, KeyUsage: keyUsage(keySpec) };
      return { KeyMetadata: { Arn: arn, KeyState: state, ...kind, ...dates } };
    },
    GetKeyPolicy: ({ KeyId }) => ({ Policy: this.#key(KeyId).policy }),
    GetKeyRotationStatus: ({ KeyId }) => {
      const { rotationPeriodDays: days, state } = this.#key(KeyId);
      return { KeyRotationEnabled: days !== undefined && state !== "PendingDeletion", RotationPeriodInDays: days };
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
        PermissionsBoundary: role.boundaryArn === undefined ? undefined : { PermissionsBoundaryArn: role.boundaryArn },
      },
    };
  }

  #role(name: string): Role {
    const role = this.roles.get(name);
    if (role === undefined) throw awsError("NoSuchEntityException", 404);
    return role;
  }

  #createKey({ Arn, MultiRegion, Policy, Origin, KeySpec, XksKeyId, Tags: tags }: CallInput): unknown {
    const key: Key = {
      arn: Arn ?? `arn:aws:kms:eu-west-1:111122223333:key/${MultiRegion === true ? "mrk-" : ""}${++this.#keysMade}`,
      tags: Object.fromEntries(tags.map((tag) => [tag.TagKey, tag.TagValue])),
      indexedAtMs: this.#clock.nowMs() + this.#indexLagMs,
      createdAtMs: this.#clock.nowMs(),
      grants: [],
      policy: Policy,
      rotationPeriodDays: undefined,
      rotatedAtMs: [],
      origin: Origin ?? "AWS_KMS",
      keySpec: (KeySpec ?? "SYMMETRIC_DEFAULT") as KeySpec,
      xksKeyId: XksKeyId,
      state: Origin === "EXTERNAL" ? "PendingImport" : "Enabled",
      deletionDateMs: undefined,
      material: undefined,
      materialExpiresAtMs: undefined,
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

  #importKeyMaterial({ KeyId, ImportToken, EncryptedKeyMaterial, ValidTo }: CallInput): unknown {
    const key = this.#keyIn(KeyId, ["PendingImport", "Enabled", "Disabled"]);
    const material = Buffer.from(EncryptedKeyMaterial).toString("hex");
    if (Buffer.from(ImportToken).toString() !== KeyId) throw awsError("InvalidImportTokenException", 400);
    if (key.material !== undefined && key.material !== material) throw awsError("IncorrectKeyMaterialException", 400);
    key.material = material;
    key.materialExpiresAtMs = ValidTo?.getTime();
    if (key.state === "PendingImport") key.state = "Enabled";
    return {};
  }

  /** Lets the clock's time pass for keys: what is due is deleted, and material that is over leaves its key without any. */
  letTimePass(): void {
    const nowMs = this.#clock.nowMs();
    for (const key of this.keys) {
      const expired = key.materialExpiresAtMs !== undefined && key.materialExpiresAtMs <= nowMs;
      if (expired && (key.state === "Enabled" || key.state === "Disabled")) key.state = "PendingImport";
    }
    const gone = this.keys.filter(({ deletionDateMs }) => deletionDateMs !== undefined && deletionDateMs <= nowMs);
    for (const key of gone) {
      this.keys.splice(this.keys.indexOf(key), 1);
      for (const [alias, arn] of this.aliases) if (arn === key.arn) this.aliases.delete(alias);
    }
  }

  #changeState(arn: string, from: readonly KeyState[], to: KeyState): unknown {
    this.#keyIn(arn, from).state = to;
    return {};
  }

  #keyIn(arn: string, states: readonly KeyState[]): Key {
    const key = this.#key(arn);
    if (!states.includes(key.state)) throw awsError("KMSInvalidStateException", 400, `${arn} is ${key.state}`);
    return key;
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
  const clients = fakeClients(({ name, input, signal }) =>
    around(name, signal as AbortSignal, () => aws.answer(name, input)),
  );
  return {
    clients,
    clientsIn: () => clients,
    createKeyLimiter: createRateLimiter(1000),
    visibilityBudgetMs: 2_000,
    registry: inMemoryRegistry(aws, around),
    publisher: inMemoryPublisher(aws, around),
    context: CONTEXT,
    profiles: SETTINGS.profiles,
    approvalPrincipal: SETTINGS.approvalPrincipal,
    sbtReplySource: SETTINGS.sbtReplySource,
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
    async declare(run, known, next) {
      const answer = await write("declare", run.signal, () => {
        const record = aws.records.get(name(next.record));
        const tenant = aws.tenants.get(next.tenant.tenantId);
        if (record?.fence !== known.record?.fence || tenant?.version !== known.tenant?.version) {
          return { kind: "conflict", record, tenant };
        }
        aws.records.set(name(next.record), next.record);
        aws.tenants.set(next.tenant.tenantId, next.tenant);
        return { kind: "written" };
      });
      return answer as Awaited<ReturnType<Registry["declare"]>>;
    },
    async putTenant(run, tenant, expectedVersion) {
      const answer = await write("putTenant", run.signal, () => {
        if (aws.tenants.get(tenant.tenantId)?.version !== expectedVersion) return "conflict";
        aws.tenants.set(tenant.tenantId, tenant);
        return "written";
      });
      return answer as "written" | "conflict";
    },
    async replace(run, record, expectedFence, destruction) {
      await write("replace", run.signal, () => {
        if (aws.records.get(name(record))?.fence !== expectedFence) {
          throw new TenantKeysError("lease_lost", "another worker has taken over", { step: "record" });
        }
        aws.records.set(name(record), record);
        if (destruction !== undefined) aws.destructions.push(destruction);
      });
    },
    get: async (_run, tenantId, keyName) => aws.records.get(name({ tenantId, keyName })),
    getTenant: async (_run, tenantId) => aws.tenants.get(tenantId),
    keysOfTenant: async (_run, tenantId) => [...aws.records.values()].filter((record) => record.tenantId === tenantId),
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
