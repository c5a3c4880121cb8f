/** Every name this project gives to something in AWS, and the tags that say whose it is. Names are never guessed elsewhere. */
import {
  type AccountId,
  type AliasName,
  type AttemptId,
  KEY_NAME_PATTERN,
  type KeyName,
  type PolicyArn,
  type Region,
  type RoleArn,
  type Stage,
  TENANT_ID_PATTERN,
  type TenantId,
} from "./ids.ts";

export type Tags = Readonly<Record<string, string>>;

export const TENANT_TAG = "tenantkeys:tenant";
export const KEY_TAG = "tenantkeys:key";
export const STAGE_TAG = "tenantkeys:stage";
export const ATTEMPT_TAG = "tenantkeys:attempt";
/** The session tag that pins a session to a tenant: `aws:RequestTag/tenant` in trust, `aws:PrincipalTag/tenant` in use. */
export const SESSION_TAG = "tenant";
/** The pair of the encryption context that says whose data it is: `kms:EncryptionContext:tenant`. */
export const ENCRYPTION_CONTEXT_KEY = "tenant";

/** The pairs that every ciphertext of a tenant is bound to: whose it is, under which of its keys, in which stage. */
export function tenantEncryptionContext(
  stage: Stage,
  tenantId: TenantId,
  keyName: KeyName,
): Readonly<Record<"tenant" | "keyName" | "stage", string>> {
  return { [ENCRYPTION_CONTEXT_KEY]: tenantId, keyName, stage };
}

/** `alias/tenantkeys/{stage}/{tenantId}/{keyName}`: at most 107 of KMS's 256 characters. */
export function aliasName(stage: Stage, tenantId: TenantId, keyName: KeyName): AliasName {
  return `alias/tenantkeys/${stage}/${tenantId}/${keyName}` as AliasName;
}

/** Whose alias of this stage it is; undefined of any other name. */
export function tenantKeyOfAlias(
  stage: Stage,
  name: string,
): { readonly tenantId: TenantId; readonly keyName: KeyName } | undefined {
  const [prefix, project, itsStage, tenantId, keyName, ...more] = name.split("/");
  if (prefix !== "alias" || project !== "tenantkeys" || itsStage !== stage || more.length > 0) return undefined;
  if (!TENANT_ID_PATTERN.test(tenantId ?? "") || !KEY_NAME_PATTERN.test(keyName ?? "")) return undefined;
  return { tenantId: tenantId as TenantId, keyName: keyName as KeyName };
}

/** Whose own role of this stage it is; undefined of any other role. */
export function tenantOfRole(accountId: AccountId, stage: Stage, roleArn: string): TenantId | undefined {
  const prefix = tenantRoleArn(accountId, stage, "" as TenantId);
  const tenantId = roleArn.startsWith(prefix) ? roleArn.slice(prefix.length) : "";
  return TENANT_ID_PATTERN.test(tenantId) ? (tenantId as TenantId) : undefined;
}

/** `/tenantkeys/{stage}/`: the only path under which the provisioner may make roles. */
export function tenantRolePath(stage: Stage): string {
  return `/tenantkeys/${stage}/`;
}

/** `tk-{stage}-{tenantId}`: at most 60 of IAM's 64 characters. */
export function tenantRoleName(stage: Stage, tenantId: TenantId): string {
  return `tk-${stage}-${tenantId}`;
}

export function tenantRoleArn(accountId: AccountId, stage: Stage, tenantId: TenantId): RoleArn {
  return `arn:aws:iam::${accountId}:role${tenantRolePath(stage)}${tenantRoleName(stage, tenantId)}` as RoleArn;
}

/** One inline policy per key name, so that two keys of a tenant never race for one document. */
export function rolePolicyName(keyName: KeyName): string {
  return `key-${keyName}`;
}

/** Letters, digits, `-` and `_`: what KMS takes in a grant's name, and no `:` or `/`, which look like an ARN. */
export const JOB_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/**
 * `tenantkeys-job-{endsAtMs}-{jobId}`: at most 93 of KMS's 256 characters. KMS's grants have no end, so a job's has its
 * end in its name, where whoever lists grants sees it.
 */
export function jobGrantName(endsAtMs: number, jobId: string): string {
  return `tenantkeys-job-${endsAtMs}-${jobId}`;
}

export interface JobOfGrant {
  readonly jobId: string;
  /** Epoch milliseconds. */
  readonly endsAtMs: number;
}

