/**
 * What a request to repair permits. A repair does nothing beyond its findings' rules, so a person who asks for a
 * rotation to be put right doesn't enable a key unawares, and what is repaired by itself widens nobody's access.
 */
import { TenantKeysError } from "../errors.ts";
import { functionOfSender } from "../events/event-senders.ts";
import type { Stage } from "../ids.ts";
import type { Action } from "../plan.ts";
import type { ReplicaActionKind } from "../plan-replicas.ts";
import { FINDING_RULES, type RuleId } from "./finding-rules.ts";

export type RepairActionKind = Action["kind"] | ReplicaActionKind;

const PUT_KEY_POLICY = ["admit-tenant", "shut-out-tenant"] as const;

/**
 * What puts each finding right. Empty: nothing that the worker could do. No rule makes a key or discards one: a key that
 * is gone took its tenant's data along, and about that a person decides.
 */
export const REPAIR_ACTIONS: Readonly<Record<RuleId, readonly RepairActionKind[]>> = {
  "key-missing": [],
  "key-disabled": ["enable-key"],
  "key-open": ["disable-key", "shut-out-tenant", "delete-role-policy"],
  "key-pending-deletion-unintended": ["cancel-deletion", "enable-key"],
  "key-pending-deletion-intended": [],
  "key-deletion-overdue": ["disable-key", "shut-out-tenant", "delete-role-policy", "schedule-deletion", "delete-role"],
  "key-pending-import": [],
  "key-store-unavailable": [],
  "key-tags-differ": [],
  "material-expiring": [],
  "rotation-off": ["enable-rotation"],
  "rotation-period-differs": ["enable-rotation"],
  "rotation-overdue": [],
  "rotation-budget-low": [],
  "alias-missing": ["create-alias"],
  // An alias on a key that hides looks like none: only an attempt to make it tells, and then it is moved.
  "alias-on-another-key": ["create-alias", "move-alias"],
  "alias-on-dying-key": ["create-alias", "move-alias"],
  "key-policy-not-contained": PUT_KEY_POLICY,
  "key-policy-differs": PUT_KEY_POLICY,
  // In the policy of the key, or in that of who may assume the role.
  "dead-principal": [...PUT_KEY_POLICY, "update-trust-policy"],
  // Key policies hold the unique id of the role that is gone.
  "role-missing": ["create-role", "put-role-policy", "admit-tenant"],
  "role-trust-policy-differs": ["update-trust-policy"],
  "role-policy-differs": ["put-role-policy", "delete-role-policy"],
  "role-policy-foreign": [],
  "role-boundary-differs": ["put-role-boundary"],
  "role-tags-differ": ["tag-role"],
  "grant-foreign": ["revoke-grant"],
  "grant-stale": ["revoke-grant"],
  "replica-missing": ["replicate", "create-alias", "admit-tenant"],
  "replica-differs": [
    "create-alias",
    "move-alias",
    "admit-tenant",
    "enable-key",
    "disable-key",
    "shut-out-tenant",
    "cancel-deletion",
  ],
  "orphan-key": [],
  "orphan-alias": [],
  "orphan-role": [],
  "record-stuck": [],
  "stage-mismatch": [],
  "public-access": PUT_KEY_POLICY,
  "unusual-use": [],
  "canary-breach": [],
  "could-not-verify": [],
  "sweep-overdue": [],
  "sweep-incomplete": [],
  "region-not-covered": [],
};

/** The rules of which the worker can put findings right: what a request may name. */
export const REPAIRABLE_RULES = (Object.keys(REPAIR_ACTIONS) as readonly RuleId[]).filter(
  (ruleId) => REPAIR_ACTIONS[ruleId].length > 0,
);

/** Rules about replicas: what they permit is done to replicas only. */
const REPLICA_RULES: readonly RuleId[] = ["replica-missing", "replica-differs"];

/** Who asks: a person whom AWS named, or the stage's own functions. */
export type RepairAsker = "person" | "automatic";

export interface RepairPermissions {
  readonly askedBy: RepairAsker;
  /** On the tenant's key, those that it replaced, and its role. */
  readonly actions: ReadonlySet<RepairActionKind>;
  readonly replicaActions: ReadonlySet<RepairActionKind>;
  /** Whether an alias may be moved off a key that isn't scheduled for deletion. */
  readonly movesAliasOffAnyKey: boolean;
  /** A stranger's key doesn't let the worker look; that it dies the auditor has seen, whom IAM lets describe any key. */
  readonly movesAliasOffHiddenKey: boolean;
  /** Whether a replica may be let in again that was let in before. */
  readonly mendsReplicas: boolean;
  readonly grants: { readonly foreign: boolean; readonly stale: boolean };
}

