/** Brings the replicas of a multi-Region key to what is declared, Region by Region: read, plan, apply. */
import {
  ATTEMPT_TAG,
  asTenantKeysError,
  type DesiredTenantKey,
  desiredTenantKey,
  hasReplicas,
  type KeyArn,
  type KeyRecord,
  type KeyTarget,
  type ObservedKey,
  type ObservedReplica,
  parseAttemptId,
  planReplica,
  planReplicaRepair,
  type RecordedKeys,
  type Region,
  type RepairDone,
  type RepairPermissions,
  type Replica,
  type ReplicaActionKind,
  refuseReplica,
  refuseUntagged,
  replicaArn,
  TenantKeysError,
} from "@tenantkeys/core";
import { changeKey, isNotVisibleYet, STEP_OF_ACTION } from "./executor.ts";
import { readGrantsIfAllowed, readGrantsTooMany } from "./grants.ts";
import { createAlias, readKey, replicateKey, revokeGrant, scheduleKeyDeletion, updateAlias } from "./keys.ts";
import { errorName, narrowAwsError } from "./narrow-error.ts";
import type { ProvisionPorts } from "./ports.ts";
import { checkDeadline, type Run, untilVisible } from "./run.ts";

/** A cancelled deletion is looked at again; a third look means that somebody undoes what we do. */
const ROUNDS_MAX = 3;

/**
 * Every Region of the profile, and every other that KMS lists, or the registry while the primary hides: a replica of an
 * earlier profile follows its tenant too. One Region's failure is thrown when the others have been dealt with.
 * @param keyArn the primary's
 * @returns those that there are now
 */
export async function reachReplicas(
  ports: ProvisionPorts,
  run: Run,
  desired: DesiredTenantKey,
  keyArn: KeyArn,
  recorded: Pick<KeyRecord, "state" | "disablingSinceMs" | "replicas">,
  target: KeyTarget,
  repair?: RepairUnderway | undefined,
): Promise<readonly Replica[]> {
  if (!hasReplicas(keyArn)) return [];
  const primary = await readKey(ports.clients, run, keyArn);
  const key = primary.kind === "read" ? primary.key : undefined;
  const recordedRegions = recorded.replicas?.map(({ region }) => region);
  const listed = (primary.kind === "denied" ? recordedRegions : key?.replicaRegions) ?? [];
  // A key that isn't certainly the tenant's isn't deleted, and neither are its replicas: they are shut.
  const isTheirs = key === undefined || refuseUntagged(desired, key) === undefined;
  const end = target === "deleted" && !isTheirs ? "withdrawn" : target;
  const replicas: Replica[] = [];
  let failure: TenantKeysError | undefined;
  for (const region of new Set([...desired.replicaRegions, ...listed])) {
    const replica: ExpectedReplica = {
      desired: desiredTenantKey({ ...desired.context, region }, desired.tenantId, desired.keyName, desired.profile),
      region,
      keyArn: replicaArn(keyArn, region),
      primaryArn: keyArn,
      primary: key,
      state: recorded.state,
      disablingSinceMs: recorded.disablingSinceMs,
      isListed: listed.includes(region),
      isWanted: desired.replicaRegions.includes(region),
      repair,
    };
    try {
      const isThere = await reachReplica(ports, run, replica, end);
      if (isThere) replicas.push({ region, keyArn: replica.keyArn });
    } catch (error) {
      failure ??= asTenantKeysError(error);
    }
  }
  if (failure !== undefined) throw failure;
  return replicas;
}

/** A repair, and what it has come to. */
export interface RepairUnderway {
  readonly permissions: RepairPermissions;
  readonly asked: Pick<RepairDone, "eventId" | "by" | "rules" | "automatic">;
  readonly actions: Set<string>;
  /** Of the key itself. */
  withheld: readonly string[];
  /** By Region. */
  readonly withheldOfReplicas: Map<Region, readonly string[]>;
}

/** A replica that is or should be, and what is known of it before it is looked at. */
interface ExpectedReplica extends Replica, Pick<RecordedKeys, "state" | "disablingSinceMs"> {
  /** The key as it should be in this Region. */
  readonly desired: DesiredTenantKey;
  readonly primaryArn: KeyArn;
  /** Undefined where it can't be read. */
  readonly primary: ObservedKey | undefined;
  /** As one that is there, whatever a refusal to show it says. */
  readonly isListed: boolean;
  /** By the profile. */
  readonly isWanted: boolean;
  readonly repair: RepairUnderway | undefined;
}

/** @returns whether there is one now */
async function reachReplica(
  ports: ProvisionPorts,
  run: Run,
  replica: ExpectedReplica,
  target: KeyTarget,
): Promise<boolean> {
  const { region, keyArn } = replica;
  for (let round = 1; round <= ROUNDS_MAX; round++) {
    const { isHidden, ...observed } = await observeReplica(ports, run, replica);
    if (isHidden && replica.isListed) {
      // This stage's worker may have lost its permissions in a Region with the profile that named it.
      if (target === "usable" && !replica.isWanted) return true;
      const message = `${keyArn} is a replica of the key, and KMS doesn't let tenantkeys look at it`;
      throw new TenantKeysError("access_denied", message, { step: `kms:DescribeKey in ${region}` });
    }
    const letsInByGrant = await leavesStranger(ports, run, replica, observed.key, target);
    const actions = actionsFor(replica, observed, target, letsInByGrant);
    if (actions.length === 0) return observed.key !== undefined;
    for (const kind of actions) await apply(ports, run, replica, kind);
  }
  const message = `the replica in ${region} is still not as wanted after ${ROUNDS_MAX} rounds`;
  throw new TenantKeysError("plan_not_converging", message, { step: "plan" });
}