/** Which job's grant it is, and until when; undefined of any other name. */
export function jobOfGrant(name: string | undefined): JobOfGrant | undefined {
  const [, endsAtMs, jobId = ""] = /^tenantkeys-job-([1-9]\d{12})-(.{1,64})$/s.exec(name ?? "") ?? [];
  return JOB_ID_PATTERN.test(jobId) ? { jobId, endsAtMs: Number(endsAtMs) } : undefined;
}

/** The tags of a key or role of this tenant, without the attempt. */
export function ownershipTags(stage: Stage, tenantId: TenantId): Tags {
  return { [STAGE_TAG]: stage, [TENANT_TAG]: tenantId };
}

export function keyTags(stage: Stage, tenantId: TenantId, keyName: KeyName, attemptId: AttemptId): Tags {
  return { ...ownershipTags(stage, tenantId), [KEY_TAG]: keyName, [ATTEMPT_TAG]: attemptId };
}

/** True where every wanted tag is there with its value; further tags don't matter. */
export function hasTags(tags: Tags, wanted: Tags): boolean {
  return Object.entries(wanted).every(([name, value]) => tags[name] === value);
}

/** The registry's partition of a tenant, before its id: what is declared of it, and its keys. */
export const TENANT_PREFIX = "TENANT#";

/**
 * The registry's partitions that verification writes: what it found, when it looked and how often a key was used, its
 * sweeps, and the ledger of repairs that nobody asked for. What is declared of a tenant is in none of them, so the roles
 * of verification are kept to these by IAM.
 */
export const VERIFICATION_PARTITIONS = {
  findings: "FINDINGS#",
  checks: "CHECKS#",
  sweeps: "SWEEP",
  repairs: "REPAIR",
} as const;

/** The path of what a stage itself owns: its own roles and the permissions boundary. */
export const SYSTEM_PATH = "/tenantkeys/";

/**
 * The names of a stage's own resources. They are fixed, not random: users look for them, and key policies name the
 * provisioner's and the auditor's role.
 */
export function stageNames(stage: Stage) {
  const prefix = `tenantkeys-${stage}`;
  return {
    registryTable: `${prefix}-registry`,
    bus: prefix,
    archive: `${prefix}-archive`,
    rule: `${prefix}-sign-ups`,
    queue: `${prefix}-provisioning`,
    queueDeadLetter: `${prefix}-provisioning-dlq`,
    ruleDeadLetter: `${prefix}-sign-ups-dlq`,
    provisionFunction: `${prefix}-provision`,
    provisionerRole: `${prefix}-provisioner`,
    reviewFunction: `${prefix}-review`,
    reviewSchedule: `${prefix}-review-schedule`,
    reviewerRole: `${prefix}-reviewer`,
    reviewScheduleRole: `${prefix}-review-caller`,
    sweepFunction: `${prefix}-sweep`,
    sweepSchedule: `${prefix}-sweep-schedule`,
    sweepScheduleRole: `${prefix}-sweep-caller`,
    sweeperRole: `${prefix}-sweeper`,
    verificationQueue: `${prefix}-verification`,
    verificationDeadLetter: `${prefix}-verification-dlq`,
    verifyFunction: `${prefix}-verify`,
    verifierRole: `${prefix}-verifier`,
    /** On the account's default bus, where AWS's own events arrive. */
    guardRule: `${prefix}-guard`,
    keyUseRule: `${prefix}-key-use`,
    /** Apart from the sweep's, so that a full sweep never keeps a touched key waiting. */
    guardQueue: `${prefix}-guard-events`,
    guardDeadLetter: `${prefix}-guard-dlq`,
    alarmTopic: `${prefix}-alarms`,
    dashboard: prefix,
    canaryFunction: `${prefix}-canary`,
    canarySchedule: `${prefix}-canary-schedule`,
    canaryScheduleRole: `${prefix}-canary-caller`,
    canaryRole: `${prefix}-canary-runner`,
    branchKeyTable: `${prefix}-branch-keys`,
    branchKeyReaderPolicy: `${prefix}-branch-key-reader`,
    branchKeyMakerPolicy: `${prefix}-branch-key-maker`,
    auditorRole: `${prefix}-auditor`,
    sharedTenantRole: `${prefix}-tenant`,
    tenantBoundary: `${prefix}-tenant-boundary`,
    operatorPolicy: `${prefix}-operator`,
    /** For the roles of tenants' applications. */
    applicationPolicy: `${prefix}-application`,
  } as const;
}

