/** Lists everything there is, judges what belongs to nobody, and cuts the tenant keys into shards. */
import {
  aliasName,
  emptyInventory,
  type Finding,
  type InspectedRole,
  type Inventory,
  type KeyRecord,
  keysNotCovered,
  regionsOf,
  roundsOf,
  SHARED_ROLE_RULES,
  type StageContext,
  type Sweep,
  shardKeysMax,
  stageNames,
  TenantKeysError,
  takeIntoInventory,
  tenantRoleName,
  verifySharedRole,
} from "@tenantkeys/core";
import type { Run } from "../../run.ts";
import { inspectedRoleOf, inspectRole } from "../inspect-role.ts";
import type { BulkFacts } from "../inspect-tenant-key.ts";
import type { Reader } from "../reading.ts";
import { type BulkLists, readBulkLists } from "./bulk-lists.ts";
import { recordOfStage } from "./close-sweep.ts";
import { couldNotVerify, faultsOf, findOrphans, LIST_RULES, type OfTheLists, unreadableRecord } from "./orphans.ts";
import type { SweepPorts } from "./ports.ts";
import { registryRecords } from "./registry-records.ts";
import { createShardCutter, encodeShard, type ShardKey } from "./shard-content.ts";
import type { Listed } from "./sweep-store.ts";

/** Of what the registry's items themselves are found guilty of. */
const FINDINGS_MAX = 500;

/**
 * The lists are read before the registry: what was made before is declared before, so nothing that is being made looks
 * like an orphan, and of what is made meanwhile a shard's worker reads anew what the lists don't know.
 * @throws TenantKeysError where it can't go on; the next turn lists again
 */
export async function listEverything(ports: SweepPorts, run: Run, sweep: Sweep): Promise<Listed> {
  const { context, settings, quota, observing, findings } = ports;
  if (sweep.previousSweepId !== undefined) await ports.sweeps.deleteShards(run, sweep.previousSweepId);
  const reader = { run, quota };
  const lists = await readBulkLists(observing, reader, context);
  const cut = await cutRegistry(ports, run, sweep, lists);
  const orphans = await findOrphans(ports, reader, lists, cut.inventory);
  const shared = await judgeSharedRole(ports, reader, lists);
  const unjudged = [
    ...orphans.unjudged,
    ...shared.unjudged,
    ...(cut.overfull ? (["region-not-covered"] as const) : []),
  ];
  const found = [...orphans.findings, ...shared.findings, ...cut.findings];
  await recordOfStage(findings, run, [...LIST_RULES, ...SHARED_ROLE_RULES], found, unjudged);
  const faults = faultsOf(lists);
  return {
    shards: cut.shards,
    tenantKeys: cut.tenantKeys,
    tenants: cut.tenants,
    readsDenied: faults.filter(({ kind }) => kind === "denied" || kind === "failed").length,
    pagesCut: faults.filter(({ kind }) => kind === "cut").length,
    rounds: roundsOf(cut.tenantKeys, settings.sweepQuotaShare, sweep.rounds),
  };
}

/** It is no tenant's, so no shard looks at it. What the list finds is read again; a list that isn't whole is told already. */
async function judgeSharedRole(
  { observing, context }: SweepPorts,
  reader: Reader,
  { roles }: BulkLists,
): Promise<OfTheLists> {
  if (roles.fault !== undefined) return { findings: [], unjudged: SHARED_ROLE_RULES };
  const name = stageNames(context.stage).sharedTenantRole;
  const detail = roles.facts.get(name);
  const listed = verifySharedRole(detail === undefined ? undefined : inspectedRoleOf(detail), context);
  if (listed.length === 0) return { findings: [], unjudged: [] };
  const role = await inspectRole(observing, reader, name);
  if (role.kind === "read") return { findings: verifySharedRole(role.value, context), unjudged: [] };
  const reason = "reason" in role ? `${role.operation} ${role.kind}: ${role.reason}` : role.kind;
  return {
    findings: [couldNotVerify(context.sharedTenantRoleArn, "the role read", reason)],
    unjudged: SHARED_ROLE_RULES,
  };
}

