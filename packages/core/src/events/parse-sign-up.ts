/** From the text of a queue message to a sign-up that was checked, or to the reason why it is refused. */
import * as z from "zod/mini";
import { TenantKeysError } from "../errors.ts";
import { type KeyName, parseKeyName, parseTenantId, type TenantId } from "../ids.ts";
import { describeIssues, issueMessage } from "../schema-issues.ts";
import { SBT_ONBOARDING_REQUESTS, sbtOnboardingRequestSchema } from "./sbt-onboarding-request.ts";
import { TENANT_SIGNED_UP, type TenantSignedUp, tenantSignedUpSchema } from "./tenant-signed-up.ts";

/** 16 KiB: a sign-up names a tenant; anything larger holds what doesn't belong in an event. */
export const DETAIL_BYTES_MAX = 16_384;

/** 8,000 brackets fit 16 KiB and overflow the stack of JSON.stringify: such an event must be refused, not fail. */
const DETAIL_LEVELS_MAX = 32;

/** A sign-up that was checked. */
export interface SignUp {
  /** The id that the bus gave the event. */
  readonly eventId: string;
  readonly tenantId: TenantId;
  readonly keyNames: readonly KeyName[];
  readonly generation: number;
  readonly profile: string;
  /** What SBT-AWS's control plane wants back in its reply. */
  readonly tenantRegistrationId?: string | undefined;
}

const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

const envelopeSchema = z.looseObject({
  id: z.string().check(z.minLength(1), z.maxLength(128)),
  "detail-type": z.string(),
  source: z.string(),
  // The generation where the event names none, so it must be one: PutEvents takes any time, also one before 1970.
  time: z.string().check(
    z.regex(ISO_TIME, "expected a time such as 2026-11-24T09:30:00Z"),
    z.refine((time) => Date.parse(time) >= 1, "expected a time after 1970-01-01T00:00:00Z"),
  ),
  detail: z.looseObject({}),
});

type Envelope = z.infer<typeof envelopeSchema>;

/** The types of event that lead here, as the bus's rule lists them. */
export const SIGN_UP_DETAIL_TYPES = [TENANT_SIGNED_UP, ...SBT_ONBOARDING_REQUESTS] as const;

/**
 * @param body an EventBridge event as JSON text
 *   (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html)
 * @param profiles the names of the stage's key profiles
 * @throws TenantKeysError `event_not_json`, `event_too_large`, `event_type_unknown`, `event_version_unknown` or
 *   `event_invalid`, naming the field
 */
export function parseSignUp(body: string, profiles: readonly string[]): SignUp {
  const envelope = parseEnvelope(body);
  const about = { tenantId: tenantIdText(envelope.detail), step: "parse" };
  if (nestsDeeperThan(envelope.detail, DETAIL_LEVELS_MAX)) {
    const message = `detail: nests deeper than the ${DETAIL_LEVELS_MAX} levels allowed`;
    throw new TenantKeysError("event_too_large", message, { ...about, field: "detail" });
  }
  const bytes = new TextEncoder().encode(JSON.stringify(envelope.detail)).length;
  if (bytes > DETAIL_BYTES_MAX) {
    const message = `detail: holds ${bytes} bytes, more than the ${DETAIL_BYTES_MAX} allowed`;
    throw new TenantKeysError("event_too_large", message, { ...about, field: "detail" });
  }
  const type = envelope["detail-type"];
  if (type === TENANT_SIGNED_UP) return fromTenantSignedUp(envelope, profiles);
  if (SBT_ONBOARDING_REQUESTS.some((known) => known === type)) return fromSbtOnboardingRequest(envelope);
  throw new TenantKeysError("event_type_unknown", `detail-type: "${type.slice(0, 80)}" is not a sign-up`, {
    ...about,
    field: "detail-type",
  });
}

function parseEnvelope(body: string): Envelope {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new TenantKeysError("event_not_json", "the message is not JSON", { step: "parse", cause });
  }
  return check(envelopeSchema, value, "event", "", undefined);
}

function fromTenantSignedUp(envelope: Envelope, profiles: readonly string[]): SignUp {
  const { detail } = envelope;
  const tenantId = tenantIdText(detail);
  if (detail.version !== undefined && detail.version !== "1") {
    const message = `detail.version: ${JSON.stringify(detail.version).slice(0, 80)} is not a version of TenantSignedUp; known: "1"`;
    throw new TenantKeysError("event_version_unknown", message, { tenantId, step: "parse", field: "detail.version" });
  }
  const signedUp: TenantSignedUp = check(tenantSignedUpSchema, detail, "detail", "detail.", tenantId);
  const profile = signedUp.profile ?? "default";
  if (!profiles.includes(profile)) {
    const message = `detail.profile: this stage has no key profile "${profile}"; it has: ${profiles.join(", ")}`;
    throw new TenantKeysError("event_invalid", message, { tenantId, step: "parse", field: "detail.profile" });
  }
  return {
    eventId: envelope.id,
    tenantId: parseTenantId(signedUp.tenantId),
    keyNames: (signedUp.keyNames ?? ["default"]).map(parseKeyName),
    generation: signedUp.generation ?? Date.parse(envelope.time),
    profile,
  };
}

function fromSbtOnboardingRequest(envelope: Envelope): SignUp {
  const detail = check(sbtOnboardingRequestSchema, envelope.detail, "detail", "detail.", tenantIdText(envelope.detail));
  return {
    eventId: envelope.id,
    tenantId: parseTenantId(detail.tenantId),
    keyNames: [parseKeyName("default")],
    generation: Date.parse(envelope.time),
    profile: "default",
    tenantRegistrationId: detail.tenantRegistrationId,
  };
}

function check<Schema extends z.ZodMiniType>(
  schema: Schema,
  value: unknown,
  whole: string,
  prefix: string,
  tenantId: string | undefined,
): z.infer<Schema> {
  const result = schema.safeParse(value, { error: issueMessage });
  if (result.success) return result.data;
  const issues = result.error.issues.map((issue) => {
    const path = issue.code === "unrecognized_keys" ? [...issue.path, ...issue.keys.slice(0, 1)] : issue.path;
    const field = path.map((part) => String(part).slice(0, 80)).join(".");
    return { path: [path.length === 0 ? whole : prefix + field], message: issue.message };
  });
  const field = String(issues[0]?.path[0] ?? whole);
  throw new TenantKeysError("event_invalid", describeIssues(issues), {
    tenantId,
    step: "parse",
    field,
    cause: result.error,
  });
}

/** The tenant id as sent, for messages: it may not be a valid one. */
function tenantIdText(detail: Record<string, unknown>): string | undefined {
  return typeof detail.tenantId === "string" ? detail.tenantId.slice(0, 80) : undefined;
}

function nestsDeeperThan(value: unknown, levelsMax: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levelsMax === 0 || Object.values(value).some((item) => nestsDeeperThan(item, levelsMax - 1));
}
