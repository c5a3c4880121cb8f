/** What a rule says: what it found, what it couldn't judge, and which reads it lacked for that. */
import type { Finding } from "./finding.ts";
import type { RuleId } from "./finding-rules.ts";
import type { Reading } from "./inspection.ts";

/** A read that a rule needed and didn't get. */
export interface Unread {
  readonly kind: "denied" | "failed";
  readonly resource: string;
  readonly operation: string;
  readonly reason: string;
}

export interface Judgement {
  readonly findings: readonly Finding[];
  readonly unjudged: readonly RuleId[];
  readonly unread: readonly Unread[];
}

export function judged(findings: readonly (Finding | undefined)[] = []): Judgement {
  return { findings: findings.filter((one) => one !== undefined), unjudged: [], unread: [] };
}

export function notJudged(rules: readonly RuleId[]): Judgement {
  return { findings: [], unjudged: rules, unread: [] };
}

export function together(judgements: readonly Judgement[]): Judgement {
  return {
    findings: judgements.flatMap(({ findings }) => findings),
    unjudged: judgements.flatMap(({ unjudged }) => unjudged),
    unread: judgements.flatMap(({ unread }) => unread),
  };
}

/**
 * Judges what was read. Where it wasn't, these rules stay unjudged: a read that AWS refused is named, and one that was
 * left out on purpose only leaves open whether it would be refused again.
 */
export function whenRead<T>(
  reading: Reading<T>,
  resource: string,
  rules: readonly RuleId[],
  judge: (value: T) => Judgement,
): Judgement {
  if (reading.kind === "read") return judge(reading.value);
  if (reading.kind === "skipped") return notJudged([...rules, "could-not-verify"]);
  if (reading.kind === "unsupported") return notJudged(rules);
  const { kind, operation, reason } = reading;
  return { findings: [], unjudged: rules, unread: [{ kind, resource, operation, reason }] };
}