interface CutRegistry {
  readonly shards: number;
  readonly tenantKeys: number;
  readonly tenants: number;
  readonly inventory: Inventory;
  readonly findings: readonly Finding[];
  /** More was found than is kept. */
  readonly overfull: boolean;
}

/** Page by page, so that of the registry itself nothing stays in memory but its names. */
async function cutRegistry(ports: SweepPorts, run: Run, sweep: Sweep, lists: BulkLists): Promise<CutRegistry> {
  const { context, settings } = ports;
  const inventory = emptyInventory();
  const covered = regionsOf(context.region, settings.profiles);
  const writer = createShardWriter(ports, run, sweep);
  const factsOf = createFacts(lists, context);
  const found: Finding[] = [];
  // Tags are asked about orphans only; the key itself names its tenant key's tags.
  const isWhole = lists.aliases.fault === undefined && lists.roles.fault === undefined;
  for await (const item of registryRecords(ports.clients, run, ports.tableName)) {
    if (item.kind === "unreadable") {
      found.push(unreadableRecord(item.name, item.reason));
      continue;
    }
    const { record } = item;
    takeIntoInventory(inventory, context, record, run.clock.nowMs());
    found.push(...keysNotCovered(record, covered));
    const { tenantId, keyName } = record;
    await writer.add({ tenantId, keyName, bulk: isWhole ? factsOf(record) : undefined });
    if (found.length > FINDINGS_MAX) found.length = FINDINGS_MAX + 1;
  }
  const counts = await writer.end();
  return { ...counts, inventory, findings: found.slice(0, FINDINGS_MAX), overfull: found.length > FINDINGS_MAX };
}

/** What the lists say of one tenant key; a missing entry is a fact, as they are whole. */
function createFacts({ aliases, roles }: BulkLists, { stage }: StageContext): (record: KeyRecord) => BulkFacts {
  // A tenant's keys follow each other, so that its role is parsed once.
  let last: { readonly name: string; readonly role: InspectedRole | undefined } | undefined;
  return ({ tenantId, keyName }) => {
    const name = tenantRoleName(stage, tenantId);
    const detail = roles.facts.get(name);
    if (last?.name !== name) last = { name, role: detail === undefined ? undefined : inspectedRoleOf(detail) };
    return { aliasTarget: aliases.facts.get(aliasName(stage, tenantId, keyName)), role: last.role };
  };
}

/** Writes shards as they fill. */
function createShardWriter(ports: SweepPorts, run: Run, sweep: Sweep) {
  const { sweepQuotaShare, verifyConcurrency } = ports.settings;
  const cutter = createShardCutter(shardKeysMax(sweepQuotaShare, verifyConcurrency));
  const counts = { shards: 0, tenantKeys: 0, tenants: 0 };
  let lastTenant: string | undefined;
  const write = async (keys: readonly ShardKey[]) => {
    // A tenant's keys follow each other, so that it is new where the tenant before was another.
    const tenants = keys.filter(({ tenantId }, index) => tenantId !== (keys[index - 1]?.tenantId ?? lastTenant)).length;
    lastTenant = keys.at(-1)?.tenantId;
    const written = await ports.sweeps.putShard(run, {
      sweepId: sweep.sweepId,
      shard: counts.shards,
      fence: sweep.fence,
      tenantKeys: keys.length,
      tenants,
      sends: 1,
      sentAtMs: run.clock.nowMs(),
      nextKey: 0,
      readsDenied: 0,
      notVerified: 0,
      content: encodeShard(keys),
    });
    if (!written) throw overtaken(sweep);
    counts.shards += 1;
    counts.tenantKeys += keys.length;
    counts.tenants += tenants;
  };
  return {
    async add(key: ShardKey): Promise<void> {
      const full = cutter.add(key);
      if (full !== undefined) await write(full);
    },
    async end() {
      const rest = cutter.end();
      if (rest.length > 0) await write(rest);
      return counts;
    },
  };
}

export function overtaken({ sweepId }: Sweep): TenantKeysError {
  const message = `another worker has taken over sweep ${sweepId}`;
  return new TenantKeysError("lease_lost", message, { step: "sweep" });
}
