/**
 * Reads what the proof of containment is made from: of every tenant its role, and of each of its keys the documents as
 * AWS has them now. What can't be read of one key is said of that key and ends nothing.
 */
import {
  desiredIn,
  type InspectedRole,
  type InspectedTenantKey,
  type KeyArn,
  type KeyRecord,
  type ProvenKey,
  type ProvenTenant,
  type Reading,
  stageNames,
  type TenantId,
  TenantKeysError,
  type TenantRecord,
  tenantRoleName,
} from "@tenantkeys/core";
import { declaredState } from "../declared-state.ts";
import type { Run } from "../run.ts";
import { inspectRole } from "../verification/inspect-role.ts";
import { inspectTenantKey } from "../verification/inspect-tenant-key.ts";
import type { VerifyPorts } from "../verification/ports.ts";

export type ProofPorts = Pick<VerifyPorts, "observing" | "observingIn" | "quota" | "context" | "settings" | "registry">;

/** Tenants read side by side: enough to fill the time that replies take, and the quota share paces the rest. */
const TENANTS_AT_ONCE = 8;
/** A key that a worker has in hand each time isn't proven this time. */
const LOOKS_MAX = 3;
const LOOK_AGAIN_DELAY_MS = 1_000;
/** What comes for whatever is left as well: the time is over. */
const OVER: readonly string[] = ["deadline_near", "rate_limited"];

/**
 * @param records the keys of the tenants to be read, in any order
 * @param onProgress gets how many tenants were read
 * @returns in order of tenants; those that the time didn't suffice for as unread
 * @throws TenantKeysError where nothing can be read by anybody: the registry or the auditor's role can't be had
 */
export async function readForProof(
  ports: ProofPorts,
  run: Run,
  records: readonly KeyRecord[],
  onProgress: (tenants: number) => void,
): Promise<readonly ProvenTenant[]> {
  const byTenant = [...Map.groupBy(records, ({ tenantId }) => tenantId)].sort(([a], [b]) => (a < b ? -1 : 1));
  const shared = ports.context.roleMode === "session-tag" ? await readShared(ports, run) : undefined;
  const proven: ProvenTenant[] = [];
  let next = 0;
  let done = 0;
  const worker = async () => {
    while (next < byTenant.length) {
      const index = next++;
      const [tenantId, keys] = byTenant[index] as [TenantId, KeyRecord[]];
      proven[index] = await unlessOver(tenantId, keys, () => readTenant(ports, run, tenantId, keys, shared));
      onProgress(++done);
    }
  };
  await Promise.all(Array.from({ length: TENANTS_AT_ONCE }, worker));
  return proven;
}

type RoleReading = Reading<InspectedRole | undefined>;

/** Once for all tenants: it would be the same role each time. */
function readShared(ports: ProofPorts, run: Run): Promise<RoleReading> {
  const { sharedTenantRole } = stageNames(ports.context.stage);
  return inspectRole(ports.observing, { run, quota: ports.quota }, sharedTenantRole);
}

async function unlessOver(
  tenantId: TenantId,
  records: readonly KeyRecord[],
  read: () => Promise<ProvenTenant>,
): Promise<ProvenTenant> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof TenantKeysError) || !OVER.includes(error.code)) throw error;
    const reason = "the command's time was over";
    const role: RoleReading = { kind: "failed", operation: "iam:GetRole", reason };
    return { tenantId, role, keys: records.flatMap((record) => unseen(record, reason, undefined)) };
  }
}

async function readTenant(
  ports: ProofPorts,
  run: Run,
  tenantId: TenantId,
  records: readonly KeyRecord[],
  shared: RoleReading | undefined,
): Promise<ProvenTenant> {
  const { context, observing, quota, registry } = ports;
  const [role, tenant] = await Promise.all([
    shared ?? inspectRole(observing, { run, quota }, tenantRoleName(context.stage, tenantId)),
    registry.getTenant(run, tenantId),
  ]);
  const keys = await Promise.all(records.map((record) => readKey(ports, run, record, tenant)));
  return { tenantId, role, keys: keys.flat() };
}