/** @param askedBy of itself the stage narrows a key's policy and never lets anybody in again */
export function permissionsOf(rules: readonly RuleId[], askedBy: RepairAsker): RepairPermissions {
  const named = new Set(rules);
  const onReplicas = rules.flatMap((ruleId) => REPAIR_ACTIONS[ruleId]);
  const elsewhere = rules.filter((ruleId) => !REPLICA_RULES.includes(ruleId));
  return {
    askedBy,
    actions: new Set(elsewhere.flatMap((ruleId) => REPAIR_ACTIONS[ruleId])),
    replicaActions: new Set(onReplicas),
    movesAliasOffAnyKey: named.has("alias-on-another-key"),
    movesAliasOffHiddenKey: named.has("alias-on-dying-key"),
    mendsReplicas:
      elsewhere.some((ruleId) => REPAIR_ACTIONS[ruleId].includes("admit-tenant")) || named.has("replica-differs"),
    grants: { foreign: named.has("grant-foreign"), stale: named.has("grant-stale") },
  };
}

/** What the stage's settings say about repairs that nobody asks for. */
export interface AutomaticRepairSettings {
  readonly automaticRepair: boolean;
  readonly cancelUnintendedDeletions: boolean;
}

/**
 * Whether a finding of this rule may be put right without a person. Cancelling a deletion takes nothing from anybody and
 * has a time limit, so the stage may say that it isn't waited with.
 */
export function isRepairedByItself(ruleId: RuleId, settings: AutomaticRepairSettings): boolean {
  if (ruleId === "key-pending-deletion-unintended") return settings.cancelUnintendedDeletions;
  return settings.automaticRepair && FINDING_RULES[ruleId].repairer === "automatic";
}

/** A request that lay in a queue is no decision about what has happened since. */
export const REPAIR_REQUEST_AGE_MAX_MS = 60 * 60 * 1000;

export interface RepairRequest {
  readonly rules: readonly RuleId[];
  /** As the request says; it only ever permits less. */
  readonly automatic: boolean;
  /** Epoch milliseconds. */
  readonly requestedAtMs: number;
}

/**
 * Who asks, by what AWS says of the message's sender: the stage's functions don't pass for a person, and over the bus
 * nobody asks.
 * @param senderId of a role's session, as SQS authenticated it: the role's unique id, a colon, the session's name
 * @throws TenantKeysError `repair_refused`
 */
export function askerOf(
  { rules, automatic, requestedAtMs }: RepairRequest,
  senderId: string | undefined,
  stage: Stage,
  settings: AutomaticRepairSettings,
  nowMs: number,
): RepairAsker {
  if (senderId === undefined) {
    throw refused(
      "nobody asks for this repair by name: tenantkeys repair must run as a role's session, not as an IAM user or the root user, and its request can't come over the bus",
    );
  }
  // A date in the future would keep a request alive for as long.
  if (Math.abs(nowMs - requestedAtMs) > REPAIR_REQUEST_AGE_MAX_MS) {
    throw refused(
      `the repair was asked for at ${new Date(requestedAtMs).toISOString()}, too long ago to be carried out`,
    );
  }
  const sender = functionOfSender(stage, senderId);
  if (sender !== undefined && !automatic) throw refused(`${sender} asks for a repair as if it were a person`);
  if (!automatic) return "person";
  const beyond = rules.filter((ruleId) => !isRepairedByItself(ruleId, settings));
  if (beyond.length === 0) return "automatic";
  throw refused(`${beyond.join(", ")}: repaired when a person asks for it, as this stage is set up`);
}

function refused(message: string): TenantKeysError {
  return new TenantKeysError("repair_refused", message, { step: "declare" });
}

/** Whether a person is asked once more before it is repaired: it widens access, deletes, or undoes what somebody did. */
export function isConfirmed(ruleId: RuleId): boolean {
  return FINDING_RULES[ruleId].repairer !== "automatic";
}

/**
 * How many keys one repair may change. A fault in what is declared, or in this code, would otherwise be applied to every
 * tenant at once.
 */
export function repairBudget(
  stageKeys: number,
  { repairKeysMax, repairSharePercent }: { readonly repairKeysMax: number; readonly repairSharePercent: number },
): number {
  return Math.min(repairKeysMax, Math.max(1, Math.floor((stageKeys * repairSharePercent) / 100)));
}

/** From this number of keys on the share allows as many as `repairKeysMax`: counting further changes nothing. */
export function keysToCount(settings: { readonly repairKeysMax: number; readonly repairSharePercent: number }): number {
  return Math.ceil((settings.repairKeysMax * 100) / settings.repairSharePercent);
}
