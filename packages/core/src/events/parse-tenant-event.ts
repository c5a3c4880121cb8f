/** From the text of a queue message to an event about a tenant that was checked, or to the reason why it is refused. */
import * as z from "zod/mini";
import { TenantKeysError } from "../errors.ts";
import { parseKeyArn, parseKeyName, parseTenantId, type Stage } from "../ids.ts";
import { describeIssues, issueMessage } from "../schema-issues.ts";
import { eventForm } from "./event-form.ts";
import { applyMapping, type EventMapping } from "./event-mapping.ts";
import { EVENT_SCHEMAS, type EventDetail, ISO_TIME_PATTERN } from "./event-schemas.ts";
import { REPLY_SOURCE } from "./replies.ts";
import { type SbtEventType, sbtRequestSchema } from "./sbt-requests.ts";
import type { TenantEvent, TenantEventBase, TenantEventBody, TenantEventType } from "./tenant-event.ts";

/** 16 KiB: an event names a tenant; anything larger holds what doesn't belong in an event. */
export const DETAIL_BYTES_MAX = 16_384;

/** 8,000 brackets fit 16 KiB and overflow the stack of JSON.stringify: such an event must be refused, not fail. */
const DETAIL_LEVELS_MAX = 32;

/** What of a stage's settings decides how an event is read. */
export interface EventStage {
  readonly stage: Stage;
  /** The stage's key profiles, by name. */
  readonly profiles: Readonly<Record<string, unknown>>;
  readonly eventMappings: readonly EventMapping[];
}

const envelopeSchema = z.looseObject({
  id: z.string().check(z.minLength(1), z.maxLength(128)),
  "detail-type": z.string(),
  source: z.string(),
  // The generation where the event names none, so it must be one: PutEvents takes any time, also one before 1970.
  time: z.string().check(
    z.regex(ISO_TIME_PATTERN, "expected a time such as 2026-11-24T09:30:00Z"),
    z.refine((time) => Date.parse(time) >= 1, "expected a time after 1970-01-01T00:00:00Z"),
  ),
  detail: z.looseObject({}),
});

type Envelope = z.infer<typeof envelopeSchema>;

/**
 * @param body an EventBridge event as JSON text
 *   (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html)
 * @throws TenantKeysError `event_not_json`, `event_too_large`, `event_type_unknown`, `event_version_unknown`,
 *   `event_mapping_unresolved`, `stage_mismatch` or `event_invalid`, naming the field
 */
export function parseTenantEvent(body: string, stage: EventStage): TenantEvent {
  const envelope = parseEnvelope(body);
  refuseTooLarge(envelope.detail);
  const { source, detail, "detail-type": detailType } = envelope;
  const form = eventForm(stage.eventMappings, source, detailType);
  if (form === undefined) {
    const message = `detail-type: "${detailType.slice(0, 80)}" is not read here`;
    throw new TenantKeysError("event_type_unknown", message, about(detail, "detail-type"));
  }
  if (form.kind === "sbt") return fromSbtRequest(envelope, form.type);
  if (form.kind === "mapped") {
    const { type, mapping } = form;
    return fromDetail(envelope, stage, type, applyMapping(mapping, envelope), mapping);
  }
  if (form.type === "TenantKeyReviewDue" && source !== REPLY_SOURCE) {
    const message = `source: "${source.slice(0, 80)}" may not send ${form.type}, which tenantkeys sends to itself`;
    throw new TenantKeysError("event_type_unknown", message, about(detail, "source"));
  }
  return fromDetail(envelope, stage, form.type, detail);
}

function parseEnvelope(body: string): Envelope {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new TenantKeysError("event_not_json", "the message is not JSON", { step: "parse", cause });
  }
  return check(envelopeSchema, value, (field) => ({ name: field ?? "event", origin: "" }), undefined);
}

function refuseTooLarge(detail: Envelope["detail"]): void {
  if (nestsDeeperThan(detail, DETAIL_LEVELS_MAX)) {
    const message = `detail: nests deeper than the ${DETAIL_LEVELS_MAX} levels allowed`;
    throw new TenantKeysError("event_too_large", message, about(detail, "detail"));
  }
  const bytes = new TextEncoder().encode(JSON.stringify(detail)).length;
  if (bytes <= DETAIL_BYTES_MAX) return;
  const message = `detail: holds ${bytes} bytes, more than the ${DETAIL_BYTES_MAX} allowed`;
  throw new TenantKeysError("event_too_large", message, about(detail, "detail"));
}

/** @param mapping the one that made the detail, where it isn't the event's own */
function fromDetail<Type extends TenantEventType>(
  envelope: Envelope,
  stage: EventStage,
  type: Type,
  detail: Readonly<Record<string, unknown>>,
  mapping?: EventMapping,
): TenantEvent {
  if (detail.version !== undefined && detail.version !== "1") {
    const message = `detail.version: ${JSON.stringify(detail.version).slice(0, 80)} is not a version of ${type}; known: "1"`;
    throw new TenantKeysError("event_version_unknown", message, about(detail, "detail.version"));
  }
  const name: NameField = (field) => ({
    name: field === undefined ? "detail" : `detail.${field}`,
    origin: origin(field, mapping),
  });
  const checked = check(EVENT_SCHEMAS[type], detail, name, tenantIdText(detail)) as EventDetail<Type>;
  refuseOtherStage(checked, stage, mapping);
  const body = BODIES[type](checked);
  if ("profile" in body) refuseUnknownProfile(body.profile, checked, stage, mapping);
  const base: TenantEventBase = {
    eventId: envelope.id,
    tenantId: parseTenantId(checked.tenantId),
    generation: checked.generation ?? Date.parse(envelope.time),
    replyTo: "tenantkeys",
  };
  // The compiler doesn't relate a generic type's name to its body; BODIES does.
  return { ...base, type, ...body } as TenantEvent;
}

