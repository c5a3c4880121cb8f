/**
 * Whether a tenant key is as declared: every rule about one tenant key over what was read of it. A rule that lacks what
 * it needs is unjudged, never passed; a finding that follows from another isn't told.
 */

import type { LifecycleState } from "../lifecycle.ts";
import type { KeyTarget } from "../plan.ts";
import { type Facts, factsOf } from "./facts.ts";
import { RULE_IDS, type RuleId } from "./finding-rules.ts";
import type { InspectedKey } from "./inspection.ts";
import { type Judgement, judged, notJudged, together } from "./judgement.ts";
import { keyAttributes } from "./key-attributes.ts";
import { ALIAS_RULES, judgeAlias } from "./rules/alias.ts";
import { GRANT_RULES, judgeGrants } from "./rules/grants.ts";
import { judgeContainment, judgeKeyPolicy, KEY_POLICY_RULES } from "./rules/key-policy.ts";
import { judgeKeyState, KEY_STATE_RULES } from "./rules/key-state.ts";
import { judgeMaterial, MATERIAL_RULES } from "./rules/material.ts";
import { judgeRecord, RECORD_RULES } from "./rules/record.ts";
import { judgeReplicas, REPLICA_RULES } from "./rules/replicas.ts";
import { judgeRole, ROLE_RULES } from "./rules/role.ts";
import { judgeRotation, ROTATION_RULES } from "./rules/rotation.ts";
import { judgeKeyTags, KEY_TAG_RULES } from "./rules/tags.ts";
import { unreadFindings } from "./rules/unread.ts";
import type { TenantKeyToVerify, Verdict } from "./verdict.ts";

/** The rules that a verdict about one tenant key speaks of; all others are judged over the whole stage, or by others. */
export const TENANT_KEY_RULES: readonly RuleId[] = [
  ...KEY_STATE_RULES,
  ...KEY_TAG_RULES,
  ...MATERIAL_RULES,
  ...ROTATION_RULES,
  ...ALIAS_RULES,
  ...KEY_POLICY_RULES,
  ...ROLE_RULES,
  ...GRANT_RULES,
  ...REPLICA_RULES,
  ...RECORD_RULES,
  "could-not-verify",
];

/**
 * @param input read while nobody worked on the key: of one that a worker holds nothing is judged
 */
export function verifyTenantKey(input: TenantKeyToVerify): Verdict {
  const facts = factsOf(input);
  const { findings, unjudged, unread } = judge(facts);
  const all = [...findings, ...unreadFindings(facts, unread)];
  const inOrder = (ruleId: RuleId) => RULE_IDS.indexOf(ruleId);
  return {
    findings: [...all].sort((a, b) => inOrder(a.ruleId) - inOrder(b.ruleId)),
    unjudged: RULE_IDS.filter((ruleId) => unjudged.includes(ruleId)),
    attributes: keyAttributes(facts),
  };
}

/** Of a key that was in hand, or whose record can't be read: it wasn't verified, whatever was read of it. */
export function judgesNothing({ unjudged }: Pick<Verdict, "unjudged">): boolean {
  return TENANT_KEY_RULES.every((ruleId) => unjudged.includes(ruleId));
}

function judge(facts: Facts): Judgement {
  if (isInHand(facts)) return notJudged(TENANT_KEY_RULES);
  switch (facts.record.state) {
    case "provisioning":
    case "failed":
      return judgeUnfinished(facts);
    case "destroyed":
      return judgeDestroyed(facts);
    default:
      return judgeInPlace(facts);
  }
}

const STATES_OF_TARGET: Readonly<Record<KeyTarget, readonly LifecycleState[]>> = {
  usable: ["active", "awaiting-material"],
  disabled: ["suspended", "awaiting-material"],
  withdrawn: ["offboarding"],
  deleted: ["offboarding", "pending-deletion", "destroyed"],
};
/** How long a declaration may take to be carried out before what it changes is judged by it. */
const CARRYING_OUT_MS = 15 * 60_000;

/** Being worked on: under a lease, or declared so lately that the worker may not have got to it. */
function isInHand({ record, tenant, target, nowMs }: Facts): boolean {
  if (record.leaseUntilMs > nowMs) return true;
  const isMade = record.state !== "provisioning" && record.state !== "failed";
  // A suspension that was refused half way keeps the state: its resumption finds a disabled key of an active record.
  const isHalfWay = target === "usable" && record.disablingSinceMs !== undefined;
  const isReached = STATES_OF_TARGET[target].includes(record.state) && !isHalfWay;
  const declaredAtMs = Math.max(record.updatedAtMs, tenant?.updatedAtMs ?? 0);
  return isMade && !isReached && nowMs <= declaredAtMs + CARRYING_OUT_MS;
}

/** A key that isn't in use yet, of which nothing has to be there; but whatever there is must not be open to others. */
function judgeUnfinished(facts: Facts): Judgement {
  const keys = facts.key === undefined ? [] : [facts.key];
  return together([
    judgeRecord(facts),
    ...keys.flatMap((key) => [judgeContainment(facts, key), judgeGrants(facts, key)]),
  ]);
}

/**
 * What was said to be gone and is still there, as far as it was looked for. The key's name and its role may be in use by
 * others by now.
 */
function judgeDestroyed(facts: Facts): Judgement {
  const { isOwnKey, record, inspected } = facts;
  if (isOwnKey) return judged();
  const named = [record.keyArn, ...(record.previousKeyArns ?? [])];
  const there = inspected.keys.filter(({ kind, keyArn }) => kind === "present" && named.includes(keyArn));
  return together(there.map((key) => judgeKeyState({ ...facts, target: "deleted", isLeaving: true }, key)));
}

function judgeInPlace(facts: Facts): Judgement {
  return together([
    ...ownKeys(facts).map((key) => judgeKey(facts, key)),
    ...(facts.key === undefined ? [] : [judgeRotation(facts, facts.key), judgeMaterial(facts, facts.key)]),
    judgeAlias(facts),
    judgeRole(facts),
    judgeReplicas(facts),
    judgeRecord(facts),
  ]);
}

function judgeKey(facts: Facts, key: InspectedKey): Judgement {
  return together([
    judgeKeyState(facts, key),
    judgeKeyTags(facts, key),
    judgeKeyPolicy(facts, key),
    judgeGrants(facts, key),
  ]);
}

function ownKeys({ key, previousKeys }: Facts): readonly InspectedKey[] {
  return key === undefined ? previousKeys : [key, ...previousKeys];
}
