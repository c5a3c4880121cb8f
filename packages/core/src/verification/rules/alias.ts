/** Whether the tenant key's alias leads to it. Applications that use the name encrypt with whatever it leads to. */
import type { KeyArn } from "../../ids.ts";
import { DAY_MS } from "../../offboarding.ts";
import { type Facts, isDying, report } from "../facts.ts";
import type { Finding } from "../finding.ts";
import type { RuleId } from "../finding-rules.ts";
import { type Judgement, judged, whenRead } from "../judgement.ts";

export const ALIAS_RULES = [
  "alias-missing",
  "alias-on-another-key",
  "alias-on-dying-key",
] as const satisfies readonly RuleId[];

/** A rotation by a new key moves the alias last; this long it may be tried again before that counts as left undone. */
const ALIAS_MOVE_SLACK_MS = DAY_MS / 24;

export function judgeAlias(facts: Facts): Judgement {
  // Aliases lead to keys of their own account only; and KMS deletes the alias of a key with the key.
  if (facts.isOwnKey || facts.key === undefined || facts.key.kind === "absent") return judged();
  const resource = aliasArn(facts);
  const { keyArn } = facts.key;
  return whenRead(facts.inspected.aliasTarget, resource, ALIAS_RULES, (target) =>
    judged([target === keyArn ? undefined : misled(facts, resource, keyArn, target)]),
  );
}

export function aliasArn({ desired: { aliasName, context } }: Pick<Facts, "desired">, region = context.region): string {
  return `arn:aws:kms:${region}:${context.accountId}:${aliasName}`;
}

function misled(facts: Facts, resource: string, keyArn: KeyArn, target: KeyArn | undefined): Finding | undefined {
  const expected = `leads to ${keyArn}`;
  if (target === undefined) {
    // It isn't made again for a tenant that leaves, whose key nobody may use.
    return facts.isLeaving ? undefined : report(facts, "alias-missing", resource, { expected, seen: "no such alias" });
  }
  if (facts.record.previousKeyArns?.includes(target) === true) {
    if (facts.isLeaving || isBeingMoved(facts)) return undefined;
    const seen = `leads to ${target}, which the tenant's key replaced`;
    return report(facts, "alias-on-another-key", resource, { expected, seen }, "high");
  }
  const state = stateOf(facts, target);
  const dying = state !== undefined && isDying(state);
  const ruleId = dying ? "alias-on-dying-key" : "alias-on-another-key";
  return report(facts, ruleId, resource, { expected, seen: `leads to ${target}${dying ? `, in state ${state}` : ""}` });
}

function isBeingMoved({ record: { rotation }, nowMs }: Facts): boolean {
  return (
    rotation !== undefined && rotation.doneAtMs === undefined && nowMs <= rotation.startedAtMs + ALIAS_MOVE_SLACK_MS
  );
}

function stateOf({ inspected }: Facts, keyArn: KeyArn) {
  const key = inspected.keys.find((one) => one.keyArn === keyArn);
  return key?.kind === "present" && key.description.kind === "read" ? key.description.value.state : undefined;
}
