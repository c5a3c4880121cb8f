/** The steps of an offboarding: what the key of a tenant that leaves waits for now, and until when. */
import type { KeyName } from "./ids.ts";
import type { KeyRecord } from "./key-record.ts";
import { type ApprovalPrincipal, isApproved, isHeld, type TenantRecord } from "./tenant-record.ts";

export const DAY_MS = 24 * 60 * 60 * 1000;

export interface OffboardingRules {
  readonly watchPeriodDays: number;
  readonly approvalRequired: boolean;
  readonly approvalPrincipal: ApprovalPrincipal;
}

export type WaitingFor = "watch-period" | "approval" | "legal-hold" | "deletion-window" | "material";

export type OffboardingStep =
  /** The tenant shut out, the key disabled, and no deletion: wait. */
  | { readonly kind: "withdraw"; readonly waitingFor: WaitingFor; readonly nextCheckAtMs?: number | undefined }
  | { readonly kind: "schedule-deletion" };

/**
 * @param offboardedAtMs when this key was first shut out, epoch milliseconds
 * A hold outranks everything, then the watch period, then the approval: each is waited for on its own, so that an
 * approval given early doesn't shorten the watch.
 */
export function offboardingStep(
  tenant: TenantRecord,
  rules: OffboardingRules,
  offboardedAtMs: number,
  nowMs: number,
): OffboardingStep {
  const watchEndsAtMs = offboardedAtMs + rules.watchPeriodDays * DAY_MS;
  if (isHeld(tenant)) return { kind: "withdraw", waitingFor: "legal-hold" };
  if (nowMs < watchEndsAtMs) {
    return { kind: "withdraw", waitingFor: "watch-period", nextCheckAtMs: watchEndsAtMs };
  }
  if (rules.approvalRequired && !isApproved(tenant, rules.approvalPrincipal)) {
    return { kind: "withdraw", waitingFor: "approval" };
  }
  return { kind: "schedule-deletion" };
}

/** How long after the announced date KMS may take to delete a key. https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html */
const DELETION_SLACK_MS = DAY_MS;

/** When to look whether a key that is pending deletion is gone: at its date, and daily from then on. */
export function nextDeletionCheckMs(record: Pick<KeyRecord, "deletionDateMs">, nowMs: number): number {
  return Math.max(
    record.deletionDateMs ?? nowMs,
    nowMs + (nowMs >= (record.deletionDateMs ?? 0) ? DELETION_SLACK_MS : 0),
  );
}

/**
 * Whether the role of a tenant that leaves is still needed for other keys than this one. What ends now needs it no more:
 * two keys that end at the same moment, in two workers, would otherwise leave the role to each other, and it would stay.
 */
export function needRole(keys: readonly KeyRecord[], keyName: KeyName, nowMs: number): boolean {
  return keys.some((key) => key.keyName !== keyName && key.keyArn !== undefined && !hasEnded(key, nowMs));
}

function hasEnded({ state, ownKeyArn, deletionDateMs = Infinity, nextCheckAtMs = Infinity }: KeyRecord, nowMs: number) {
  if (state === "pending-deletion") return deletionDateMs <= nowMs;
  // A key of the tenant's own account has no window: its watch period is all it waits for.
  return state === "destroyed" || (state === "offboarding" && ownKeyArn !== undefined && nextCheckAtMs <= nowMs);
}
