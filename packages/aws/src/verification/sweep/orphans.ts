/** What carries this stage's names or tags and belongs to nobody: asked after the whole registry was taken in. */
import {
  type Finding,
  finding,
  type Inventory,
  type KeyArn,
  mayBeOrphanKey,
  orphanAlias,
  orphanKey,
  orphanRole,
  type RuleId,
  type StageContext,
  type TaggedKey,
} from "@tenantkeys/core";
import { inspectKey } from "../inspect-key.ts";
import { inspectedRoleOf } from "../inspect-role.ts";
import type { Reader } from "../reading.ts";
import type { BulkLists, ListFault } from "./bulk-lists.ts";
import type { SweepPorts } from "./ports.ts";

/** Of each kind. More are hardly each looked at by a person; that there are more is said. */
const ORPHANS_MAX = 500;

/** Every rule that is judged over the stage's lists, and not over one tenant key. */
export const LIST_RULES: readonly RuleId[] = [
  "orphan-key",
  "orphan-alias",
  "orphan-role",
  "stage-mismatch",
  "region-not-covered",
  "could-not-verify",
];

export interface OfTheLists {
  readonly findings: readonly Finding[];
  /** Rules that weren't judged over everything: what is open of them stays open. */
  readonly unjudged: readonly RuleId[];
}

/** @param inventory all that the registry names, read after the lists */
export async function findOrphans(
  ports: Pick<SweepPorts, "observing" | "context">,
  reader: Reader,
  lists: BulkLists,
  inventory: Inventory,
): Promise<OfTheLists> {
  const { context } = ports;
  const aliases = firstOf(aliasesOf(lists, context, inventory));
  const roles = firstOf(rolesOf(lists, context, inventory));
  const suspects = firstOf(suspectsOf(lists, context, inventory));
  const keys: Finding[] = [];
  for (const suspect of suspects.items) {
    const found = await confirmed(ports, reader, suspect);
    if (found !== undefined) keys.push(found);
  }
  const cut = [
    ...(aliases.cut ? [tooMany("orphan-alias")] : []),
    ...(roles.cut ? [tooMany("orphan-role")] : []),
    ...(suspects.cut ? [tooMany("orphan-key")] : []),
  ];
  const faults = faultsOf(lists);
  return {
    findings: [...keys, ...aliases.items, ...roles.items, ...cut, ...faults.filter(isToldOf).map(notListed)],
    unjudged: [
      ...(lists.aliases.fault !== undefined || aliases.cut ? (["orphan-alias"] as const) : []),
      ...(lists.roles.fault !== undefined || roles.cut ? (["orphan-role", "stage-mismatch"] as const) : []),
      ...(lists.taggedKeys.fault !== undefined || suspects.cut ? (["orphan-key"] as const) : []),
    ],
  };
}

/** What an emulator lacks is no fact about a stage. */
function isToldOf({ kind }: ListFault): boolean {
  return kind !== "unsupported";
}

export function faultsOf({ aliases, taggedKeys, roles }: BulkLists): readonly ListFault[] {
  return [aliases.fault, taggedKeys.fault, roles.fault].filter((fault) => fault !== undefined);
}

function* aliasesOf({ aliases }: BulkLists, context: StageContext, inventory: Inventory): Generator<Finding> {
  for (const [aliasName, targetKeyArn] of aliases.facts) {
    const found = orphanAlias({ aliasName, targetKeyArn }, context, inventory);
    if (found !== undefined) yield found;
  }
}

function* rolesOf({ roles }: BulkLists, { stage }: StageContext, inventory: Inventory): Generator<Finding> {
  for (const [name, detail] of roles.facts) {
    const { arn, path, tags } = inspectedRoleOf(detail);
    const found = orphanRole({ name, path, arn, tags }, stage, inventory);
    if (found !== undefined) yield found;
  }
}

function* suspectsOf({ taggedKeys }: BulkLists, { stage }: StageContext, inventory: Inventory): Generator<TaggedKey> {
  for (const key of taggedKeys.facts) if (mayBeOrphanKey(key, stage, inventory)) yield key;
}

/** The tagging index lags: it may still list a key that is gone. */
async function confirmed(
  { observing }: Pick<SweepPorts, "observing">,
  reader: Reader,
  suspect: TaggedKey,
): Promise<Finding | undefined> {
  const depth = { grants: false, rotations: false, parts: "description" } as const;
  const key = await inspectKey(observing, reader, suspect.keyArn as KeyArn, depth);
  return key.kind === "absent" ? undefined : orphanKey(suspect, key.description, reader.run.clock.nowMs());
}

function firstOf<T>(all: Iterable<T>): { readonly items: readonly T[]; readonly cut: boolean } {
  const items: T[] = [];
  for (const item of all) {
    if (items.length === ORPHANS_MAX) return { items, cut: true };
    items.push(item);
  }
  return { items, cut: false };
}

function tooMany(ruleId: RuleId): Finding {
  const seen = `the first ${ORPHANS_MAX} were looked at, and there are more`;
  return couldNotVerify(ruleId, "each of them looked at", seen);
}

function notListed({ operation, kind, reason }: ListFault): Finding {
  return couldNotVerify(operation, "everything listed", `${kind}: ${reason}`);
}

/** Of no tenant. */
export function couldNotVerify(resource: string, expected: string, seen: string): Finding {
  const about = { tenantId: undefined, keyName: undefined, resource, expected, seen: seen.slice(0, 1_000) };
  return finding("could-not-verify", about);
}

/** @param name of the item */
export function unreadableRecord(name: string, reason: string): Finding {
  return couldNotVerify(`registry: ${name}`, "a record as tenantkeys wrote it", reason);
}
