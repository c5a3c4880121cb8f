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

/** Keys of one tenant key that are looked at: the one in use and a few spares. More would mean that something loops. */
const KEYS_MAX = 20;

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
  const known = [
    recorded.keyArn,
    ...(recorded.previousKeyArns ?? []),
    ...recorded.attempts.map((attempt) => attempt.keyArn),
    ...tagged,
  ];
  const aliasKey = alias.kind === "read" ? alias.key : undefined;
  const others = new Set(known.filter((arn) => arn !== undefined && arn !== aliasKey?.keyArn));
  const readings = await readKeys(clients, run, [...others].slice(0, KEYS_MAX) as KeyArn[]);
  const keys = [...readings.values()].flatMap((reading) => (reading.kind === "read" ? [reading.key] : []));
  return {
    role,
    rolePolicy,
    alias: observedAlias(aliasExists, aliasKey),
    taggedKeys: aliasKey === undefined ? keys : [aliasKey, ...keys],
    recordedKey: recordedKey(recorded.keyArn, aliasKey, readings),
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
