/** Which events of the bus come to the worker: the pattern of the bus's rule, from the stage's settings. */
import { TenantKeysError } from "../errors.ts";
import type { EventMapping } from "./event-mapping.ts";
import { SBT_DETAIL_TYPES } from "./sbt-requests.ts";
import { BUS_EVENT_TYPES } from "./tenant-event.ts";

/** The detail types that are read from the bus without a mapping. What we send ourselves goes straight to the queue. */
export const EVENT_DETAIL_TYPES: readonly string[] = [...BUS_EVENT_TYPES, ...SBT_DETAIL_TYPES];

/** EventBridge's default. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html */
const PATTERN_CHARACTERS_MAX = 2_048;

export interface EventIntake {
  /** The `source` of the events of our own types and of SBT-AWS's. */
  readonly eventSources: readonly string[];
  readonly eventMappings: readonly EventMapping[];
}

type FieldPattern = { readonly source: readonly string[]; readonly "detail-type": readonly string[] };
export type RulePattern = FieldPattern | { readonly $or: readonly FieldPattern[] };

/**
 * A mapped source may send only its mapped types: in one list of sources and one of types, whoever may sign tenants up in
 * a form of their own could offboard them, too.
 *
 * @throws TenantKeysError `settings_invalid` where EventBridge would refuse the pattern as too long
 */
export function rulePattern({ eventSources, eventMappings }: EventIntake): RulePattern {
  const ours: FieldPattern = { source: eventSources, "detail-type": EVENT_DETAIL_TYPES };
  const mappedTypes = Map.groupBy(eventMappings, ({ source }) => source);
  const mapped = [...mappedTypes].map(([source, mappings]) => {
    return { source: [source], "detail-type": mappings.map(({ detailType }) => detailType) };
  });
  const pattern = mapped.length === 0 ? ours : { $or: [ours, ...mapped] };
  const characters = JSON.stringify(pattern).length;
  if (characters <= PATTERN_CHARACTERS_MAX) return pattern;
  const message = `stage settings: eventSources and eventMappings make an event pattern of ${characters} characters, and EventBridge takes ${PATTERN_CHARACTERS_MAX}`;
  throw new TenantKeysError("settings_invalid", message);
}

/** Which of the two the rule doesn't take, or undefined where it takes the event: what no rule takes, the bus drops. */
export function untakenPart(
  { eventSources, eventMappings }: EventIntake,
  source: string,
  detailType: string,
): "source" | "detail-type" | undefined {
  if (eventMappings.some((mapping) => mapping.source === source && mapping.detailType === detailType)) return undefined;
  if (!EVENT_DETAIL_TYPES.includes(detailType)) return "detail-type";
  return eventSources.includes(source) ? undefined : "source";
}
