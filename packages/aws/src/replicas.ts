/** Brings the replicas of a multi-Region key to what is declared, Region by Region: read, plan, apply. */
import {
  ATTEMPT_TAG,
  asTenantKeysError,
  type DesiredTenantKey,
  desiredTenantKey,
  hasReplicas,
  type KeyArn,
  type KeyTarget,
  type ObservedReplica,
  parseAttemptId,
  planReplica,
  type RecordedKeys,
  type Region,
  type ReplicaActionKind,
  refuseReplica,
  replicaArn,
  TenantKeysError,
} from "@tenantkeys/core";
import { isNotVisibleYet, refuseUncontained } from "./executor.ts";
import {
  cancelKeyDeletion,
  createAlias,
  disableKey,
  enableKey,
  putKeyPolicy,
  readKey,
  replicateKey,
  scheduleKeyDeletion,
} from "./keys.ts";
import { errorName, narrowAwsError } from "./narrow-error.ts";
import type { ProvisionPorts } from "./ports.ts";
import { checkDeadline, type Run, untilVisible } from "./run.ts";

/** A cancelled deletion is looked at again; a third look means that somebody undoes what we do. */
const ROUNDS_MAX = 3;

/**
 * Every Region of the profile, and every other that KMS lists: a replica of an earlier profile follows its tenant too. One
 * Region's failure is thrown when the others have been dealt with.
 * @param keyArn the primary's
 */
export async function reachReplicas(
  ports: ProvisionPorts,
  run: Run,
  desired: DesiredTenantKey,
  keyArn: KeyArn,
  recorded: Pick<RecordedKeys, "state">,
  target: KeyTarget,
): Promise<void> {
  if (!hasReplicas(keyArn)) return;
  const primary = await readKey(ports.clients, run, keyArn);
  const listed = primary.kind === "read" ? (primary.key.replicaRegions ?? []) : [];
  let failure: TenantKeysError | undefined;
  for (const region of new Set([...desired.replicaRegions, ...listed])) {
    const there = desiredTenantKey({ ...desired.context, region }, desired.tenantId, desired.keyName, desired.profile);
    const known = {
      state: recorded.state,
      isListed: listed.includes(region),
      isWanted: desired.replicaRegions.includes(region),
    };
    try {
      await reachReplica(ports, run, there, keyArn, target, known);
    } catch (error) {
      failure ??= asTenantKeysError(error);
    }
  }
  if (failure !== undefined) throw failure;
}

interface KnownReplica extends Pick<RecordedKeys, "state"> {
  /** By its primary: then it is there, whatever a refusal to show it says. */
  readonly isListed: boolean;
  readonly isWanted: boolean;
}

async function reachReplica(
  ports: ProvisionPorts,
  run: Run,
  desired: DesiredTenantKey,
  primary: KeyArn,
  target: KeyTarget,
  known: KnownReplica,
): Promise<void> {
  const { region } = desired.context;
  for (let round = 1; round <= ROUNDS_MAX; round++) {
    const { isHidden, ...observed } = await observeReplica(ports, run, desired, primary, region);
    if (isHidden && known.isListed) {
      // This stage's worker may have lost its permissions in a Region with the profile that named it.
      if (target === "usable" && !known.isWanted) return;
      const message = `${observed.keyArn} is a replica of the key, and KMS doesn't let tenantkeys look at it`;
      throw new TenantKeysError("access_denied", message, { step: `kms:DescribeKey in ${region}` });
    }
    const refused = observed.key === undefined ? undefined : refuseReplica(desired, observed.key, known, target);
    if (refused !== undefined) throw refused;
    const actions = planReplica(desired, observed, target);
    if (actions.length === 0) return;
    for (const kind of actions) await apply(ports, run, desired, primary, observed.keyArn, kind);
  }
  const message = `the replica in ${region} is still not as wanted after ${ROUNDS_MAX} rounds`;
  throw new TenantKeysError("plan_not_converging", message, { step: "plan" });
}

