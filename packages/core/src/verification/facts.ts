/** The facts that rules judge: what was asked, with the tenant's own keys picked out of what was inspected. */
import type { KeyArn } from "../ids.ts";
import type { KeyState } from "../observed-state.ts";
import { DAY_MS } from "../offboarding.ts";
import { type Finding, finding } from "./finding.ts";
import type { RuleId, Severity } from "./finding-rules.ts";
import type { InspectedKey, Reading } from "./inspection.ts";
import type { TenantKeyToVerify } from "./verdict.ts";

export interface Facts extends TenantKeyToVerify {
  /** The key that the registry names; undefined where it names none. */
  readonly key: InspectedKey | undefined;
  /** The keys that it replaced. */
  readonly previousKeys: readonly InspectedKey[];
  /** Whether the tenant leaves: nobody may use the key any more. */
  readonly isLeaving: boolean;
  /** Whether it is a key of the tenant's own account, of which tenantkeys may see the description only. */
  readonly isOwnKey: boolean;
}

export function factsOf(input: TenantKeyToVerify): Facts {
  const { record, target, inspected } = input;
  const inspectedKey = (keyArn: KeyArn) => inspected.keys.find((key) => key.keyArn === keyArn) ?? notInspected(keyArn);
  return {
    ...input,
    key: record.keyArn === undefined ? undefined : inspectedKey(record.keyArn),
    previousKeys: (record.previousKeyArns ?? []).map(inspectedKey),
    isLeaving: target === "withdrawn" || target === "deleted",
    isOwnKey: record.ownKeyArn !== undefined,
  };
}

/** A key of ours that the inspection left out isn't in order: it is one of which nothing is known. */
function notInspected(keyArn: KeyArn): InspectedKey {
  const nothing: Reading<never> = { kind: "failed", operation: "kms:DescribeKey", reason: "it wasn't looked at" };
  return {
    kind: "present",
    keyArn,
    description: nothing,
    policy: nothing,
    tags: nothing,
    rotation: nothing,
    rotations: nothing,
    grants: nothing,
  };
}

/** A finding about this tenant key. */
export function report(
  { desired: { tenantId, keyName } }: Pick<Facts, "desired">,
  ruleId: RuleId,
  resource: string,
  { expected, seen }: Pick<Finding, "expected" | "seen">,
  severity?: Severity,
): Finding {
  return finding(
    ruleId,
    { tenantId, keyName, resource, expected: shortened(expected), seen: shortened(seen) },
    severity,
  );
}

/** Findings are kept in the registry and published: a text of somebody else's length doesn't belong there. */
const TEXT_CHARACTERS_MAX = 1000;

export function shortened(text: string): string {
  return text.length <= TEXT_CHARACTERS_MAX ? text : `${text.slice(0, TEXT_CHARACTERS_MAX - 1)}…`;
}

const LISTED_MAX = 5;

/** The first few, and how many more there are. */
export function listed(items: readonly string[]): string {
  const more = items.length - LISTED_MAX;
  return [...items.slice(0, LISTED_MAX), ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}

/** `2026-11-24` */
export function day(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** Begun days count whole: what is 26 hours away is 2 days away. */
export function daysBetween(fromMs: number, toMs: number): number {
  return Math.ceil((toMs - fromMs) / DAY_MS);
}

export function isDying(state: KeyState): boolean {
  return state === "PendingDeletion" || state === "PendingReplicaDeletion";
}
