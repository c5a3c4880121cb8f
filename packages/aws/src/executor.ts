/** Applies a plan: each action is one AWS call. It decides nothing; what to do was decided in packages/core. */
import {
  type Action,
  type Attempt,
  checkContainment,
  type DesiredTenantKey,
  type ImportParameters,
  type KeyArn,
  type Region,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Clients } from "./clients.ts";
import {
  cancelKeyDeletion,
  createAlias,
  createKey,
  disableKey,
  enableKey,
  enableKeyRotation,
  getImportParameters,
  putKeyPolicy,
  refuseDisconnectedStore,
  revokeGrant,
  SPARE_KEY_DELETION_WINDOW_DAYS,
  scheduleKeyDeletion,
  updateAlias,
} from "./keys.ts";
import { certainlyNotDone, errorName, narrowAwsError } from "./narrow-error.ts";
import type { RateLimiter } from "./rate-limiter.ts";
import {
  createRole,
  deleteRole,
  deleteRolePolicy,
  isNoSuchEntity,
  putRoleBoundary,
  putRolePolicy,
  tagRole,
  updateTrustPolicy,
} from "./roles.ts";
import { checkDeadline, type Run, untilVisible } from "./run.ts";

export interface ExecutorPorts {
  readonly clients: Clients;
  /** The clients of another Region, for the replicas of multi-Region keys; the same each time. */
  clientsIn(region: Region): Clients;
  readonly createKeyLimiter: RateLimiter;
  /** How long an answer that says "I can't see the role (or key) yet" is waited out. */
  readonly visibilityBudgetMs: number;
}

export interface Applied {
  readonly keyArn: KeyArn | undefined;
  /** The attempt under which CreateKey was called, with what became of it; unchanged where it wasn't. */
  readonly attempt: Attempt | undefined;
  /** What a customer is to wrap the key's material with, where it was asked for. */
  readonly importParameters: ImportParameters | undefined;
  /** When KMS will delete the key, where its deletion was scheduled. */
  readonly deletionDateMs: number | undefined;
  /** Something was there already that the plan thought absent: observe and plan again. */
  readonly surprised: boolean;
  /** CreateAlias said that the alias is there already. */
  readonly aliasExists: boolean;
  /** The actions that AWS was asked for and didn't refuse. */
  readonly taken: readonly Action["kind"][];
  readonly error: TenantKeysError | undefined;
}

/** The mutable facts of one application of a plan. */
interface Progress {
  keyArn: KeyArn | undefined;
  attempt: Attempt | undefined;
  readonly previousKeyArns: readonly KeyArn[];
  readonly xksKeyId?: string | undefined;
  importParameters: ImportParameters | undefined;
  deletionDateMs: number | undefined;
  surprised: boolean;
  aliasExists: boolean;
  readonly taken: Action["kind"][];
}

/**
 * Applies the steps in order, the actions of a step side by side. It stops after the first step in which something
 * failed or surprised, and never throws: what was reached so far is in the answer, a key that was made above all.
 */
export async function applyPlan(
  ports: ExecutorPorts,
  run: Run,
  desired: DesiredTenantKey,
  steps: readonly (readonly Action[])[],
  start: {
    readonly keyArn: KeyArn | undefined;
    readonly attempt: Attempt | undefined;
    readonly previousKeyArns?: readonly KeyArn[] | undefined;
    readonly xksKeyId?: string | undefined;
  },
): Promise<Applied> {
  const progress: Progress = {
    ...start,
    previousKeyArns: start.previousKeyArns ?? [],
    importParameters: undefined,
    deletionDateMs: undefined,
    surprised: false,
    aliasExists: false,
    taken: [],
  };
  const applied = (error: TenantKeysError | undefined): Applied => {
    const { previousKeyArns: _, xksKeyId: __, ...reached } = progress;
    return { ...reached, error };
  };
  for (const step of steps) {
    const results = await Promise.allSettled(step.map((action) => applyAction(ports, run, desired, action, progress)));
    progress.taken.push(...step.filter((_, index) => results[index]?.status === "fulfilled").map(({ kind }) => kind));
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) return applied(narrowAwsError(failed.reason, "apply"));
    if (progress.surprised) break;
  }
  return applied(undefined);
}