async function observeReplica(
  ports: ProvisionPorts,
  run: Run,
  { aliasName }: DesiredTenantKey,
  primary: KeyArn,
  region: Region,
): Promise<ObservedReplica & { readonly isHidden: boolean }> {
  const clients = ports.clientsIn(region);
  const keyArn = replicaArn(primary, region);
  const [reading, alias] = await Promise.all([readKey(clients, run, keyArn), readKey(clients, run, aliasName)]);
  const key = reading.kind === "read" ? reading.key : undefined;
  const aliased = alias.kind === "read" && alias.key.keyArn === keyArn;
  return { region, keyArn, key, aliased, isHidden: reading.kind === "denied" };
}

const STEP_OF: Readonly<Record<ReplicaActionKind, string>> = {
  replicate: "kms:ReplicateKey",
  "create-alias": "kms:CreateAlias",
  "admit-tenant": "kms:PutKeyPolicy",
  "enable-key": "kms:EnableKey",
  "disable-key": "kms:DisableKey",
  "shut-out-tenant": "kms:PutKeyPolicy",
  "cancel-deletion": "kms:CancelKeyDeletion",
  "schedule-deletion": "kms:ScheduleKeyDeletion",
};

async function apply(
  ports: ProvisionPorts,
  run: Run,
  desired: DesiredTenantKey,
  primary: KeyArn,
  keyArn: KeyArn,
  kind: ReplicaActionKind,
): Promise<void> {
  const step = STEP_OF[kind];
  try {
    await untilVisible(run, ports.visibilityBudgetMs, isNotReadyYet, async () => {
      checkDeadline(run, step);
      await call(ports, run, desired, primary, keyArn, kind);
    });
  } catch (error) {
    throw narrowAwsError(error, step);
  }
}

/** A replica is `Creating` for some seconds, in which KMS refuses what it would take a moment later. */
function isNotReadyYet(error: unknown): boolean {
  return isNotVisibleYet(error) || errorName(error) === "KMSInvalidStateException";
}

async function call(
  ports: ProvisionPorts,
  run: Run,
  desired: DesiredTenantKey,
  primary: KeyArn,
  keyArn: KeyArn,
  kind: ReplicaActionKind,
): Promise<void> {
  const { region } = desired.context;
  const clients = ports.clientsIn(region);
  switch (kind) {
    case "replicate":
      return replicate(ports, run, desired, primary);
    case "create-alias":
      if (await createAlias(clients, run, desired.aliasName, keyArn)) return;
      throw new TenantKeysError("alias_taken", `${desired.aliasName} in ${region} leads to another key`);
    case "admit-tenant":
      refuseUncontained(desired);
      return putKeyPolicy(clients, run, keyArn, desired.admittedPolicy);
    case "shut-out-tenant":
      return putKeyPolicy(clients, run, keyArn, desired.departingPolicy);
    case "enable-key":
      return enableKey(clients, run, keyArn);
    case "disable-key":
      return disableKey(clients, run, keyArn);
    case "cancel-deletion":
      return cancelKeyDeletion(clients, run, keyArn);
    case "schedule-deletion":
      await scheduleKeyDeletion(clients, run, keyArn, desired.deletionWindowDays);
  }
}

/** Without its tenant, like its primary, and with its primary's attempt among the tags. */
async function replicate(ports: ProvisionPorts, run: Run, desired: DesiredTenantKey, primary: KeyArn): Promise<void> {
  const reading = await readKey(ports.clients, run, primary);
  if (reading.kind !== "read") throw new TenantKeysError("key_missing", `${primary} can't be read to be replicated`);
  await replicateKey(ports.clients, run, primary, {
    region: desired.context.region,
    description: `tenantkeys: key ${desired.keyName} of tenant ${desired.tenantId}`,
    policy: desired.creationPolicy,
    tags: desired.keyTags(parseAttemptId(reading.key.tags[ATTEMPT_TAG] ?? "")),
  });
}
