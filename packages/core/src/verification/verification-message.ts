/** What the verification queue holds: work that tenantkeys put there, and AWS's own events about KMS. */
import * as z from "zod/mini";
import { TenantKeysError } from "../errors.ts";
import { KEY_NAME_PATTERN, type KeyName, TENANT_ID_PATTERN, type TenantId } from "../ids.ts";
import { describeIssues, issueMessage } from "../schema-issues.ts";

const VERSION = "1";
const SWEEP_ID_PATTERN = /^[A-Za-z0-9-]{1,64}$/;

export type VerificationWork =
  /** One part of a sweep. */
  | { readonly kind: "shard"; readonly sweepId: string; readonly shard: number }
  /** A tenant, or one key of it, at once. */
  | { readonly kind: "tenant-key"; readonly tenantId: TenantId; readonly keyName?: KeyName | undefined };

export type VerificationMessage =
  | VerificationWork
  /** As EventBridge delivers it from the account's default bus; the guard reads it. */
  | { readonly kind: "aws-event"; readonly event: Readonly<Record<string, unknown>> };

const version = z.literal(VERSION);
const workSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    version,
    kind: z.literal("shard"),
    sweepId: z.string().check(z.regex(SWEEP_ID_PATTERN)),
    shard: z.int().check(z.minimum(0)),
  }),
  z.strictObject({
    version,
    kind: z.literal("tenant-key"),
    tenantId: z.string().check(z.regex(TENANT_ID_PATTERN)),
    keyName: z.optional(z.string().check(z.regex(KEY_NAME_PATTERN))),
  }),
]);

/** @throws TenantKeysError `event_not_json`, `event_type_unknown` or `event_invalid` */
export function parseVerificationMessage(body: string): VerificationMessage {
  const message = parseObject(body);
  if (typeof message["detail-type"] === "string") return awsEvent(message);
  const { kind } = message;
  if (kind !== "shard" && kind !== "tenant-key") {
    const shown = JSON.stringify(kind)?.slice(0, 80) ?? "none";
    throw new TenantKeysError("event_type_unknown", `verification message of kind ${shown}: nobody works on it`);
  }
  const result = workSchema.safeParse(message, { error: issueMessage });
  if (!result.success) {
    const reason = `verification message of kind "${kind}": ${describeIssues(result.error.issues)}`;
    throw new TenantKeysError("event_invalid", reason, { cause: result.error });
  }
  const { version: _, ...work } = result.data;
  return work as VerificationWork;
}

/** The text of a message of ours. */
export function verificationMessage(work: VerificationWork): string {
  return JSON.stringify({ version: VERSION, ...work });
}

function awsEvent(event: Readonly<Record<string, unknown>>): VerificationMessage {
  if (event.source === "aws.kms") return { kind: "aws-event", event };
  const shown = JSON.stringify(event.source)?.slice(0, 80) ?? "none";
  throw new TenantKeysError("event_type_unknown", `event with source ${shown}: only aws.kms is guarded`);
}

function parseObject(body: string): Readonly<Record<string, unknown>> {
  let message: unknown;
  try {
    message = JSON.parse(body);
  } catch (cause) {
    throw new TenantKeysError("event_not_json", "verification message: not JSON", { cause });
  }
  if (typeof message === "object" && message !== null) return message as Record<string, unknown>;
  throw new TenantKeysError("event_invalid", "verification message: not an object");
}
