/** Looks at a use of a tenant's key: by whom, from where and how often. What is unusual becomes a finding. */
import {
  type ExpectedUse,
  FINDINGS_METRICS,
  type Finding,
  findingId,
  type KeyArn,
  type KmsEvent,
  leavingRegister,
  profileInForce,
  profileOf,
  refusedUse,
  tooManyUses,
  unusualUses,
} from "@tenantkeys/core";
import type { Run } from "../run.ts";
import { isInsideBlocks } from "./address-blocks.ts";
import type { GuardedKey, GuardMemory, GuardOutcome, GuardPorts } from "./guard-ports.ts";
import { createMemory } from "./memory.ts";
import { ownerOfKey } from "./owner-of-key.ts";
import { putCounts } from "./put-counts.ts";

/** A key that was let in or shut out is known as such a minute later at most. */
const REMEMBERED_MS = 60_000;
/** About 10 MB. An application uses few keys at a time; an account's other keys are remembered as not ours. */
const KEYS_REMEMBERED_MAX = 20_000;
const SIGHTINGS_REMEMBERED_MAX = 5_000;

/** Made once per function, and kept between its runs. */
export function createGuardMemory(): GuardMemory {
  return {
    keys: createMemory(REMEMBERED_MS, KEYS_REMEMBERED_MAX),
    sightings: createMemory(REMEMBERED_MS, SIGHTINGS_REMEMBERED_MAX),
  };
}

export async function watchUse(ports: GuardPorts, run: Run, event: KmsEvent): Promise<GuardOutcome> {
  const ofKeys: (readonly Finding[] | undefined)[] = [];
  for (const keyArn of event.keyArns) ofKeys.push(await unusualUsesOf(ports, run, event, keyArn));
  if (event.keyArns.length === 0) ofKeys.push(await unnamedUse(ports, run, event));
  const ours = ofKeys.filter((findings) => findings !== undefined);
  if (ours.length === 0) return { kind: "ignored", event, reason: "no-tenants-key" };
  const keys: GuardedKey[] = [];
  for (const findings of ours) {
    if (findings.length > 0) keys.push(await record(ports, run, findings));
  }
  return keys.length === 0 ? { kind: "ignored", event, reason: "usual-use" } : { kind: "done", event, keys };
}

/** @returns undefined where the key is no tenant's */
async function unusualUsesOf(
  ports: GuardPorts,
  run: Run,
  event: KmsEvent,
  keyArn: KeyArn,
): Promise<readonly Finding[] | undefined> {
  const remembered = await expectedUse(ports, run, keyArn);
  if (remembered === null) return undefined;
  const uses = await countUse(ports, run, event, remembered);
  const unusual = (expected: ExpectedUse): readonly Finding[] => [
    ...unusualUses(event, keyArn, expected),
    ...[uses === undefined ? undefined : tooManyUses(event, keyArn, expected, uses)].filter((one) => one !== undefined),
  ];
  if (unusual(remembered).length === 0) return [];
  // What was remembered may have changed: only what the registry says now counts against anybody.
  ports.memory.keys.forget(keyArn);
  const expected = await expectedUse(ports, run, keyArn);
  return expected === null ? undefined : unusual(expected);
}

async function countUse(
  { useCounter }: GuardPorts,
  run: Run,
  event: KmsEvent,
  expected: ExpectedUse,
): Promise<number | undefined> {
  if (expected.profile.usesPerMinuteMax === undefined) return undefined;
  return useCounter.count(run, expected, event.atMs);
}

/** @returns null of a key that is no tenant's, or whose profile the stage doesn't have: verification says the latter */
async function expectedUse(ports: GuardPorts, run: Run, keyArn: KeyArn): Promise<ExpectedUse | null> {
  const { memory } = ports;
  const remembered = memory.keys.get(keyArn, run.clock.nowMs());
  if (remembered !== undefined) return remembered;
  const expected = await readExpectedUse(ports, run, keyArn);
  memory.keys.set(keyArn, expected, run.clock.nowMs());
  return expected;
}

async function readExpectedUse(ports: GuardPorts, run: Run, keyArn: KeyArn): Promise<ExpectedUse | null> {
  const { registry, settings, context } = ports;
  const key = await ownerOfKey(ports, run, keyArn);
  if (key === undefined) return null;
  const record = await registry.get(run, key.tenantId, key.keyName);
  if (record === undefined) return null;
  const declared = { ...record, profile: profileOf(settings, key.keyName, record.profile) };
  const profile = profileInForce(settings.profiles, declared);
  if (profile === undefined) return null;
  const shutOut = ["offboarding", "pending-deletion", "destroyed"].includes(record.state);
  return { context, ...key, profile, shutOut, isInside: isInsideBlocks };
}

/** @returns undefined where it says nothing about a tenant that is in use of its keys */
async function unnamedUse(ports: GuardPorts, run: Run, event: KmsEvent): Promise<readonly Finding[] | undefined> {
  const found = refusedUse(event, ports.context);
  if (found?.tenantId === undefined) return undefined;
  const tenant = await ports.registry.getTenant(run, found.tenantId);
  // Who leaves is shut out while its application may still be running.
  return tenant === undefined || leavingRegister(tenant) !== undefined ? undefined : [found];
}

/**
 * Opens the findings, or says that they were seen again; closing is `closeQuietUse`'s. A finding that this function
 * recorded within the last minute isn't written again: uses are many.
 * @param findings at least one, all about one key
 */
async function record(ports: GuardPorts, run: Run, findings: readonly Finding[]): Promise<GuardedKey> {
  const { sightings } = ports.memory;
  const [first] = findings;
  const { tenantId, keyName } = first as Finding & { readonly tenantId: NonNullable<Finding["tenantId"]> };
  const fresh = findings.filter((one) => sightings.get(findingId(one), run.clock.nowMs()) === undefined);
  const scope = { tenantId, keyName, unjudged: [], judged: [] };
  const opened = fresh.length === 0 ? [] : (await ports.findings.record(run, scope, fresh)).opened;
  const critical = fresh.filter(({ severity }) => severity === "critical").length;
  await putCounts(ports, run, { [FINDINGS_METRICS.critical]: critical });
  for (const one of fresh) sightings.set(findingId(one), true, run.clock.nowMs());
  return { tenantId, keyName, opened: opened.map(({ ruleId }) => ruleId), closed: [], asked: [], leftToSweep: false };
}
