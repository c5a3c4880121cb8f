/** Takes the declaration of one key into the registry: with its first attempt and the lease, in one conditional write. */
import {
  DAY_MS,
  decideDeclaration,
  type KeyDeclaration,
  type KeyProfile,
  type KeyRecord,
  leavingRegister,
  mergeNewLife,
  mergeSignUp,
  newTenant,
  parseAttemptId,
  pastProfiles,
  TenantKeysError,
  type TenantRecord,
  tenantOffboarded,
} from "@tenantkeys/core";
import type { ProvisionPorts } from "./ports.ts";
import type { Known } from "./registry.ts";
import type { Run } from "./run.ts";
import { contended, RACES_MAX, refuseBusy, type TakenKey, underLease } from "./take-key.ts";

export type Declaration =
  /** `fresh`: nothing of the key can be in AWS yet. */
  | ({ readonly kind: "held"; readonly fresh: boolean } & TakenKey)
  /** A newer declaration is known already, or an end: this one changes nothing. */
  | { readonly kind: "superseded"; readonly byGeneration: number }
  /** An older sign-up than any before, under which an offboarding of the tenant counts: its keys are to be looked at. */
  | { readonly kind: "tenant-changed"; readonly tenant: TenantRecord };

type Next =
  | {
      readonly kind: "write";
      readonly record: KeyRecord;
      readonly tenant: TenantRecord;
      readonly result: Declaration | TenantKeysError;
    }
  | { readonly kind: "done"; readonly declaration: Declaration }
  /** The tenant's record was written, or read anew: decide again. */
  | { readonly kind: "again"; readonly tenant: TenantRecord | undefined };

/**
 * @param tenant the tenant's record where the caller has read it already; a wrong one costs a lost race
 * @throws TenantKeysError `tenant_offboarded`, `generation_conflict`, `state_conflict`, `origin_mismatch`, `lease_taken`
 */
export async function declareKey(
  ports: ProvisionPorts,
  run: Run,
  declaration: KeyDeclaration,
  tenant?: TenantRecord,
): Promise<Declaration> {
  const attemptId = ports.newAttemptId();
  let known: Known = { record: undefined, tenant };
  for (let race = 1; race <= RACES_MAX; race++) {
    const next = await decide(ports, run, declaration, known, attemptId);
    if (next.kind === "done") return next.declaration;
    if (next.kind === "again") {
      known = { ...known, tenant: next.tenant };
      continue;
    }
    const declaring = await ports.registry.declare(run, known, next);
    if (declaring.kind === "written") {
      if (next.result instanceof TenantKeysError) throw next.result;
      return next.result;
    }
    known = { record: declaring.record, tenant: declaring.tenant };
    // Our own write, whose first reply was lost: the SDK sent it again and met itself.
    const own = known.record?.fence === 1 && known.record.attempts[0]?.attemptId === attemptId;
    if (own && known.tenant !== undefined && known.record !== undefined) {
      return { kind: "held", fresh: true, record: known.record, tenant: known.tenant };
    }
  }
  throw contended();
}

async function decide(
  ports: ProvisionPorts,
  run: Run,
  declaration: KeyDeclaration,
  known: Known,
  attemptId: string,
): Promise<Next> {
  const nowMs = run.clock.nowMs();
  if (known.tenant !== undefined && (await beginsNewLife(ports, run, declaration, known.tenant))) {
    const merged = mergeNewLife(known.tenant, declaration, nowMs);
    if (merged.kind === "changed") return declareIn(ports, declaration, known, merged.tenant, attemptId, nowMs);
  }
  if (known.tenant === undefined) {
    return declareIn(ports, declaration, known, newTenant(declaration, nowMs), attemptId, nowMs);
  }
  const merged = mergeSignUp(known.tenant, declaration, nowMs);
  if (merged.kind === "superseded") return { kind: "done", declaration: merged };
  if (merged.kind === "known") return declareIn(ports, declaration, known, known.tenant, attemptId, nowMs);
  if (merged.kind === "refused") throw merged.error;
  return olderSignUp(ports, run, known.tenant, merged.tenant);
}

/** A sign-up that is older than any before moves the beginning of the tenant's life, and an offboarding may now count. */
async function olderSignUp(ports: ProvisionPorts, run: Run, before: TenantRecord, tenant: TenantRecord): Promise<Next> {
  const written = await ports.registry.putTenant(run, tenant, before.version);
  if (written === "conflict") return { kind: "again", tenant: await ports.registry.getTenant(run, tenant.tenantId) };
  const leavesNow = leavingRegister(before) === undefined && leavingRegister(tenant) !== undefined;
  return leavesNow ? { kind: "done", declaration: { kind: "tenant-changed", tenant } } : { kind: "again", tenant };
}

async function beginsNewLife(
  ports: ProvisionPorts,
  run: Run,
  { tenantId, generation }: KeyDeclaration,
  tenant: TenantRecord,
): Promise<boolean> {
  const leaving = leavingRegister(tenant);
  if (leaving === undefined || generation <= leaving.generation) return false;
  const keys = await ports.registry.keysOfTenant(run, tenantId);
  return keys.length > 0 && keys.every((key) => key.state === "destroyed");
}

