/** Reads what AWS has of one tenant key, into the shape that plan() compares. */
import type {
  DesiredTenantKey,
  KeyArn,
  ObservedAlias,
  ObservedKey,
  ObservedTenantKey,
  RecordedKeys,
} from "@tenantkeys/core";
import type { Clients } from "./clients.ts";
import { findKeysByTags, type KeyReading, readKey } from "./keys.ts";
import { readRole, readRolePolicy } from "./roles.ts";
import type { Run } from "./run.ts";

/**
 * Keys that are looked at for their tags alone: a few spares. More would mean that something loops. Those that the
 * registry names are looked at in any case: one that were left out would be left open.
 */
const TAGGED_KEYS_MAX = 20;

/**
 * @param aliasExists CreateAlias has just said so. KMS answers a DescribeKey of an alias that isn't there, and of one on a
 *   key whose policy doesn't know us, with the same AccessDenied ("the resource does not exist in this Region, no
 *   resource-based policies allow access, or …"), so only CreateAlias can tell the two apart.
 * @throws TenantKeysError where something of ours can't be read
 */
export async function observeTenantKey(
  clients: Clients,
  run: Run,
  desired: DesiredTenantKey,
  recorded: RecordedKeys,
  aliasExists = false,
): Promise<ObservedTenantKey> {
  const [role, rolePolicy, alias, tagged] = await Promise.all([
    readRole(clients, run, desired.ownRole.name),
    readRolePolicy(clients, run, desired.ownRole.name, desired.ownRole.policyName),
    readKey(clients, run, desired.aliasName),
    findKeysByTags(clients, run, desired.keyOwnership),
  ]);
  const { previousKeyArns = [] } = recorded;
  const named = [recorded.keyArn, ...previousKeyArns, ...recorded.attempts.map((attempt) => attempt.keyArn)];
  const unnamed = tagged.filter((keyArn) => !named.includes(keyArn)).slice(0, TAGGED_KEYS_MAX);
  const aliasKey = alias.kind === "read" ? alias.key : undefined;
  const others = new Set([...named, ...unnamed].filter((arn) => arn !== undefined && arn !== aliasKey?.keyArn));
  const readings = await readKeys(clients, run, [...others] as KeyArn[]);
  const keys = [...readings.values()].flatMap((reading) => (reading.kind === "read" ? [reading.key] : []));
  return {
    role,
    rolePolicy,
    alias: observedAlias(aliasExists, aliasKey),
    taggedKeys: aliasKey === undefined ? keys : [aliasKey, ...keys],
    recordedKey: recordedKey(recorded.keyArn, aliasKey, readings),
    hiddenPreviousKeys: previousKeyArns.filter((keyArn) => readings.get(keyArn)?.kind === "denied"),
  };
}

function observedAlias(aliasExists: boolean, key: ObservedKey | undefined): ObservedAlias {
  if (key !== undefined) return { kind: "present", key };
  return { kind: aliasExists ? "unreadable" : "absent" };
}

/** A key that doesn't let us look is somebody else's that carries our tags: there is nothing to do with it. */
async function readKeys(
  clients: Clients,
  run: Run,
  keyArns: readonly KeyArn[],
): Promise<ReadonlyMap<KeyArn, KeyReading>> {
  const readings = await Promise.all(
    keyArns.map(async (keyArn) => [keyArn, await readKey(clients, run, keyArn)] as const),
  );
  return new Map(readings);
}

function recordedKey(
  keyArn: KeyArn | undefined,
  aliasKey: ObservedKey | undefined,
  readings: ReadonlyMap<KeyArn, KeyReading>,
): ObservedTenantKey["recordedKey"] {
  if (keyArn === undefined) return undefined;
  if (aliasKey?.keyArn === keyArn) return "read";
  const kind = readings.get(keyArn)?.kind;
  return kind === "absent" ? "gone" : kind;
}