/**
 * Grants are a replica's own. They are looked at where the repair is about them, or opens the replica, and revoked where it
 * may. @returns whether a stranger has one left, or may have
 */
async function leavesStranger(
  ports: ProvisionPorts,
  run: Run,
  { desired, region, keyArn, repair }: ExpectedReplica,
  key: ObservedKey | undefined,
  target: KeyTarget,
): Promise<boolean> {
  if (repair === undefined || key === undefined) return false;
  const { replicaActions, grants } = repair.permissions;
  const revokes = replicaActions.has("revoke-grant");
  if (!revokes && !(replicaActions.has("enable-key") && key.state === "Disabled")) return false;
  const clients = ports.clientsIn(region);
  const read = revokes ? readGrantsTooMany : readGrantsIfAllowed;
  const tooMany = await read(clients, run, desired, [keyArn], target);
  for (const { grantId } of tooMany?.filter(({ kind }) => revokes && grants[kind]) ?? []) {
    checkDeadline(run, "kms:RevokeGrant");
    await revokeGrant(clients, run, keyArn, grantId);
    repair.actions.add("revoke-grant");
  }
  return tooMany === undefined || tooMany.some(({ kind }) => kind === "foreign" && !(revokes && grants.foreign));
}

/** @throws TenantKeysError where somebody disabled or condemned it, and this is no repair */
function actionsFor(
  replica: ExpectedReplica,
  observed: ObservedReplica,
  target: KeyTarget,
  letsInByGrant: boolean,
): readonly ReplicaActionKind[] {
  const { desired, region, repair } = replica;
  if (repair !== undefined) {
    const { actions, withheld } = planReplicaRepair(desired, observed, target, repair.permissions, {
      primary: replica.primary,
      letsInByGrant,
    });
    repair.withheldOfReplicas.set(region, withheld);
    for (const kind of actions) repair.actions.add(kind);
    return actions;
  }
  const refused = observed.key === undefined ? undefined : refuseReplica(desired, observed.key, replica, target);
  if (refused !== undefined) throw refused;
  return planReplica(desired, observed, target);
}

async function observeReplica(
  ports: ProvisionPorts,
  run: Run,
  { desired: { aliasName }, region, keyArn }: ExpectedReplica,
): Promise<ObservedReplica & { readonly isHidden: boolean }> {
  const clients = ports.clientsIn(region);
  const [reading, alias] = await Promise.all([readKey(clients, run, keyArn), readKey(clients, run, aliasName)]);
  const key = reading.kind === "read" ? reading.key : undefined;
  const aliased = alias.kind === "read" && alias.key.keyArn === keyArn;
  return { region, keyArn, key, aliased, isHidden: reading.kind === "denied" };
}

async function apply(
  ports: ProvisionPorts,
  run: Run,
  replica: ExpectedReplica,
  kind: ReplicaActionKind,
): Promise<void> {
  const step = kind === "replicate" ? "kms:ReplicateKey" : STEP_OF_ACTION[kind];
  try {
    await untilVisible(run, ports.visibilityBudgetMs, isNotReadyYet, async () => {
      checkDeadline(run, step);
      await call(ports, run, replica, kind);
    });
  } catch (error) {
    throw narrowAwsError(error, step);
  }
}

/** A replica is `Creating` for some seconds, in which KMS refuses what it would take a moment later. */
function isNotReadyYet(error: unknown): boolean {
  return isNotVisibleYet(error) || errorName(error) === "KMSInvalidStateException";
}

async function call(ports: ProvisionPorts, run: Run, replica: ExpectedReplica, kind: ReplicaActionKind): Promise<void> {
  const { desired, region, keyArn } = replica;
  const clients = ports.clientsIn(region);
  switch (kind) {
    case "replicate":
      return replicate(ports, run, replica);
    case "create-alias":
      if (await createAlias(clients, run, desired.aliasName, keyArn)) return;
      if (replica.repair?.permissions.replicaActions.has("move-alias") === true) {
        return updateAlias(clients, run, desired.aliasName, keyArn);
      }
      throw new TenantKeysError("alias_taken", `${desired.aliasName} in ${region} leads to another key`);
    case "schedule-deletion":
      await scheduleKeyDeletion(clients, run, keyArn, desired.deletionWindowDays);
      return;
    default:
      return changeKey(clients, run, desired, kind, keyArn);
  }
}

/** Without its tenant, like its primary, and with its primary's attempt among the tags. */
async function replicate(
  ports: ProvisionPorts,
  run: Run,
  { desired, region, primaryArn, primary }: ExpectedReplica,
): Promise<void> {
  if (primary === undefined) throw new TenantKeysError("key_missing", `${primaryArn} can't be read to be replicated`);
  await replicateKey(ports.clients, run, primaryArn, {
    region,
    description: `tenantkeys: key ${desired.keyName} of tenant ${desired.tenantId}`,
    policy: desired.creationPolicy,
    tags: desired.keyTags(parseAttemptId(primary.tags[ATTEMPT_TAG] ?? "")),
  });
}