function declareIn(
  ports: ProvisionPorts,
  declaration: KeyDeclaration,
  { record }: Known,
  tenant: TenantRecord,
  attemptId: string,
  nowMs: number,
): Next {
  return record === undefined
    ? declareNew(ports, declaration, tenant, attemptId, nowMs)
    : declareKnown(ports, declaration, record, tenant, attemptId, nowMs);
}

function declareNew(
  ports: ProvisionPorts,
  declaration: KeyDeclaration,
  tenant: TenantRecord,
  attemptId: string,
  nowMs: number,
): Next {
  const fresh = freshRecord(ports, declaration, attemptId, nowMs);
  const leaving = leavingRegister(tenant);
  if (leaving === undefined) {
    return { kind: "write", record: fresh, tenant, result: { kind: "held", fresh: true, record: fresh, tenant } };
  }
  // Nothing is made for a tenant that is leaving; the declaration is kept, for the case that it is reinstated.
  const record: KeyRecord = {
    ...fresh,
    state: "offboarding",
    attempts: [],
    leaseUntilMs: 0,
    offboardedAtMs: nowMs,
    waitingFor: "watch-period",
    nextCheckAtMs: nowMs + (ports.profiles[declaration.profile]?.watchPeriodDays ?? 0) * DAY_MS,
  };
  const about = { tenantId: record.tenantId, keyName: record.keyName, step: "declare" };
  const superseded = { kind: "superseded", byGeneration: leaving.generation } as const;
  const older = declaration.generation < leaving.generation;
  return { kind: "write", record, tenant, result: older ? superseded : tenantOffboarded(record, about) };
}

function declareKnown(
  ports: ProvisionPorts,
  declaration: KeyDeclaration,
  record: KeyRecord,
  tenant: TenantRecord,
  attemptId: string,
  nowMs: number,
): Next {
  const decision = decideDeclaration(record, tenant, declaration, nowMs);
  switch (decision.kind) {
    case "superseded":
      return { kind: "done", declaration: decision };
    case "refused":
      throw decision.error;
    case "busy":
      refuseBusy(record, nowMs);
      throw contended();
    case "record": {
      refuseOtherKind(ports.profiles, record, declaration);
      const kept = { ...record, ...declared(ports, record, declaration), fence: record.fence + 1, updatedAtMs: nowMs };
      const superseded = { kind: "superseded", byGeneration: tenant.leaving?.generation ?? 0 } as const;
      return { kind: "write", record: kept, tenant, result: decision.error ?? superseded };
    }
    case "new-life": {
      const attempts = [{ attemptId: parseAttemptId(attemptId), outcome: "unused" as const }];
      const fresh = { ...freshRecord(ports, declaration, attemptId, nowMs), fence: record.fence + 1, attempts };
      return { kind: "write", record: fresh, tenant, result: { kind: "held", fresh: false, record: fresh, tenant } };
    }
    case "proceed": {
      refuseOtherKind(ports.profiles, record, declaration);
      const taken = { ...underLease(ports, record, nowMs), ...declared(ports, record, declaration) };
      return { kind: "write", record: taken, tenant, result: { kind: "held", fresh: false, record: taken, tenant } };
    }
  }
}

/** What KMS decides of a key when it is made, and never changes. */
const KIND_FIELDS = ["keySpec", "origin", "customKeyStoreId"] as const satisfies readonly (keyof KeyProfile)[];

/**
 * Before it is recorded: a record that names another kind of key than it has could be neither suspended nor resumed.
 * @throws TenantKeysError `origin_mismatch`
 */
function refuseOtherKind(
  profiles: ProvisionPorts["profiles"],
  record: KeyRecord,
  { profile: name }: KeyDeclaration,
): void {
  const isMade = record.keyArn !== undefined || record.attempts.some(({ outcome }) => outcome === "created");
  const [made, declared] = [profiles[record.profile], profiles[name]];
  // Of a key in the tenant's own account KMS says what it is.
  if (!isMade || record.ownKeyArn !== undefined || made === undefined || declared === undefined) return;
  const differs = KIND_FIELDS.find((field) => made[field] !== declared[field]);
  if (differs === undefined) return;
  const message = `profile "${name}" is of ${differs} ${declared[differs]}, and the key was made with profile "${record.profile}", of ${made[differs]}`;
  throw new TenantKeysError("origin_mismatch", message, { step: "declare" });
}

function declared({ profiles }: ProvisionPorts, record: KeyRecord, declaration: KeyDeclaration): Partial<KeyRecord> {
  return { ...declaration, pastProfiles: pastProfiles(profiles, record, declaration.profile) };
}

function freshRecord(ports: ProvisionPorts, declaration: KeyDeclaration, attemptId: string, nowMs: number): KeyRecord {
  return {
    ...declaration,
    state: "provisioning",
    attempts: [{ attemptId: parseAttemptId(attemptId), outcome: "open" }],
    fence: 1,
    leaseUntilMs: nowMs + ports.leaseDurationMs,
    declaredAtMs: nowMs,
    updatedAtMs: nowMs,
  };
}