export const STEP_OF_ACTION = {
  "create-role": "iam:CreateRole",
  "update-trust-policy": "iam:UpdateAssumeRolePolicy",
  "put-role-boundary": "iam:PutRolePermissionsBoundary",
  "tag-role": "iam:TagRole",
  "create-key": "kms:CreateKey",
  "enable-rotation": "kms:EnableKeyRotation",
  "put-role-policy": "iam:PutRolePolicy",
  "create-alias": "kms:CreateAlias",
  "move-alias": "kms:UpdateAlias",
  "admit-tenant": "kms:PutKeyPolicy",
  "obtain-import-parameters": "kms:GetParametersForImport",
  "enable-key": "kms:EnableKey",
  "disable-key": "kms:DisableKey",
  "shut-out-tenant": "kms:PutKeyPolicy",
  "schedule-deletion": "kms:ScheduleKeyDeletion",
  "cancel-deletion": "kms:CancelKeyDeletion",
  "delete-role-policy": "iam:DeleteRolePolicy",
  "delete-role": "iam:DeleteRole",
  "discard-spare-key": "kms:ScheduleKeyDeletion",
  "revoke-grant": "kms:RevokeGrant",
} as const satisfies Readonly<Record<Action["kind"], string>>;

type RoleAction =
  | "create-role"
  | "update-trust-policy"
  | "put-role-boundary"
  | "tag-role"
  | "delete-role-policy"
  | "delete-role";
type KeyAction = Exclude<Action["kind"], RoleAction | "create-key" | "discard-spare-key" | "revoke-grant">;

function isRoleAction(kind: Action["kind"]): kind is RoleAction {
  return STEP_OF_ACTION[kind].startsWith("iam:") && kind !== "put-role-policy";
}

async function applyAction(
  ports: ExecutorPorts,
  run: Run,
  desired: DesiredTenantKey,
  action: Action,
  progress: Progress,
): Promise<void> {
  const step = STEP_OF_ACTION[action.kind];
  checkDeadline(run, step);
  try {
    const { kind } = action;
    if (kind === "create-key") return await applyCreateKey(ports, run, desired, progress);
    if (kind === "revoke-grant") return await revokeGrant(ports.clients, run, action.keyArn, action.grantId);
    if (kind === "discard-spare-key") {
      await scheduleKeyDeletion(ports.clients, run, action.keyArn, SPARE_KEY_DELETION_WINDOW_DAYS);
      return;
    }
    if (isRoleAction(kind)) return await applyToRole(ports, run, desired, kind, progress);
    const keyArn = ("keyArn" in action ? action.keyArn : undefined) ?? progress.keyArn;
    if (keyArn === undefined) throw new TenantKeysError("aws_unexpected", `${step}: no key to apply it to`, { step });
    await untilVisible(run, ports.visibilityBudgetMs, isNotVisibleYet, async () => {
      checkDeadline(run, step);
      await applyToKey(ports, run, desired, kind, keyArn, progress);
    });
  } catch (error) {
    throw notVisible(error, step) ?? narrowAwsError(error, step);
  }
}

async function applyToRole(
  ports: ExecutorPorts,
  run: Run,
  desired: DesiredTenantKey,
  kind: RoleAction,
  progress: Progress,
): Promise<void> {
  if (kind === "update-trust-policy") return updateTrustPolicy(ports.clients, run, desired.role);
  if (kind === "put-role-boundary") return putRoleBoundary(ports.clients, run, desired.ownRole);
  if (kind === "tag-role") return tagRole(ports.clients, run, desired.ownRole);
  if (kind === "delete-role-policy") return deleteRolePolicy(ports.clients, run, desired.ownRole);
  if (kind === "delete-role") return deleteRole(ports.clients, run, desired.ownRole);
  const description = `tenantkeys: the only role that may use the keys of tenant ${desired.tenantId}`;
  if (!(await createRole(ports.clients, run, desired.role, description))) progress.surprised = true;
}

