/**
 * The published shape of the replies. A file of its own: the worker writes replies and never checks them, so its bundle
 * leaves the schemas out. All are open: a later field doesn't break who checks against them.
 */
import * as z from "zod/mini";
import {
  KEY_ARN_PATTERN,
  KEY_NAME_PATTERN,
  REGION_PATTERN,
  ROLE_ARN_PATTERN,
  STAGE_PATTERN,
  TENANT_ID_PATTERN,
} from "../ids.ts";
import { SEVERITIES } from "../verification/finding-rules.ts";
import { ISO_TIME_PATTERN } from "./event-schemas.ts";
import type { FailedReplyType, ReplyType } from "./replies.ts";
import { type SbtReplyKind, sbtReplyDetailType } from "./sbt-replies.ts";

const text = (lengthMax: number) => z.string().check(z.minLength(1), z.maxLength(lengthMax));
const matching = (pattern: RegExp) => z.string().check(z.regex(pattern));
const wholeNumber = z.int().check(z.minimum(1));
const isoTime = matching(ISO_TIME_PATTERN);
const keyArn = matching(KEY_ARN_PATTERN);
const keyName = matching(KEY_NAME_PATTERN);
/** No list: a later version may know more states (docs/lifecycle.md). */
const state = matching(/^[a-z-]{1,32}$/);

const base = {
  version: z.literal("1"),
  replyId: text(512),
  stage: matching(STAGE_PATTERN),
  eventId: text(128),
  tenantRegistrationId: z.optional(text(128)),
};

const key = {
  ...base,
  tenantId: matching(TENANT_ID_PATTERN),
  keyName,
  generation: wholeNumber,
  keyArn,
  aliasName: z.optional(matching(/^alias\/tenantkeys\/[a-z0-9/-]+$/)),
  roleArn: matching(ROLE_ARN_PATTERN),
  state: z.optional(state),
};

const tenant = {
  ...base,
  tenantId: matching(TENANT_ID_PATTERN),
  generation: wholeNumber,
  keys: z.array(z.looseObject({ keyName, state, keyArn: z.optional(keyArn) })),
};

/** `tenantId` is as the event said it: it may not be a valid one. */
const failed = z.looseObject({
  ...base,
  tenantId: z.optional(z.string().check(z.maxLength(80))),
  keyName: z.optional(keyName),
  code: matching(/^[a-z_]+$/),
  message: z.string().check(z.maxLength(2000)),
  step: z.optional(text(128)),
  field: z.optional(text(512)),
  nextAction: text(512),
  keptIn: z.enum(["dead-letter queue", "refused store"]),
});

const destruction = z.looseObject({
  recordedAt: isoTime,
  deletionScheduledAt: z.optional(isoTime),
  deletionDate: z.optional(isoTime),
  deletionWindowDays: z.optional(wholeNumber),
  lastUsedAt: z.optional(isoTime),
  requestedBy: z.optional(text(512)),
  approvedBy: z.array(text(512)),
});

const finding = {
  version: base.version,
  replyId: base.replyId,
  stage: base.stage,
  findingId: text(400),
  /** No list: a later version may know more rules (docs/findings.md). */
  ruleId: matching(/^[a-z-]{1,64}$/),
  severity: z.enum(SEVERITIES),
  tenantId: z.optional(matching(TENANT_ID_PATTERN)),
  keyName: z.optional(keyName),
  resource: text(512),
  expected: z.string().check(z.maxLength(2000)),
  seen: z.string().check(z.maxLength(2000)),
  firstSeenAt: isoTime,
  lastSeenAt: isoTime,
};

const DONE_SCHEMAS = {
  TenantKeyProvisioned: z.looseObject({
    ...key,
    replicas: z.optional(z.array(z.looseObject({ region: matching(REGION_PATTERN), keyArn }))),
  }),
  TenantKeyAwaitingMaterial: z.looseObject({
    ...key,
    wrappingKeySpec: text(64),
    wrappingAlgorithm: text(64),
    parametersExpireAtMs: wholeNumber,
  }),
  TenantKeyRotated: z.looseObject({
    ...key,
    rotation: z.enum(["on-demand", "new-key"]),
    previousKeyArn: z.optional(keyArn),
  }),
  TenantKeyMaterialImported: z.looseObject({ ...key, materialExpiresAt: z.optional(isoTime) }),
  TenantKeyDeletionScheduled: z.looseObject({ ...key, deletionDate: isoTime }),
  TenantKeyDestroyed: z.looseObject({ ...key, destruction }),
  TenantKeyRepaired: z.looseObject({
    ...key,
    rules: z.array(text(64)),
    automatic: z.boolean(),
    actions: z.array(text(64)),
    withheld: z.array(text(64)),
  }),
  TenantSuspensionCompleted: z.looseObject(tenant),
  TenantResumptionCompleted: z.looseObject(tenant),
  TenantOffboardingStarted: z.looseObject({
    ...tenant,
    watchEndsAt: isoTime,
    approvalRequired: z.boolean(),
    held: z.boolean(),
  }),
  TenantReinstatementCompleted: z.looseObject(tenant),
  TenantOffboardingApprovalRecorded: z.looseObject(tenant),
  TenantLegalHoldRecorded: z.looseObject({
    ...tenant,
    held: z.boolean(),
    // As long as the event's: 256 characters, which may be twice as many units of a JavaScript text.
    reason: z.optional(text(512)),
  }),
  TenantKeyFindingOpened: z.looseObject(finding),
  TenantKeyFindingClosed: z.looseObject({ ...finding, closedAt: isoTime }),
} as const satisfies Record<Exclude<ReplyType, FailedReplyType>, z.ZodMiniObject>;

/** The schema of each reply's detail, version 1. */
export function replySchema(type: ReplyType): z.ZodMiniObject {
  return type in DONE_SCHEMAS ? DONE_SCHEMAS[type as keyof typeof DONE_SCHEMAS] : failed;
}

/** The JSON Schema of each reply's detail, as kept in events/{detail-type}/v1.schema.json. */
export function replyJsonSchema(type: ReplyType): Record<string, unknown> {
  return {
    $id: `urn:tenantkeys:events:${type}:v1`,
    title: `${type}, version 1: the detail of the event`,
    ...z.toJSONSchema(replySchema(type)),
  };
}

const sbtData = z.record(matching(/^tenantkeys[A-Za-z]+$/), z.string());

/** What SBT-AWS's control plane is told, of whatever kind. */
export const sbtReplySchema = z.looseObject({
  tenantRegistrationId: text(128),
  jobOutput: z.looseObject({
    tenantData: sbtData,
    tenantRegistrationData: z.catchall(z.object({ registrationStatus: text(256) }), z.string()),
  }),
});

/** The JSON Schema of a reply to SBT-AWS, as kept in events/sbt-{kind}/v1.schema.json. */
export function sbtReplyJsonSchema(kind: SbtReplyKind): Record<string, unknown> {
  const detailType = sbtReplyDetailType(kind);
  return {
    $id: `urn:tenantkeys:events:${detailType}:v1`,
    title: `${detailType}: the detail that tenantkeys publishes`,
    ...z.toJSONSchema(sbtReplySchema),
  };
}
