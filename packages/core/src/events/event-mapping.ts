/**
 * `eventMappings` of a stage: events of any other form, read as one of ours. A mapping says where in the event each field
 * is; it computes nothing and chooses nothing. See docs/adr/0009.
 */
import * as z from "zod/mini";
import { TenantKeysError } from "../errors.ts";
import { issueMessage } from "../schema-issues.ts";
import { EVENT_SCHEMAS } from "./event-schemas.ts";
import { PATH_CHARACTERS_MAX, parseSingularPath, valueAt } from "./json-path.ts";
import { REPLY_SOURCE, REPLY_TYPES } from "./replies.ts";
import { SBT_REPLY_KINDS, sbtReplyDetailType } from "./sbt-replies.ts";
import { sbtEventType } from "./sbt-requests.ts";
import { BUS_EVENT_TYPES, TENANT_EVENT_TYPES, type TenantEventType } from "./tenant-event.ts";

const MAPPINGS_MAX = 20;
/** More than any type of event has. */
const FIELDS_MAX = 10;

const fieldName = z.string().check(z.minLength(1), z.maxLength(64));

const eventMappingSchema = z
  .strictObject({
    /** The events that are read so: both must be equal. */
    detailType: z.string().check(z.minLength(1), z.maxLength(128)),
    source: z.string().check(z.minLength(1), z.maxLength(256)),
    as: z.enum(BUS_EVENT_TYPES),
    /** Per field of the event that it is read as: the place of its value, from the whole event (`$.detail.…`). */
    fields: z.record(fieldName, z.string().check(z.maxLength(PATH_CHARACTERS_MAX))),
    /** Per field: a value that is the same for all these events. */
    constants: z.optional(z.record(fieldName, z.unknown())),
  })
  .check(
    z.check((context) => {
      for (const { path, message } of mappingFaults(context.value)) {
        context.issues.push({ code: "custom", input: context.value, path: [...path], message });
      }
    }),
  );

export type EventMapping = z.infer<typeof eventMappingSchema>;

/** For the schema of a stage's settings. */
export const eventMappingsSchema = z.array(eventMappingSchema).check(
  z.maxLength(MAPPINGS_MAX),
  z.check((context) => {
    const seen = new Set<string>();
    for (const [index, { source, detailType }] of context.value.entries()) {
      const key = JSON.stringify([source, detailType]);
      const message = "an earlier mapping reads this detail type from this source";
      if (seen.has(key)) context.issues.push({ code: "custom", input: context.value, path: [index], message });
      seen.add(key);
    }
  }),
);

interface Fault {
  readonly path: readonly string[];
  readonly message: string;
}

function mappingFaults(mapping: EventMapping): readonly Fault[] {
  return [...nameFaults(mapping), ...fieldFaults(mapping), ...constantFaults(mapping), ...missingFields(mapping)];
}

/** What we read anyway can't be read in a second way, and what we say ourselves must not come back as an event. */
function nameFaults({ detailType, source }: EventMapping): readonly Fault[] {
  const isOurs = TENANT_EVENT_TYPES.some((type) => type === detailType) || sbtEventType(detailType) !== undefined;
  const isReply = [...REPLY_TYPES, ...SBT_REPLY_KINDS.map(sbtReplyDetailType)].some((type) => type === detailType);
  const faults: Fault[] = [];
  if (isReply) faults.push({ path: ["detailType"], message: "tenantkeys publishes events of this type" });
  if (isOurs) faults.push({ path: ["detailType"], message: "tenantkeys reads events of this type without a mapping" });
  if (source === REPLY_SOURCE) faults.push({ path: ["source"], message: "is the source of tenantkeys's own events" });
  return faults;
}

