/** The events this project publishes about a sign-up. At least once each: the reply id is the same for the same fact. */
import * as z from "zod/mini";
import type { TenantKeysError } from "../errors.ts";
import {
  type AliasName,
  KEY_ARN_PATTERN,
  KEY_NAME_PATTERN,
  type KeyArn,
  type KeyName,
  ROLE_ARN_PATTERN,
  type RoleArn,
  STAGE_PATTERN,
  type Stage,
  TENANT_ID_PATTERN,
  type TenantId,
} from "../ids.ts";

/** The `source` of every event that this project publishes. */
export const REPLY_SOURCE = "tenantkeys";

export interface ProvisionedKey {
  readonly stage: Stage;
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  readonly generation: number;
  readonly keyArn: KeyArn;
  readonly aliasName: AliasName;
  readonly roleArn: RoleArn;
  readonly eventId: string;
  readonly tenantRegistrationId?: string | undefined;
}

export interface Reply {
  readonly detailType: "TenantKeyProvisioned" | "TenantKeyProvisioningFailed";
  readonly detail: Readonly<Record<string, unknown>>;
}

export function provisionedReply(key: ProvisionedKey): Reply {
  const replyId = `${key.stage}/${key.tenantId}/${key.keyName}/${key.generation}/provisioned`;
  return { detailType: "TenantKeyProvisioned", detail: { version: "1", replyId, ...key } };
}

/** What is known of a sign-up that failed; the tenant is missing where the event didn't say it. */
export function provisioningFailedReply(stage: Stage, eventId: string, error: TenantKeysError): Reply {
  const { tenantId, keyName, step, field } = error.details;
  const replyId = `${stage}/${tenantId ?? "-"}/${keyName ?? "-"}/${eventId}/${error.code}`;
  return {
    detailType: "TenantKeyProvisioningFailed",
    detail: {
      version: "1",
      replyId,
      stage,
      tenantId,
      keyName,
      eventId,
      code: error.code,
      message: error.message.slice(0, 2000),
      step,
      field,
      nextAction: error.nextAction,
      keptIn: error.retryable ? "dead-letter queue" : "refused store",
    },
  };
}

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