async function applyCreateKey(
  ports: ExecutorPorts,
  run: Run,
  desired: DesiredTenantKey,
  progress: Progress,
): Promise<void> {
  const attemptId = progress.attempt?.attemptId;
  if (attemptId === undefined) throw new TenantKeysError("aws_unexpected", "kms:CreateKey: no attempt was recorded");
  try {
    if (desired.customKeyStoreId !== undefined) {
      await refuseDisconnectedStore(ports.clients, run, desired.customKeyStoreId);
    }
    await ports.createKeyLimiter.takeTurn(run, "kms:CreateKey");
    checkDeadline(run, "kms:CreateKey");
  } catch (error) {
    progress.attempt = { attemptId, outcome: "unused" };
    throw error;
  }
  progress.attempt = { attemptId, outcome: "open" };
  try {
    const keyArn = await createKey(ports.clients, run, {
      description: `tenantkeys: key ${desired.keyName} of tenant ${desired.tenantId}`,
      policy: desired.creationPolicy,
      tags: desired.keyTags(attemptId),
      keySpec: desired.keySpec,
      keyUsage: desired.keyUsage,
      origin: desired.origin,
      customKeyStoreId: desired.customKeyStoreId,
      xksKeyId: progress.xksKeyId,
      multiRegion: desired.multiRegion,
    });
    progress.keyArn = keyArn;
    progress.attempt = { attemptId, outcome: "created", keyArn };
  } catch (error) {
    if (certainlyNotDone(error)) progress.attempt = { attemptId, outcome: "unused" };
    throw error;
  }
}

async function applyToKey(
  ports: ExecutorPorts,
  run: Run,
  desired: DesiredTenantKey,
  kind: KeyAction,
  keyArn: KeyArn,
  progress: Progress,
): Promise<void> {
  const { clients } = ports;
  switch (kind) {
    case "enable-rotation":
      if (desired.rotationPeriodDays === undefined) return;
      return enableKeyRotation(clients, run, keyArn, desired.rotationPeriodDays);
    case "put-role-policy":
      return putRolePolicy(clients, run, desired.role, desired.rolePolicy(keyArn, ...progress.previousKeyArns));
    case "create-alias":
      if (await createAlias(clients, run, desired.aliasName, keyArn)) return;
      progress.surprised = true;
      progress.aliasExists = true;
      return;
    case "move-alias":
      return updateAlias(clients, run, desired.aliasName, keyArn);
    case "obtain-import-parameters":
      progress.importParameters = await getImportParameters(clients, run, keyArn);
      return;
    case "cancel-deletion":
      await changeKey(clients, run, desired, kind, keyArn);
      progress.surprised = true;
      return;
    case "schedule-deletion":
      progress.deletionDateMs = await scheduleKeyDeletion(clients, run, keyArn, desired.deletionWindowDays);
      return;
    default:
      return changeKey(clients, run, desired, kind, keyArn);
  }
}

/** What is done alike to a key and to each of its replicas. */
export async function changeKey(
  clients: Clients,
  run: Run,
  desired: DesiredTenantKey,
  kind: "admit-tenant" | "shut-out-tenant" | "enable-key" | "disable-key" | "cancel-deletion",
  keyArn: KeyArn,
): Promise<void> {
  switch (kind) {
    case "admit-tenant":
      refuseUncontained(desired);
      return putKeyPolicy(clients, run, keyArn, desired.admittedPolicy);
    case "shut-out-tenant":
      return putKeyPolicy(clients, run, keyArn, desired.departingPolicy);
    case "enable-key":
      return enableKey(clients, run, keyArn);
    case "disable-key":
      return disableKey(clients, run, keyArn);
    case "cancel-deletion":
      return cancelKeyDeletion(clients, run, keyArn);
  }
}

/** The last look before somebody is let in: our own builder must not be able to let in a stranger either. */
function refuseUncontained(desired: DesiredTenantKey): void {
  const containment = checkContainment(desired.admittedPolicy, desired);
  if (containment.kind === "contained") return;
  const reasons = containment.violations.map(({ statement, reason }) => `${statement} ${reason}`).join("; ");
  throw new TenantKeysError("policy_not_contained", `the key policy to be put isn't contained: ${reasons}`);
}

/**
 * What AWS says of a role or key that it made a moment ago and doesn't see everywhere yet. The SDK retries none of these.
 * https://docs.aws.amazon.com/kms/latest/developerguide/programming-eventual-consistency.html
 */
export function isNotVisibleYet(error: unknown): boolean {
  const name = errorName(error);
  return name === "MalformedPolicyDocumentException" || name === "NotFoundException" || isNoSuchEntity(error);
}

/** Their documents name only roles that are older than the tenant, so what they are refused for doesn't pass by waiting. */
const NAME_NO_NEW_ROLE = ["kms:CreateKey", "iam:CreateRole", "iam:UpdateAssumeRolePolicy"];

function notVisible(error: unknown, step: string): TenantKeysError | undefined {
  if (NAME_NO_NEW_ROLE.includes(step) || !isNotVisibleYet(error)) return undefined;
  const message = error instanceof Error ? error.message : String(error);
  return new TenantKeysError("role_not_visible", `${step}: ${message}`, { step, cause: error });
}
