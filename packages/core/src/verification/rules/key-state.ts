/** Whether a key is there, and in the state that is declared of its tenant. */
import { DAY_MS } from "../../offboarding.ts";
import { day, daysBetween, type Facts, isDying, report } from "../facts.ts";
import type { Finding } from "../finding.ts";
import type { RuleId } from "../finding-rules.ts";
import type { InspectedKey, KeyDescription } from "../inspection.ts";
import { type Judgement, judged, notJudged, whenRead } from "../judgement.ts";

export const KEY_STATE_RULES = [
  "key-missing",
  "key-disabled",
  "key-open",
  "key-pending-deletion-unintended",
  "key-pending-deletion-intended",
  "key-deletion-overdue",
  "key-pending-import",
  "key-store-unavailable",
] as const satisfies readonly RuleId[];

/** How long after its time a deletion may be scheduled, or KMS take to delete: https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html */
const DELETION_SLACK_MS = DAY_MS;

export function judgeKeyState(facts: Facts, key: InspectedKey): Judgement {
  // What becomes of a key of its own account is the tenant's business, as long as it doesn't need it here.
  if (facts.isOwnKey && facts.target !== "usable") return judged();
  if (key.kind === "absent") return judged([missing(facts, key.keyArn)]);
  return whenRead(key.description, key.keyArn, KEY_STATE_RULES, (description) => {
    // Both pass within a moment, and say nothing of what follows.
    if (description.state === "Creating" || description.state === "Updating") return notJudged(KEY_STATE_RULES);
    const found = facts.isLeaving
      ? whileLeaving(facts, key.keyArn, description)
      : inPlace(facts, key.keyArn, description);
    return judged(found);
  });
}

/** Only a deletion that was recorded as scheduled may end in a key that isn't there. */
function missing(facts: Facts, keyArn: string): Finding | undefined {
  if (facts.target === "deleted" && facts.record.state === "pending-deletion") return undefined;
  const expected = facts.target === "deleted" ? "there until its deletion is scheduled" : "there";
  return report(facts, "key-missing", keyArn, { expected, seen: "KMS says that there is no such key" });
}

function inPlace(facts: Facts, keyArn: string, description: KeyDescription): readonly (Finding | undefined)[] {
  const { state } = description;
  const expected = facts.target === "disabled" ? "Disabled, as its tenant is suspended" : "Enabled";
  if (isDying(state)) {
    return [unintended(facts, keyArn, description, `${expected}, as nobody offboarded its tenant`)];
  }
  const say = (ruleId: RuleId) => [report(facts, ruleId, keyArn, { expected, seen: state })];
  if (state === "Unavailable") return say("key-store-unavailable");
  if (state === "PendingImport") return waitsForFirstMaterial(facts) ? [] : say("key-pending-import");
  if (state === "Enabled") return facts.target === "disabled" ? say("key-open") : [];
  return facts.target === "usable" ? say("key-disabled") : [];
}

/** A key that never had material isn't missed yet. Whether it waits too long is asked of its record. */
export function waitsForFirstMaterial({ record }: Pick<Facts, "record">): boolean {
  const { state, activeAtMs, materialGeneration } = record;
  return state === "awaiting-material" && activeAtMs === undefined && materialGeneration === undefined;
}

function whileLeaving(facts: Facts, keyArn: string, description: KeyDescription): readonly (Finding | undefined)[] {
  const { state } = description;
  if (isDying(state))
    return [facts.target === "deleted" ? intended(facts, keyArn, description) : early(facts, keyArn, description)];
  const expected = "Disabled, as its tenant leaves";
  return [
    state === "Enabled" ? report(facts, "key-open", keyArn, { expected, seen: state }) : undefined,
    unscheduled(facts, keyArn, state),
  ];
}

function early(facts: Facts, keyArn: string, description: KeyDescription): Finding {
  const reason = facts.record.waitingFor ?? "the end of its watch period";
  return unintended(facts, keyArn, description, `kept: its offboarding waits for ${reason.replace("-", " ")}`);
}

/** The owner of a key of another account may end it: that is told, and nothing here can or should stop it. */
function unintended(facts: Facts, keyArn: string, description: KeyDescription, expected: string): Finding {
  const seen = scheduled(facts, description);
  return report(
    facts,
    "key-pending-deletion-unintended",
    keyArn,
    { expected, seen },
    facts.isOwnKey ? "high" : undefined,
  );
}

function intended(facts: Facts, keyArn: string, description: KeyDescription): Finding {
  const { deletionDateMs } = description;
  const seen = scheduled(facts, description);
  if (deletionDateMs !== undefined && facts.nowMs > deletionDateMs + DELETION_SLACK_MS) {
    return report(facts, "key-deletion-overdue", keyArn, { expected: `gone since ${day(deletionDateMs)}`, seen });
  }
  const expected = "scheduled for deletion, as its tenant was offboarded";
  return report(facts, "key-pending-deletion-intended", keyArn, { expected, seen });
}

function scheduled({ nowMs }: Facts, { state, deletionDateMs }: KeyDescription): string {
  if (deletionDateMs === undefined) return `${state}: its window begins when its replicas are gone`;
  const days = Math.max(0, daysBetween(nowMs, deletionDateMs));
  return `${state}: deleted on ${day(deletionDateMs)}, ${days} days left`;
}

/** The review schedule gets round to it by itself; a deletion that was recorded and isn't there was taken back by somebody. */
function unscheduled(facts: Facts, keyArn: string, state: string): Finding | undefined {
  if (facts.target !== "deleted") return undefined;
  const { record, tenant, desired, nowMs } = facts;
  const say = (expected: string) => report(facts, "key-deletion-overdue", keyArn, { expected, seen: state });
  if (record.state === "pending-deletion" || record.state === "destroyed")
    return say("scheduled for deletion, or gone");
  const watchEndsAtMs = (record.offboardedAtMs ?? 0) + desired.profile.watchPeriodDays * DAY_MS;
  // An approval, or a hold's release, came when the tenant's record changed last.
  const dueAtMs = Math.max(watchEndsAtMs, tenant?.updatedAtMs ?? 0);
  return nowMs > dueAtMs + DELETION_SLACK_MS ? say(`scheduled for deletion since ${day(dueAtMs)}`) : undefined;
}
