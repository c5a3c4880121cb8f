/**
 * Whether a multi-Region key has its replicas, and each is as declared. A replica's policy, grants, alias, tags and state
 * are its own. What is critical of a key is told of a replica by the same rule; the rest is one finding per replica.
 * https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html
 */
import { type DesiredTenantKey, desiredTenantKey } from "../../desired-state.ts";
import type { KeyArn, Region } from "../../ids.ts";
import { hasReplicas, replicaArn } from "../../plan-replicas.ts";
import { type Facts, listed, report } from "../facts.ts";
import type { Finding } from "../finding.ts";
import type { RuleId } from "../finding-rules.ts";
import type { InspectedReplica } from "../inspection.ts";
import { type Judgement, judged, notJudged, together, whenRead } from "../judgement.ts";
import { aliasArn } from "./alias.ts";
import { judgeGrants } from "./grants.ts";
import { judgeKeyPolicy } from "./key-policy.ts";
import { judgeKeyState } from "./key-state.ts";
import { judgeKeyTags } from "./tags.ts";

export const REPLICA_RULES = ["replica-missing", "replica-differs"] as const satisfies readonly RuleId[];

/** What a replica's finding is told as; of any other rule it is a part of `replica-differs`. */
const TOLD_BY_ITSELF: readonly RuleId[] = [
  "key-open",
  "key-pending-deletion-unintended",
  "key-deletion-overdue",
  "key-policy-not-contained",
  "dead-principal",
  "grant-foreign",
  "grant-stale",
  "stage-mismatch",
];
/** Follows from what is told of the primary. */
const NOT_TOLD: readonly RuleId[] = ["key-pending-deletion-intended", "key-missing"];

export function judgeReplicas(facts: Facts): Judgement {
  const { key, desired, inspected } = facts;
  if (facts.isOwnKey || key === undefined || key.kind === "absent" || !hasReplicas(key.keyArn)) return judged();
  const regions = new Set([...desired.replicaRegions, ...inspected.replicas.map(({ region }) => region)]);
  return together([...regions].map((region) => judgeRegion(facts, key.keyArn, region)));
}

function judgeRegion(facts: Facts, primaryArn: KeyArn, region: Region): Judgement {
  const keyArn = replicaArn(primaryArn, region);
  const replica = facts.inspected.replicas.find((one) => one.region === region);
  const isWanted = facts.desired.replicaRegions.includes(region);
  if (replica === undefined) {
    const reason = "its Region wasn't looked at";
    const unread = [{ kind: "failed", resource: keyArn, operation: "kms:DescribeKey", reason } as const];
    return { ...notJudged(REPLICA_RULES), unread };
  }
  if (replica.key.kind === "absent") {
    // KMS replicates enabled keys only: what a suspended tenant lacks follows when it is resumed.
    if (!isWanted || facts.target !== "usable") return judged();
    const seen = `KMS says that there is none in ${region}`;
    return judged([report(facts, "replica-missing", keyArn, { expected: `a replica in ${region}`, seen })]);
  }
  return gathered(facts, keyArn, region, judgeReplica(facts, replica));
}

function judgeReplica(facts: Facts, { region, key, aliasTarget }: InspectedReplica): Judgement {
  const desired = desiredIn(facts.desired, region);
  return together([
    judgeKeyState(facts, key),
    judgeKeyPolicy(facts, key, desired),
    judgeGrants(facts, key),
    judgeKeyTags(facts, key),
    whenRead(aliasTarget, aliasArn(facts, region), ["alias-missing", "alias-on-another-key"], (target) => {
      if (target === key.keyArn || (target === undefined && facts.isLeaving)) return judged();
      const expected = `leads to ${key.keyArn}`;
      const seen = target === undefined ? "no such alias" : `leads to ${target}`;
      const ruleId = target === undefined ? "alias-missing" : "alias-on-another-key";
      return judged([report(facts, ruleId, aliasArn(facts, region), { expected, seen })]);
    }),
  ]);
}

/** The same key as it should be in another Region, where some of its documents say so. */
export function desiredIn({ context, tenantId, keyName, profile }: DesiredTenantKey, region: Region): DesiredTenantKey {
  return desiredTenantKey({ ...context, region }, tenantId, keyName, profile);
}

/** An alias that leads a Region's applications to another key is as bad there as in the key's own Region. */
function gathered(facts: Facts, keyArn: string, region: Region, judgement: Judgement): Judgement {
  const told = (one: Finding) => TOLD_BY_ITSELF.includes(one.ruleId) || one.ruleId === "alias-on-another-key";
  const parts = judgement.findings.filter((one) => !told(one) && !NOT_TOLD.includes(one.ruleId));
  const differs =
    parts.length === 0
      ? undefined
      : report(facts, "replica-differs", keyArn, {
          expected: listed(parts.map(({ ruleId, expected }) => `${ruleId}: ${expected}`)),
          seen: `in ${region}: ${listed(parts.map(({ ruleId, seen }) => `${ruleId}: ${seen}`))}`,
        });
  // Grants are read in turns, and told by themselves: what else is known of the replica doesn't wait for them.
  const isWhole = judgement.unjudged.every((rule) => TOLD_BY_ITSELF.includes(rule) || rule === "could-not-verify");
  return {
    findings: [...judgement.findings.filter(told), ...(differs === undefined ? [] : [differs])],
    unjudged: isWhole ? judgement.unjudged : [...judgement.unjudged, ...REPLICA_RULES],
    unread: judgement.unread,
  };
}