/** What each type says beside the base, from its checked detail. */
const BODIES: { readonly [Type in TenantEventType]: (detail: EventDetail<Type>) => TenantEventBody<Type> } = {
  TenantSignedUp: ({ keyNames = ["default"], profile }) => ({ keyNames: keyNames.map(parseKeyName), profile }),
  TenantKeyAdded: ({ keyName, profile, keyArn, xksKeyId }) => {
    const ownKeyArn = keyArn === undefined ? undefined : parseKeyArn(keyArn);
    return { keyName: parseKeyName(keyName), profile, keyArn: ownKeyArn, xksKeyId };
  },
  TenantSuspended: ({ reason }) => ({ reason }),
  TenantResumed: () => ({}),
  TenantOffboarded: ({ reason }) => ({ reason }),
  TenantReinstated: () => ({}),
  TenantOffboardingApproved: ({ offboardingGeneration }) => ({ offboardingGeneration }),
  TenantLegalHoldPlaced: ({ reason }) => ({ reason }),
  TenantLegalHoldReleased: ({ reason }) => ({ reason }),
  TenantKeyRotationRequested: ({ keyName = "default", xksKeyId }) => ({ keyName: parseKeyName(keyName), xksKeyId }),
  TenantKeyMaterialSupplied: ({ keyName = "default", encryptedKeyMaterial, importToken, expiresAt }) => ({
    keyName: parseKeyName(keyName),
    encryptedKeyMaterial,
    importToken,
    expiresAtMs: expiresAt === undefined ? undefined : Date.parse(expiresAt),
  }),
  TenantKeyReviewDue: ({ keyName }) => ({ keyName: parseKeyName(keyName) }),
  TenantKeyRepairRequested: ({ keyName, rules, automatic = false }) => ({
    keyName: parseKeyName(keyName),
    rules,
    automatic,
  }),
};

function refuseOtherStage(detail: EventDetail<TenantEventType>, { stage }: EventStage, mapping?: EventMapping): void {
  if (detail.stage === undefined || detail.stage === stage) return;
  const message = `detail.stage${origin("stage", mapping)}: the event is meant for stage "${detail.stage}", and this is "${stage}"`;
  throw new TenantKeysError("stage_mismatch", message, about(detail, "detail.stage"));
}

function refuseUnknownProfile(
  profile: string | undefined,
  detail: EventDetail<TenantEventType>,
  { profiles }: EventStage,
  mapping?: EventMapping,
): void {
  if (profile === undefined || Object.hasOwn(profiles, profile)) return;
  const known = Object.keys(profiles).join(", ");
  const message = `detail.profile${origin("profile", mapping)}: this stage has no key profile "${profile}"; it has: ${known}`;
  throw new TenantKeysError("event_invalid", message, about(detail, "detail.profile"));
}

function fromSbtRequest(envelope: Envelope, type: SbtEventType): TenantEvent {
  const name: NameField = (field) => ({ name: field === undefined ? "detail" : `detail.${field}`, origin: "" });
  const detail = check(sbtRequestSchema, envelope.detail, name, tenantIdText(envelope.detail));
  const base: TenantEventBase = {
    eventId: envelope.id,
    tenantId: parseTenantId(detail.tenantId),
    generation: Date.parse(envelope.time),
    replyTo: "sbt",
    tenantRegistrationId: detail.tenantRegistrationId,
  };
  if (type !== "TenantSignedUp") return { ...base, type };
  return { ...base, type, keyNames: [parseKeyName("default")], profile: undefined };
}

/** What a field is called in messages, and where its value was read, where that is another place. */
type NameField = (field: string | undefined) => { readonly name: string; readonly origin: string };

function origin(field: string | undefined, mapping: EventMapping | undefined): string {
  const path = mapping?.fields[field?.split(".")[0] ?? ""];
  return path === undefined ? "" : ` (read from ${path})`;
}

function check<Schema extends z.ZodMiniType>(
  schema: Schema,
  value: unknown,
  nameField: NameField,
  tenantId: string | undefined,
): z.infer<Schema> {
  const result = schema.safeParse(value, { error: issueMessage });
  if (result.success) return result.data;
  const issues = result.error.issues.map((issue) => {
    const path = issue.code === "unrecognized_keys" ? [...issue.path, ...issue.keys.slice(0, 1)] : issue.path;
    const field = path.map((part) => String(part).slice(0, 80)).join(".");
    return { ...nameField(path.length === 0 ? undefined : field), message: issue.message };
  });
  const shown = issues.map(({ name, origin, message }) => ({ path: [name + origin], message }));
  throw new TenantKeysError("event_invalid", describeIssues(shown), {
    tenantId,
    step: "parse",
    field: issues[0]?.name,
    cause: result.error,
  });
}

function about(detail: Readonly<Record<string, unknown>>, field: string) {
  return { tenantId: tenantIdText(detail), step: "parse", field };
}

/** The tenant id as sent, for messages: it may not be a valid one. */
function tenantIdText(detail: Readonly<Record<string, unknown>>): string | undefined {
  return typeof detail.tenantId === "string" ? detail.tenantId.slice(0, 80) : undefined;
}

function nestsDeeperThan(value: unknown, levelsMax: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levelsMax === 0 || Object.values(value).some((item) => nestsDeeperThan(item, levelsMax - 1));
}
