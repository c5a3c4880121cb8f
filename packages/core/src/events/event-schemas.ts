/** The `detail` of each type of event that this project defines, version 1. Unknown fields are refused. */
import * as z from "zod/mini";
import { KEY_ARN_PATTERN, KEY_NAME_PATTERN, STAGE_PATTERN, TENANT_ID_PATTERN } from "../ids.ts";
import { REPAIRABLE_RULES } from "../verification/repair.ts";
import type { TenantEventType } from "./tenant-event.ts";

/**
 * 6,144 bytes is the longest that KMS takes of either, and base64 writes 3 bytes as 4 characters.
 * https://docs.aws.amazon.com/kms/latest/APIReference/API_ImportKeyMaterial.html
 */
const MATERIAL_CHARACTERS_MAX = 8_192;

/** Canonical, so that the same bytes are always the same text: padded, and no bits behind the last byte. */
const BASE64_PATTERN =
  /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)$/;
/** 1 to 256 characters that can be shown, the first no blank. A pattern alone: code points aren't JavaScript's length. */
const REASON_PATTERN = /^[^\p{C}\p{Z}][^\p{C}\p{Zl}\p{Zp}]{0,255}$/u;
/** A time with an offset, as RFC 3339 writes it. */
export const ISO_TIME_PATTERN = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

const matching = (pattern: RegExp, expected: string) => z.string().check(z.regex(pattern, `expected ${expected}`));

/** 1 to 36 of a-z, 0-9 and -, starting with a letter or digit. A UUID fits. */
export const tenantIdSchema = matching(TENANT_ID_PATTERN, "1 to 36 of a-z, 0-9 and -, lowercase");
const keyName = matching(KEY_NAME_PATTERN, "1 to 32 of a-z, 0-9 and -, lowercase");
const generation = z.int().check(z.minimum(1), z.maximum(Number.MAX_SAFE_INTEGER));
const profile = matching(KEY_NAME_PATTERN, "the name of a key profile");
const reason = matching(REASON_PATTERN, "1 to 256 printable characters, the first no blank");
const material = z
  .string()
  .check(z.maxLength(MATERIAL_CHARACTERS_MAX), z.regex(BASE64_PATTERN, "expected base64 with its padding"));

const declaration = {
  version: z.literal("1"),
  tenantId: tenantIdSchema,
  /** Orders the declarations about one tenant: a higher one wins. Absent: the event's time in epoch milliseconds. */
  generation: z.optional(generation),
  /** The stage that the event is meant for: another one refuses it. */
  stage: z.optional(matching(STAGE_PATTERN, "1 to 20 of a-z and 0-9")),
};

/** Of the key in the external key manager: https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html */
const xksKeyId = matching(/^[a-zA-Z0-9\-_.]{1,128}$/, "1 to 128 of a-z, A-Z, 0-9, - _ and .");

export const EVENT_SCHEMAS = {
  /** A tenant has signed up and wants its keys, one per key name (data class). Without names: one named `default`. */
  TenantSignedUp: z.strictObject({
    ...declaration,
    keyNames: z.optional(
      z.array(keyName).check(
        z.minLength(1),
        z.maxLength(10),
        z.refine((names) => new Set(names).size === names.length, "expected no name twice"),
      ),
    ),
    profile: z.optional(profile),
  }),
  TenantKeyAdded: z.strictObject({
    ...declaration,
    keyName,
    profile: z.optional(profile),
    keyArn: z.optional(matching(KEY_ARN_PATTERN, "the ARN of a KMS key")),
    xksKeyId: z.optional(xksKeyId),
  }),
  TenantSuspended: z.strictObject({ ...declaration, reason: z.optional(reason) }),
  TenantResumed: z.strictObject(declaration),
  TenantOffboarded: z.strictObject({ ...declaration, reason: z.optional(reason) }),
  TenantReinstated: z.strictObject(declaration),
  TenantOffboardingApproved: z.strictObject({ ...declaration, offboardingGeneration: generation }),
  TenantLegalHoldPlaced: z.strictObject({ ...declaration, reason }),
  TenantLegalHoldReleased: z.strictObject({ ...declaration, reason: z.optional(reason) }),
  TenantKeyRotationRequested: z.strictObject({
    ...declaration,
    keyName: z.optional(keyName),
    xksKeyId: z.optional(xksKeyId),
  }),
  TenantKeyMaterialSupplied: z.strictObject({
    ...declaration,
    keyName: z.optional(keyName),
    encryptedKeyMaterial: material,
    importToken: material,
    expiresAt: z.optional(isoTime()),
  }),
  TenantKeyReviewDue: z.strictObject({ ...declaration, keyName }),
  TenantKeyRepairRequested: z.strictObject({
    ...declaration,
    keyName,
    rules: z.array(z.enum(REPAIRABLE_RULES, "expected a rule that the worker can put right")).check(
      z.minLength(1),
      z.maxLength(REPAIRABLE_RULES.length),
      z.refine((rules) => new Set(rules).size === rules.length, "expected no rule twice"),
    ),
    automatic: z.optional(z.boolean()),
  }),
} as const satisfies Record<TenantEventType, z.ZodMiniObject>;

export type EventDetail<Type extends TenantEventType> = z.infer<(typeof EVENT_SCHEMAS)[Type]>;

function isoTime() {
  return matching(ISO_TIME_PATTERN, "a time such as 2027-11-24T09:30:00Z").check(
    z.refine(
      (time) => Date.parse(time) >= 1 && isCalendarDay(time.slice(0, 10)),
      "expected a time that the calendar has, after 1970-01-01T00:00:00Z",
    ),
  );
}

/** JavaScript reads February 30 as March 2. */
function isCalendarDay(day: string): boolean {
  const timeMs = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(timeMs) && new Date(timeMs).toISOString().startsWith(day);
}

/** The JSON Schema of the detail, as kept in events/{type}/v1.schema.json. */
export function eventJsonSchema(type: TenantEventType): Record<string, unknown> {
  return {
    $id: `urn:tenantkeys:events:${type}:v1`,
    title: `${type}, version 1: the detail of the event`,
    ...z.toJSONSchema(EVENT_SCHEMAS[type], {
      // A refinement has no counterpart in JSON Schema; this one does, and no list may hold anything twice.
      override: ({ jsonSchema }) => {
        if (jsonSchema.type === "array") jsonSchema.uniqueItems = true;
      },
    }),
  };
}