/** `{tenantId}/{keyName}`: the partition of a tenant key's branch key in the stage's table. */
export function branchKeyId(tenantId: TenantId, keyName: KeyName): string {
  return `${tenantId}/${keyName}`;
}

/** `tenantkeys-{stage}-{startedAtMs}`: at most 45 of EventBridge's 64 characters, and of no other stage. */
export function archiveReplayName(stage: Stage, startedAtMs: number): string {
  return `tenantkeys-${stage}-${startedAtMs}`;
}

/** The ARNs of a stage's own resources, in the `aws` partition; `*` stands for every Region in patterns of policies. */
export function stageArns(accountId: AccountId, region: Region | "*", stage: Stage) {
  const names = stageNames(stage);
  return {
    registryTable: `arn:aws:dynamodb:${region}:${accountId}:table/${names.registryTable}`,
    /** The open findings, and the tenant keys by the ARNs of their keys. */
    findingsIndex: `arn:aws:dynamodb:${region}:${accountId}:table/${names.registryTable}/index/findings`,
    keysIndex: `arn:aws:dynamodb:${region}:${accountId}:table/${names.registryTable}/index/keys`,
    bus: `arn:aws:events:${region}:${accountId}:event-bus/${names.bus}`,
    archive: `arn:aws:events:${region}:${accountId}:archive/${names.archive}`,
    /** Replays of the archive, by the name that each is given. */
    replays: `arn:aws:events:${region}:${accountId}:replay/tenantkeys-${stage}-*`,
    rule: `arn:aws:events:${region}:${accountId}:rule/${names.bus}/${names.rule}`,
    queue: `arn:aws:sqs:${region}:${accountId}:${names.queue}`,
    queueDeadLetter: `arn:aws:sqs:${region}:${accountId}:${names.queueDeadLetter}`,
    ruleDeadLetter: `arn:aws:sqs:${region}:${accountId}:${names.ruleDeadLetter}`,
    verificationQueue: `arn:aws:sqs:${region}:${accountId}:${names.verificationQueue}`,
    verificationDeadLetter: `arn:aws:sqs:${region}:${accountId}:${names.verificationDeadLetter}`,
    guardQueue: `arn:aws:sqs:${region}:${accountId}:${names.guardQueue}`,
    guardDeadLetter: `arn:aws:sqs:${region}:${accountId}:${names.guardDeadLetter}`,
    guardRule: `arn:aws:events:${region}:${accountId}:rule/${names.guardRule}`,
    keyUseRule: `arn:aws:events:${region}:${accountId}:rule/${names.keyUseRule}`,
    alarmTopic: `arn:aws:sns:${region}:${accountId}:${names.alarmTopic}`,
    provisionerRole: `arn:aws:iam::${accountId}:role${SYSTEM_PATH}${names.provisionerRole}` as RoleArn,
    auditorRole: `arn:aws:iam::${accountId}:role${SYSTEM_PATH}${names.auditorRole}` as RoleArn,
    canaryRole: `arn:aws:iam::${accountId}:role${SYSTEM_PATH}${names.canaryRole}` as RoleArn,
    branchKeyTable: `arn:aws:dynamodb:${region}:${accountId}:table/${names.branchKeyTable}`,
    /** The role of every tenant's sessions, in role mode `session-tag`. */
    sharedTenantRole: `arn:aws:iam::${accountId}:role${SYSTEM_PATH}${names.sharedTenantRole}` as RoleArn,
    tenantBoundary: `arn:aws:iam::${accountId}:policy${SYSTEM_PATH}${names.tenantBoundary}` as PolicyArn,
    tenantRoles: `arn:aws:iam::${accountId}:role${tenantRolePath(stage)}tk-${stage}-*`,
    /** Every role of such a name, wherever it is: a role that isn't there has no path in the ARN that IAM checks. */
    rolesOfTenantName: [
      `arn:aws:iam::${accountId}:role/tk-${stage}-*`,
      `arn:aws:iam::${accountId}:role/*/tk-${stage}-*`,
    ],
    tenantAliases: `arn:aws:kms:${region}:${accountId}:alias/tenantkeys/${stage}/*`,
    keys: `arn:aws:kms:${region}:${accountId}:key/*`,
  } as const;
}
