/**
 * Whether KMS rotates a key as its profile says, and whether it really did: a rotation that is on proves nothing, the
 * list of rotations and the next date do. https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html
 */
import { rotatesAutomatically } from "../../key-profile.ts";
import { PREVIOUS_KEYS_MAX } from "../../key-record.ts";
import { DAY_MS } from "../../offboarding.ts";
import { day, daysBetween, type Facts, isDying, report } from "../facts.ts";
import type { Finding } from "../finding.ts";
import type { RuleId } from "../finding-rules.ts";
import type { InspectedKey, KeyDescription, PastRotation, RotationStatus } from "../inspection.ts";
import { type Judgement, judged, notJudged, together, whenRead } from "../judgement.ts";

export const ROTATION_RULES = [
  "rotation-off",
  "rotation-period-differs",
  "rotation-overdue",
  "rotation-budget-low",
] as const satisfies readonly RuleId[];

/** KMS's own limit, which can't be raised, and from when on a person should know. */
const ON_DEMAND_MAX = 25;
const ON_DEMAND_LOW = 20;
/** KMS doesn't promise the minute, and a key that is enabled after its date is rotated "immediately", without a number. */
const ROTATION_SLACK_MS = 2 * DAY_MS;
/** A rotation that KMS left out is told from one that somebody put off by its date: it lies on the old schedule. */
const SCHEDULE_TOLERANCE_MS = DAY_MS / 4;
const YEAR_MS = 365 * DAY_MS;

export function judgeRotation(facts: Facts, key: InspectedKey): Judgement {
  if (facts.isLeaving || facts.isOwnKey || key.kind === "absent") return judged();
  if (key.description.kind !== "read") return notJudged(ROTATION_RULES);
  const description = key.description.value;
  // KMS says "off" of a dying key, and gives it its rotation back with its life.
  if (isDying(description.state)) return notJudged(ROTATION_RULES);
  const periodDays = facts.desired.rotationPeriodDays;
  const byItself = rotatesAutomatically(asProfile(description));
  return together([
    judgeBudget(facts, key, description),
    periodDays === undefined ? judged() : judgeSetting(facts, key, description, periodDays, byItself),
    periodDays === undefined || !byItself ? judged() : judgeEvidence(facts, key, description, periodDays),
  ]);
}

function asProfile({ keySpec, origin }: KeyDescription): Parameters<typeof rotatesAutomatically>[0] {
  return { keySpec, origin } as Parameters<typeof rotatesAutomatically>[0];
}

type PresentKey = Extract<InspectedKey, { readonly kind: "present" }>;

/** A disabled key's rotation can't be set; that of a suspended tenant is, when its tenant is resumed. */
function judgeSetting(
  facts: Facts,
  key: PresentKey,
  { state, keySpec, origin }: KeyDescription,
  periodDays: number,
  byItself: boolean,
): Judgement {
  if (facts.target === "disabled" && state !== "Enabled") return judged();
  const expected = `rotated every ${periodDays} days`;
  if (!byItself) {
    const seen = `KMS doesn't rotate a key of keySpec ${keySpec} and origin ${origin} by itself`;
    return judged([report(facts, "rotation-off", key.keyArn, { expected, seen })]);
  }
  return whenRead(key.rotation, key.keyArn, ["rotation-off", "rotation-period-differs"], (status) => {
    if (!status.enabled)
      return judged([report(facts, "rotation-off", key.keyArn, { expected, seen: "rotation is off" })]);
    if (status.periodDays === periodDays) return judged();
    const seen = `rotated every ${status.periodDays ?? "unknown number of"} days`;
    return judged([report(facts, "rotation-period-differs", key.keyArn, { expected, seen })]);
  });
}

/** Only of a key that is enabled: KMS rotates no other, and makes up for it when the key is enabled. */
function judgeEvidence(facts: Facts, key: PresentKey, description: KeyDescription, periodDays: number): Judgement {
  if (facts.target !== "usable" || description.state !== "Enabled") return judged();
  return whenRead(key.rotation, key.keyArn, ["rotation-overdue"], (status) => {
    // A schedule of another period, or none, is a finding of its own.
    if (!status.enabled || status.periodDays !== periodDays) return judged();
    const periodMs = periodDays * DAY_MS;
    const byDate = overdue(facts, key, missedDate(status));
    if (byDate !== undefined) return judged([byDate]);
    return whenRead(key.rotations, key.keyArn, ["rotation-overdue"], (past) =>
      judged([overdue(facts, key, missingRotation(description, status, past, periodMs))]),
    );
  });
}

