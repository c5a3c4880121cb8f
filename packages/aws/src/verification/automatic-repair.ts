/**
 * Has the worker put right what the stage lets be put right without a person, within its limit. Asked for after a sweep
 * has closed, and after the guard has looked at a key. What it may ask for, the worker checks once more (docs/adr/0013).
 */
import {
  automaticRepairs,
  keysToCount,
  type RepairLedger,
  repairBudget,
  type StoredFinding,
  spendRepairs,
  stageNames,
  type TenantId,
  TenantKeysError,
  type WantedRepair,
} from "@tenantkeys/core";
import { repairEvent } from "../bus-message.ts";
import type { Clients } from "../clients.ts";
import type { Run } from "../run.ts";
import { RACES_MAX } from "../take-key.ts";
import { askWorker } from "./ask-worker.ts";
import type { VerifyPorts } from "./ports.ts";
import { readRepairLedger, writeRepairLedger } from "./repair-ledger-store.ts";
import { registryRecords } from "./sweep/registry-records.ts";

export interface AutomaticRepairPorts extends Pick<VerifyPorts, "findings" | "registry" | "settings" | "context"> {
  /** The function's own, for the registry and the worker's queue. */
  readonly clients: Clients;
  readonly provisioningQueueUrl: string;
  newEventId(): string;
}

export interface AutomaticRepair {
  readonly asked: readonly WantedRepair[];
  /** Asked for a moment ago, or so often today that a person has to look. */
  readonly waiting: readonly WantedRepair[];
  /** Left alone, because `limit` keys are repaired in a day at most. To be logged: nothing else says it. */
  readonly beyond: readonly WantedRepair[];
  /** Absent where there was nothing to ask for. */
  readonly limit?: number | undefined;
}

/** `repairAutomatically` with its ports. */
export type RepairAutomatically = (run: Run, scope: RepairScope) => Promise<AutomaticRepair>;

const NOTHING: AutomaticRepair = { asked: [], waiting: [], beyond: [] };

export interface RepairScope {
  /** Only this tenant's findings: those that the guard has just recorded. */
  readonly tenantId?: TenantId | undefined;
}

/** @throws TenantKeysError what reading the registry, or sending, throws; what was asked for before stays so */
export async function repairAutomatically(
  ports: AutomaticRepairPorts,
  run: Run,
  scope: RepairScope = {},
): Promise<AutomaticRepair> {
  const { automaticRepair, cancelUnintendedDeletions } = ports.settings;
  if (!automaticRepair && !cancelUnintendedDeletions) return NOTHING;
  const wanted = await withoutOwnKeys(
    ports,
    run,
    automaticRepairs(await openFindings(ports, run, scope), ports.settings),
  );
  if (wanted.length === 0) return NOTHING;
  const { ask: asked, waiting, beyond, limit } = await reserve(ports, run, wanted, scope);
  for (const repair of asked) await send(ports, run, repair);
  return { asked, waiting, beyond, limit };
}

async function openFindings({ findings }: AutomaticRepairPorts, run: Run, { tenantId }: RepairScope) {
  if (tenantId !== undefined) return findings.openOfTenant(run, tenantId);
  const open: StoredFinding[] = [];
  for await (const one of findings.listOpen(run)) open.push(one);
  return open;
}

/**
 * What is done about a key of the tenant's own account, a person asks for. One whose record can't be read is left out, since
 * nobody can say whose account it is in: that is a finding of its own, and mustn't keep the others from being repaired.
 */
async function withoutOwnKeys(
  { registry }: AutomaticRepairPorts,
  run: Run,
  wanted: readonly WantedRepair[],
): Promise<readonly WantedRepair[]> {
  const ours: WantedRepair[] = [];
  for (const repair of wanted) {
    const record = await registry.get(run, repair.tenantId, repair.keyName).catch(unlessInvalid);
    if (record !== undefined && record.ownKeyArn === undefined) ours.push(repair);
  }
  return ours;
}

function unlessInvalid(error: unknown): undefined {
  if (!(error instanceof TenantKeysError) || error.code !== "record_invalid") throw error;
}

/** Written down before anything is sent: a function that stops in between has asked for too little, never for too much. */
async function reserve(ports: AutomaticRepairPorts, run: Run, wanted: readonly WantedRepair[], scope: RepairScope) {
  const { clients, settings } = ports;
  const { registryTable } = stageNames(ports.context.stage);
  for (let race = 1; race <= RACES_MAX; race++) {
    const ledger = await readRepairLedger(clients, run, registryTable);
    // After a sweep they are counted anew; the guard takes what was counted last, as it has to be quick.
    const known = scope.tenantId === undefined ? undefined : ledger.stageKeys;
    const stageKeys = known ?? (await countKeys(ports, run));
    const limit = repairBudget(stageKeys, settings);
    const spent = spendRepairs(ledger, wanted, limit, run.clock.nowMs());
    const next: RepairLedger = { ...spent.ledger, stageKeys, version: ledger.version + 1 };
    const isKnown = spent.ask.length === 0 && stageKeys === ledger.stageKeys;
    if (isKnown || (await writeRepairLedger(clients, run, registryTable, next, ledger.version))) {
      return { ...spent, limit };
    }
  }
  throw new TenantKeysError(
    "lease_taken",
    `${RACES_MAX} writes of the repair ledger in a row lost to other functions`,
    {
      step: "dynamodb:PutItem",
    },
  );
}

/**
 * As far as more of them would raise the limit. Records of keys that are gone don't count: with them the share of a stage
 * that many have left would be most of those who stay. Records that can't be read are keys.
 */
async function countKeys({ clients, settings, context }: AutomaticRepairPorts, run: Run): Promise<number> {
  const enough = keysToCount(settings);
  let count = 0;
  for await (const item of registryRecords(clients, run, stageNames(context.stage).registryTable)) {
    if (item.kind === "record" && item.record.state === "destroyed") continue;
    count += 1;
    if (count >= enough) break;
  }
  return count;
}

async function send(ports: AutomaticRepairPorts, run: Run, { rules, ...key }: WantedRepair): Promise<void> {
  await askWorker(ports, run, repairEvent(ports.context.stage, key, rules, { automatic: true }));
}