/** The key in use, those that it replaced, and its replicas. Of one that isn't made yet there is nothing. */
async function readKey(
  ports: ProofPorts,
  run: Run,
  known: KeyRecord,
  knownTenant: TenantRecord | undefined,
): Promise<readonly ProvenKey[]> {
  const { quota, registry } = ports;
  const { tenantId, keyName } = known;
  let profile: ProvenKey["profile"];
  let record: KeyRecord | undefined = known;
  let tenant = knownTenant;
  for (let looks = 1; looks <= LOOKS_MAX; looks++) {
    const nowMs = run.clock.nowMs();
    if (record.leaseUntilMs <= nowMs) {
      const declared = declaredOrWhy(ports, record, tenant, nowMs);
      if (typeof declared === "string") return unseen(record, declared, undefined);
      const { desired } = declared;
      profile = desired.profile;
      if (record.ownKeyArn !== undefined) return unseen(record, "its owner's policy can't be read", profile);
      // The tenant's role was read already, and where an alias leads opens no key.
      const bulk = { aliasTarget: undefined, role: undefined };
      const depth = { grants: true, rotations: false };
      const inspected = await inspectTenantKey(ports, { run, quota }, { desired, record, depth, bulk });
      const [fence, version] = [record.fence, tenant?.version];
      [record, tenant] = await Promise.all([registry.get(run, tenantId, keyName), registry.getTenant(run, tenantId)]);
      if (isGone(record)) return [];
      // What a worker changed meanwhile may be judged by what was declared before.
      if (record.fence === fence && tenant?.version === version) return provenKeys(record, inspected, declared, nowMs);
    }
    if (looks === LOOKS_MAX) break;
    await run.clock.sleep(LOOK_AGAIN_DELAY_MS * looks);
    [record, tenant] = await Promise.all([registry.get(run, tenantId, keyName), registry.getTenant(run, tenantId)]);
    if (isGone(record)) return [];
  }
  return unseen(record, "a worker has it in hand", profile);
}

/** Such a key isn't proven, as there is none. */
function isGone(record: KeyRecord | undefined): record is undefined {
  return record === undefined || record.state === "destroyed";
}

/** @returns why nobody can say what the key should be, where the stage lacks its profile */
function declaredOrWhy(ports: ProofPorts, record: KeyRecord, tenant: TenantRecord | undefined, nowMs: number) {
  try {
    return declaredState(ports, record.tenantId, record.keyName, { record, tenant }, nowMs);
  } catch (error) {
    if (error instanceof TenantKeysError && error.code === "settings_invalid") return error.message;
    throw error;
  }
}

type Declared = Exclude<ReturnType<typeof declaredOrWhy>, string>;

function provenKeys(
  record: KeyRecord,
  { keys, replicas }: InspectedTenantKey,
  { desired, target }: Declared,
  readAtMs: number,
): readonly ProvenKey[] {
  const { keyName, keyArn: current } = record;
  const { profile } = desired;
  const own = keys.map((key): ProvenKey => {
    const part = key.keyArn === current ? "current" : "replaced";
    const seen = { kind: "inspected", key, desired, target, readAtMs } as const;
    return { keyArn: key.keyArn, keyName, part, isOwnKey: false, profile, seen };
  });
  const copies = replicas.map(({ region, key }): ProvenKey => {
    const seen = { kind: "inspected", key, desired: desiredIn(desired, region), target, readAtMs } as const;
    return { keyArn: key.keyArn, keyName, part: "replica", isOwnKey: false, profile, seen };
  });
  return [...own, ...copies];
}

function unseen(record: KeyRecord, reason: string, profile: ProvenKey["profile"]): readonly ProvenKey[] {
  const { ownKeyArn, keyArn = ownKeyArn, keyName, previousKeyArns = [] } = record;
  const isOwnKey = ownKeyArn !== undefined;
  const seen = { kind: "unseen", reason } as const;
  const of = (arn: KeyArn, part: ProvenKey["part"]): ProvenKey => ({
    keyArn: arn,
    keyName,
    part,
    isOwnKey,
    profile,
    seen,
  });
  return [
    ...(keyArn === undefined ? [] : [of(keyArn, "current")]),
    ...previousKeyArns.map((arn) => of(arn, "replaced")),
  ];
}