function fieldFaults({ as, fields }: EventMapping): readonly Fault[] {
  const faults: Fault[] = [];
  if (Object.keys(fields).length > FIELDS_MAX) {
    faults.push({ path: ["fields"], message: `expected at most ${FIELDS_MAX} fields` });
  }
  for (const [name, text] of Object.entries(fields)) {
    const path = ["fields", name];
    if (!mayBeMapped(as, name)) faults.push({ path, message: unknownField(as) });
    else if (parseSingularPath(text) === undefined) {
      const message = "expected one place, such as $.detail.customer.id or $['detail']['ids'][0]";
      faults.push({ path, message });
    }
  }
  return faults;
}

function constantFaults({ as, fields, constants = {} }: EventMapping): readonly Fault[] {
  const faults: Fault[] = [];
  for (const [name, value] of Object.entries(constants)) {
    const path = ["constants", name];
    if (!mayBeMapped(as, name)) faults.push({ path, message: unknownField(as) });
    else if (name === "tenantId") faults.push({ path, message: "every event must say its own tenant" });
    else if (Object.hasOwn(fields, name)) faults.push({ path, message: "has a path in fields, too" });
    else {
      const result = fieldsOf(as)[name]?.safeParse(value, { error: issueMessage });
      if (result?.success === false) faults.push({ path, message: result.error.issues[0]?.message ?? "is not valid" });
    }
  }
  return faults;
}

function missingFields({ as, fields, constants = {} }: EventMapping): readonly Fault[] {
  return Object.entries(fieldsOf(as))
    .filter(([name, schema]) => mayBeMapped(as, name) && !schema.safeParse(undefined).success)
    .filter(([name]) => !Object.hasOwn(fields, name) && !Object.hasOwn(constants, name))
    .map(([name]) => ({ path: ["fields", name], message: `is missing: ${as} can't be without it` }));
}

const fieldsOf = (as: TenantEventType): Readonly<Record<string, z.ZodMiniType>> => EVENT_SCHEMAS[as].shape;

/** The version is of our own form, so no mapping says it. */
const mayBeMapped = (as: TenantEventType, name: string) => name !== "version" && Object.hasOwn(fieldsOf(as), name);

function unknownField(as: TenantEventType): string {
  const names = Object.keys(fieldsOf(as)).filter((name) => name !== "version");
  return `is no field of ${as}; it has: ${names.join(", ")}`;
}

/** @returns what is wrong with the first mapping that gives its events a key profile which the stage doesn't have */
export function unknownMappedProfile(
  mappings: readonly EventMapping[],
  profiles: Readonly<Record<string, unknown>>,
): string | undefined {
  for (const [index, { constants }] of mappings.entries()) {
    const profile = constants?.profile;
    if (typeof profile !== "string" || Object.hasOwn(profiles, profile)) continue;
    const known = Object.keys(profiles).join(", ");
    return `eventMappings.${index}.constants.profile: the stage has no key profile "${profile}"; it has: ${known}`;
  }
  return undefined;
}

/**
 * @param event the whole event
 * @returns the detail that the event is read as: not yet checked
 * @throws TenantKeysError `event_mapping_unresolved`, naming the path that isn't in the event
 */
export function applyMapping(mapping: EventMapping, event: unknown): Readonly<Record<string, unknown>> {
  const tenantId = mappedTenantId(mapping, event);
  const read = Object.entries(mapping.fields).map(([name, text]) => {
    const path = parseSingularPath(text);
    const value = path === undefined ? undefined : valueAt(path, event);
    if (value !== undefined) return [name, value] as const;
    const message = `${text}: is not in the event, and the mapping of ${mapping.detailType.slice(0, 80)} reads ${name} of ${mapping.as} from there`;
    throw new TenantKeysError("event_mapping_unresolved", message, { tenantId, step: "parse", field: text });
  });
  return { version: "1", ...mapping.constants, ...Object.fromEntries(read) };
}

function mappedTenantId({ fields }: EventMapping, event: unknown): string | undefined {
  const path = parseSingularPath(fields.tenantId ?? "");
  const value = path === undefined ? undefined : valueAt(path, event);
  return typeof value === "string" ? value.slice(0, 80) : undefined;
}
