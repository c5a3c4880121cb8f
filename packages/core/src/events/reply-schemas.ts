/**
 * The published shape of the replies. A file of its own: the worker writes replies and never checks them, so its bundle
 * leaves the schemas out.
 */
import * as z from "zod/mini";
import { KEY_ARN_PATTERN, KEY_NAME_PATTERN, ROLE_ARN_PATTERN, STAGE_PATTERN, TENANT_ID_PATTERN } from "../ids.ts";
import type { Reply } from "./replies.ts";

const text = (lengthMax: number) => z.string().check(z.minLength(1), z.maxLength(lengthMax));
const matching = (pattern: RegExp) => z.string().check(z.regex(pattern));

/** The detail of `TenantKeyProvisioned`, version 1. Open: a later field doesn't break who checks against it. */
export const tenantKeyProvisionedSchema = z.looseObject({
  version: z.literal("1"),
  replyId: text(512),
  stage: matching(STAGE_PATTERN),
  tenantId: matching(TENANT_ID_PATTERN),
  keyName: matching(KEY_NAME_PATTERN),
  generation: z.int().check(z.minimum(1)),
  keyArn: matching(KEY_ARN_PATTERN),
  aliasName: matching(/^alias\/tenantkeys\/[a-z0-9/-]+$/),
  roleArn: matching(ROLE_ARN_PATTERN),
  eventId: text(128),
  tenantRegistrationId: z.optional(text(128)),
});

/** The detail of `TenantKeyProvisioningFailed`, version 1. `tenantId` is as the event said it: it may not be a valid one. */
export const tenantKeyProvisioningFailedSchema = z.looseObject({
  version: z.literal("1"),
  replyId: text(512),
  stage: matching(STAGE_PATTERN),
  tenantId: z.optional(z.string().check(z.maxLength(80))),
  keyName: z.optional(matching(KEY_NAME_PATTERN)),
  eventId: text(128),
  code: matching(/^[a-z_]+$/),
  message: z.string().check(z.maxLength(2000)),
  step: z.optional(text(128)),
  field: z.optional(text(512)),
  nextAction: text(512),
  keptIn: z.enum(["dead-letter queue", "refused store"]),
});

/** The JSON Schema of each reply's detail, as kept in events/{detail-type}/v1.schema.json. */
export function replyJsonSchema(detailType: Reply["detailType"]): Record<string, unknown> {
  const schema = detailType === "TenantKeyProvisioned" ? tenantKeyProvisionedSchema : tenantKeyProvisioningFailedSchema;
  return {
    $id: `urn:tenantkeys:events:${detailType}:v1`,
    title: `${detailType}, version 1: the detail of the event`,
    ...z.toJSONSchema(schema),
  };
}
