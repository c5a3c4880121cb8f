/** What the unit tests of verification share: one tenant key of stage `dev` in order, to be changed by each test. */
import { type DesiredTenantKey, desiredTenantKey } from "../desired-state.ts";
import { type KeyArn, parseAttemptId, parseKeyArn } from "../ids.ts";
import type { KeyProfile } from "../key-profile.ts";
import type { KeyRecord } from "../key-record.ts";
import type { LifecycleState } from "../lifecycle.ts";
import type { KeyState } from "../observed-state.ts";
import { DAY_MS } from "../offboarding.ts";
import type { KeyTarget } from "../plan.ts";
import type { TenantRecord } from "../tenant-record.ts";
import { ACME, DEFAULT_KEY, exampleContext, exampleProfile } from "../test-support.ts";
import type { RuleId } from "./finding-rules.ts";
import type { InspectedKey, InspectedRole, KeyDescription, Reading } from "./inspection.ts";
import type { TenantKeyToVerify } from "./verdict.ts";
import { verifyTenantKey } from "./verify-tenant-key.ts";

/** 2026-11-24 */
export const NOW_MS = 1_795_478_400_000;
export const HOUR_MS = DAY_MS / 24;
export const KEY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/key-1");
export const OTHER_KEY_ARN = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/key-2");
export const ATTEMPT_ID = parseAttemptId("attempt-1");
/** A role that was deleted, as a policy shows it. */
export const DEAD_ID = "AROAEXAMPLEDEADROLE01";
export const STRANGER = "arn:aws:iam::111122223333:role/stranger";

export function read<T>(value: T): Reading<T> {
  return { kind: "read", value };
}

export function denied(operation: string): Reading<never> {
  return { kind: "denied", operation, reason: "AccessDeniedException" };
}

export const SKIPPED = { kind: "skipped" } as const;

export type PresentKey = Extract<InspectedKey, { readonly kind: "present" }>;

export function exampleDesired(
  profile: KeyProfile = exampleProfile(),
  context: Parameters<typeof exampleContext>[0] = {},
): DesiredTenantKey {
  return desiredTenantKey(exampleContext(context), ACME, DEFAULT_KEY, profile);
}

const STATE_OF_TARGET: Readonly<Record<KeyTarget, readonly [LifecycleState, KeyState]>> = {
  usable: ["active", "Enabled"],
  disabled: ["suspended", "Disabled"],
  withdrawn: ["offboarding", "Disabled"],
  deleted: ["pending-deletion", "PendingDeletion"],
};

/** In the state and with the policy that its target wants; made and last rotated a hundred days ago. */
export function exampleKey(
  desired: DesiredTenantKey,
  target: KeyTarget = "usable",
  keyArn: KeyArn = KEY_ARN,
  description: Partial<KeyDescription> = {},
): PresentKey {
  const isLeaving = target === "withdrawn" || target === "deleted";
  const { rotationPeriodDays } = desired;
  const createdAtMs = NOW_MS - 100 * DAY_MS;
  const nextRotationAtMs = createdAtMs + (rotationPeriodDays ?? 0) * DAY_MS;
  const dying = target === "deleted";
  return {
    kind: "present",
    keyArn,
    description: read({
      state: STATE_OF_TARGET[target][1],
      origin: desired.origin,
      keySpec: desired.keySpec,
      createdAtMs,
      ...(dying ? { deletionDateMs: NOW_MS + 12 * DAY_MS } : {}),
      ...description,
    }),
    policy: read(isLeaving ? desired.departingPolicy : desired.admittedPolicy),
    tags: read(desired.keyTags(ATTEMPT_ID)),
    rotation:
      rotationPeriodDays === undefined
        ? SKIPPED
        : read(dying ? { enabled: false } : { enabled: true, periodDays: rotationPeriodDays, nextRotationAtMs }),
    rotations: rotationPeriodDays === undefined ? SKIPPED : read([]),
    grants: read([]),
  };
}

export function exampleRole(desired: DesiredTenantKey, policy?: unknown): InspectedRole {
  const { arn, path, tags, trustPolicy, boundaryArn, policyName } = desired.ownRole;
  const inlinePolicies = policy === undefined ? {} : { [policyName]: policy };
  return {
    arn,
    path,
    tags,
    trustPolicy,
    boundaryArn,
    policyNames: Object.keys(inlinePolicies),
    inlinePolicies,
    attachedPolicyArns: [],
  };
}

export interface Changes {
  readonly desired?: DesiredTenantKey;
  readonly target?: KeyTarget;
  readonly record?: Partial<KeyRecord>;
  readonly tenant?: Partial<TenantRecord>;
  readonly key?: Partial<PresentKey> | "absent";
  readonly description?: Partial<KeyDescription>;
  readonly otherKeys?: readonly InspectedKey[];
  readonly role?: Partial<InspectedRole> | "absent";
  readonly inspected?: Partial<TenantKeyToVerify["inspected"]>;
  readonly input?: Partial<TenantKeyToVerify>;
}

/** A tenant key of which everything is as its target wants, but for what is changed. */
export function exampleInput(changes: Changes = {}): TenantKeyToVerify {
  const { desired = exampleDesired(), target = "usable" } = changes;
  const record = exampleRecord(target, changes.record);
  const keyArn = record.keyArn ?? KEY_ARN;
  const key: InspectedKey =
    changes.key === "absent"
      ? { kind: "absent", keyArn }
      : { ...exampleKey(desired, target, keyArn, changes.description), ...changes.key };
  const admits = target === "usable" || target === "disabled";
  const policy = admits ? desired.rolePolicy(keyArn, ...(record.previousKeyArns ?? [])) : undefined;
  const own = desired.role.kind === "own" && changes.role !== "absent";
  const role = own ? { ...exampleRole(desired, policy), ...(changes.role as object) } : undefined;
  return {
    desired,
    record,
    tenant: { tenantId: ACME, version: 3, updatedAtMs: NOW_MS - 20 * DAY_MS, ...changes.tenant },
    target,
    inspected: {
      role: read(role),
      aliasTarget: read(keyArn),
      keys: [key, ...(changes.otherKeys ?? [])],
      replicas: [],
      ...changes.inspected,
    },
    nowMs: NOW_MS,
    ...changes.input,
  };
}

function exampleRecord(target: KeyTarget, changes: Partial<KeyRecord> = {}): KeyRecord {
  const leaves = target === "withdrawn" || target === "deleted";
  return {
    tenantId: ACME,
    keyName: DEFAULT_KEY,
    state: STATE_OF_TARGET[target][0],
    generation: 1,
    profile: "default",
    attempts: [{ attemptId: ATTEMPT_ID, outcome: "created", keyArn: KEY_ARN }],
    fence: 1,
    leaseUntilMs: 0,
    eventId: "event-1",
    declaredAtMs: NOW_MS - 100 * DAY_MS,
    updatedAtMs: NOW_MS - 20 * DAY_MS,
    activeAtMs: NOW_MS - 100 * DAY_MS,
    keyArn: KEY_ARN,
    ...(leaves ? { offboardedAtMs: NOW_MS - 20 * DAY_MS } : {}),
    ...(target === "deleted" ? { scheduledAtMs: NOW_MS - 13 * DAY_MS, nextCheckAtMs: NOW_MS + 12 * DAY_MS } : {}),
    ...changes,
  };
}

/** The rules that were found broken, in their order, each as often as it was. */
export function rulesFound(changes: Changes = {}): readonly RuleId[] {
  return verifyTenantKey(exampleInput(changes)).findings.map(({ ruleId }) => ruleId);
}