/** When a rotation should have been, and what is seen in its place. */
interface Missed {
  readonly dueAtMs: number;
  readonly seen: string;
}

function missedDate({ nextRotationAtMs }: RotationStatus): Missed | undefined {
  if (nextRotationAtMs === undefined) return undefined;
  return { dueAtMs: nextRotationAtMs, seen: `its next rotation is still that of ${day(nextRotationAtMs)}` };
}

/**
 * What the list of rotations should hold. The next date is a period after the last rotation, or after rotation was last
 * switched on or its period changed: that may put a rotation off once, for good reason, but not again and again.
 */
function missingRotation(
  { createdAtMs }: KeyDescription,
  { nextRotationAtMs }: RotationStatus,
  past: readonly PastRotation[],
  periodMs: number,
): Missed {
  const lastAtMs = Math.max(createdAtMs, ...past.map(({ atMs }) => atMs));
  const sinceLast = `no rotation since ${day(lastAtMs)}`;
  if (nextRotationAtMs === undefined) return { dueAtMs: lastAtMs + periodMs, seen: sinceLast };
  const lastScheduledAtMs = nextRotationAtMs - periodMs;
  const automatic = past.filter(({ type }) => type === "AUTOMATIC").map(({ atMs }) => atMs);
  const before = Math.max(createdAtMs, ...automatic);
  if (isOnSchedule(lastScheduledAtMs - before, periodMs)) {
    return { dueAtMs: lastScheduledAtMs, seen: `KMS lists no rotation of ${day(lastScheduledAtMs)}` };
  }
  const putOffMs = periodMs + Math.max(periodMs, YEAR_MS);
  return { dueAtMs: lastAtMs + putOffMs, seen: `${sinceLast}, put off until ${day(nextRotationAtMs)}` };
}

function isOnSchedule(elapsedMs: number, periodMs: number): boolean {
  const periods = Math.round(elapsedMs / periodMs);
  return periods >= 1 && Math.abs(elapsedMs - periods * periodMs) <= SCHEDULE_TOLERANCE_MS;
}

function overdue(facts: Facts, key: PresentKey, missed: Missed | undefined): Finding | undefined {
  if (missed === undefined) return undefined;
  const { tenant, nowMs } = facts;
  // A tenant that was suspended or leaving: KMS makes up for what was missed when the key is enabled again.
  const backAtMs = Math.max(tenant?.suspension?.atMs ?? 0, tenant?.leaving?.atMs ?? 0);
  if (nowMs <= Math.max(missed.dueAtMs, backAtMs) + ROTATION_SLACK_MS) return undefined;
  const expected = `rotated by ${day(missed.dueAtMs)}, ${daysBetween(missed.dueAtMs, nowMs)} days ago`;
  return report(facts, "rotation-overdue", key.keyArn, { expected, seen: missed.seen });
}

/** KMS counts rotations on request; where the key is replaced in place of that, its predecessors count. */
function judgeBudget(facts: Facts, key: PresentKey, { keySpec, origin }: KeyDescription): Judgement {
  const say = (count: number, max: number) =>
    report(facts, "rotation-budget-low", key.keyArn, {
      expected: `fewer than ${ON_DEMAND_LOW} of ${max} rotations on request spent`,
      seen: `${count} spent`,
    });
  const replaced = facts.previousKeys.length;
  if (replaced >= ON_DEMAND_LOW) return judged([say(replaced, PREVIOUS_KEYS_MAX)]);
  const onRequest = keySpec === "SYMMETRIC_DEFAULT" && (origin === "AWS_KMS" || origin === "EXTERNAL");
  // tenantkeys rotates no imported material on request, so its list may be left out.
  if (!onRequest || (origin === "EXTERNAL" && key.rotations.kind === "skipped")) return judged();
  return whenRead(key.rotations, key.keyArn, ["rotation-budget-low"], (past) => {
    const count = rotationsOnRequest(past);
    return judged([count >= ON_DEMAND_LOW ? say(count, ON_DEMAND_MAX) : undefined]);
  });
}

export function rotationsOnRequest(past: readonly PastRotation[]): number {
  return past.filter(({ type }) => type === "ON_DEMAND").length;
}
