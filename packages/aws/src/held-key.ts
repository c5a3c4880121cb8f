/** A key whose lease this run holds: observe, plan and apply until AWS is as declared, and record what was reached. */
import {
  ATTEMPT_TAG,
  ATTEMPTS_MAX,
  type Attempt,
  type AttemptId,
  asTenantKeysError,
  DAY_MS,
  type DesiredTenantKey,
  desiredTenantKey,
  isRecordedAttempt,
  type KeyArn,
  type KeyProfile,
  type KeyRecord,
  type KeyTarget,
  keysSeen,
  keyTarget,
  NOTHING_OBSERVED,
  needRole,
  type ObservedTenantKey,
  offboardingOf,
  type Plan,
  parseAttemptId,
  plan,
  planOwnKey,
  planOwnKeyRepair,
  planRepair,
  profileInForce,
  type RecordedKeys,
  type RepairDone,
  type RepairPermissions,
  type Replica,
  recordedKeys,
  samePolicy,
  TenantKeysError,
  type TenantRecord,
  unusedAttempt,
} from "@tenantkeys/core";
import { type Applied, applyPlan } from "./executor.ts";
import { readGrantsIfAllowed, readGrantsTooMany } from "./grants.ts";
import { readLastUse } from "./key-operations.ts";
import { whyOwnKeyIsUnusable } from "./keys.ts";
import { observeTenantKey } from "./observer.ts";
import type { ProvisionPorts } from "./ports.ts";
import { type Reached, recordOf } from "./reached.ts";
import { type RepairUnderway, reachReplicas } from "./replicas.ts";
import { announceTransition } from "./replies-to.ts";
import type { Run } from "./run.ts";
import type { TakenKey } from "./take-key.ts";

/** Observations and plans in one run. The first may be surprised by what another run left; a third surprise is a fight. */
const ROUNDS_MAX = 3;
const FAILED_REVIEW_DELAY_MS = DAY_MS;

export type RepairAsked = Pick<RepairDone, "eventId" | "by" | "rules" | "automatic">;

export interface Repaired {
  readonly record: KeyRecord;
  readonly done: RepairDone;
}

/** Of the key itself. */
type ReachedKey = Omit<Reached, "lastUsedAtMs" | "replicas">;

export class HeldKey {
  readonly #ports: ProvisionPorts;
  readonly #run: Run;
  readonly #tenant: TenantRecord;
  readonly #profile: KeyProfile | undefined;
  #record: KeyRecord;
  /** While a repair goes on: nothing else is done then. */
  #repair: RepairUnderway | undefined;

  constructor(ports: ProvisionPorts, run: Run, { record, tenant }: TakenKey) {
    this.#ports = ports;
    this.#run = run;
    this.#tenant = tenant;
    this.#profile = profileInForce(ports.profiles, record);
    this.#record = record;
  }

  get record(): KeyRecord {
    return this.#record;
  }

  /** @throws TenantKeysError `event_invalid` where the stage has no such profile, or no longer */
  get desired(): DesiredTenantKey {
    const { tenantId, keyName } = this.#record;
    return desiredTenantKey(this.#ports.context, tenantId, keyName, this.#knownProfile);
  }

  get #knownProfile(): KeyProfile {
    if (this.#profile !== undefined) return this.#profile;
    const message = `this stage has no key profile "${this.#record.profile}"`;
    throw new TenantKeysError("event_invalid", message, { step: "plan" });
  }

  /**
   * @param fresh nothing of the key can be in AWS yet, so nothing is read
   * @throws TenantKeysError any code; what was reached is in the record, with the reason
   */
  converge(fresh = false): Promise<KeyRecord> {
    return this.settle(() => this.#convergeAndRelease(fresh, 0));
  }

  /**
   * Does what the repair permits of what is needed. Where that is all of it the key is as declared, and recorded so; else
   * its state stays as it was recorded.
   * @throws TenantKeysError any code, where what was permitted couldn't be done
   */
  async repair(permissions: RepairPermissions, asked: RepairAsked): Promise<Repaired> {
    this.#repair = { permissions, asked, actions: new Set(), withheld: [], withheldOfReplicas: new Map() };
    const record = await this.converge();
    if (record.lastRepair !== undefined) return { record, done: record.lastRepair };
    throw new TenantKeysError("record_invalid", "the record lacks what was repaired", { step: "record" });
  }

  /** The same, within other work: the lease is kept. */
  async reachDeclared(): Promise<void> {
    await this.#convergeAndRelease(false, this.#record.leaseUntilMs);
  }

  async #convergeAndRelease(fresh: boolean, leaseUntilMs: number): Promise<KeyRecord> {
    const nowMs = this.#run.clock.nowMs();
    const rules = { ...this.#knownProfile, approvalPrincipal: this.#ports.approvalPrincipal };
    const offboarding = offboardingOf(this.#tenant, rules, this.#record, nowMs);
    const target = keyTarget(this.#tenant, offboarding);
    const lastUsedAtMs = await this.#readLastUse(target);
    const disables = this.#repair?.permissions.actions.has("disable-key") !== false;
    if (target === "disabled" && disables) await this.#announceDisabling(nowMs);
    const { desired } = this;
    const reached = await this.#reachWithReplicas(desired, target, fresh);
    const lastRepair = this.#repair === undefined ? this.#record.lastRepair : doneOf(this.#repair, nowMs);
    if (this.#repair !== undefined && lastRepair !== undefined && lastRepair.withheld.length > 0) {
      return this.write({ leaseUntilMs, failure: undefined, lastRepair });
    }
    const { record: reachedRecord, destruction } = recordOf(
      { record: this.#record, tenant: this.#tenant, desired, offboarding, nowMs },
      { ...reached, lastUsedAtMs },
    );
    const record = { ...reachedRecord, lastRepair, leaseUntilMs };
    await announceTransition(this.#ports, this.#run, this.#tenant, this.#record, record);
    await this.#ports.registry.replace(this.#run, record, this.#record.fence, destruction);
    this.#record = record;
    return record;
  }

  /** Does the work and, where it fails, gives the lease back with the reason. */
  async settle<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const failure = asTenantKeysError(error);
      // Whoever took over writes from now on.
      if (failure.code !== "lease_lost") await this.#recordFailure(failure);
      throw failure;
    }
  }

  /** Writes a change under the lease. */
  async write(change: Partial<KeyRecord>): Promise<KeyRecord> {
    const record: KeyRecord = { ...this.#record, ...change, updatedAtMs: this.#run.clock.nowMs() };
    await this.#ports.registry.replace(this.#run, record, this.#record.fence);
    this.#record = record;
    return record;
  }

  /**
   * Makes the key that is to replace the one in use, under an attempt that is recorded first. It admits nobody yet.
   * @param begun whether an earlier run may have made it already: then it is looked for by its attempt
   */
  async makeReplacement(begun: boolean): Promise<KeyArn> {
    const { desired } = this;
    const made = begun ? await this.#findReplacement(desired) : undefined;
    if (made !== undefined) return made;
    await this.#openAttempt();
    const start = { keyArn: undefined, attempt: this.#record.attempts.at(-1), xksKeyId: this.#record.xksKeyId };
    const applied = await applyPlan(this.#ports, this.#run, desired, [[{ kind: "create-key" }]], start);
    if (applied.attempt !== undefined) this.#learn(applied.attempt);
    if (applied.error !== undefined) throw applied.error;
    if (applied.keyArn === undefined) throw new TenantKeysError("aws_unexpected", "kms:CreateKey: no key was made");
    return applied.keyArn;
  }

  async #findReplacement(desired: DesiredTenantKey): Promise<KeyArn | undefined> {
    const { taggedKeys } = await this.#observe(desired);
    const { keyArn, previousKeyArns = [] } = this.#record;
    const inUse = [keyArn, ...previousKeyArns];
    // Also one that is known to have made a key: the write that would have made it the tenant's may have failed.
    const attempts = this.#record.attempts.filter(({ outcome }) => outcome !== "unused");
    const found = taggedKeys.find(
      (key) =>
        !inUse.includes(key.keyArn) &&
        isRecordedAttempt(key, { attempts }) &&
        // Any other run of this tenant may have condemned it as a spare.
        key.state === "Enabled" &&
        samePolicy(key.policy, desired.creationPolicy),
    );
    if (found === undefined) return undefined;
    this.#learn({ attemptId: parseAttemptId(found.tags[ATTEMPT_TAG] ?? ""), outcome: "created", keyArn: found.keyArn });
    return found.keyArn;
  }

  async #announceDisabling(nowMs: number): Promise<void> {
    const { ownKeyArn, disablingSinceMs } = this.#record;
    if (ownKeyArn !== undefined || disablingSinceMs !== undefined) return;
    await this.write({ disablingSinceMs: nowMs });
  }

  /** Before the tenant is shut out, and again before the deletion is scheduled: a use in between means a way round. */
  async #readLastUse(target: KeyTarget): Promise<number | undefined> {
    const { keyArn, offboardedAtMs, scheduledAtMs, lastUsedAtMs } = this.#record;
    const shuttingOut = target === "withdrawn" && offboardedAtMs === undefined;
    const scheduling = target === "deleted" && scheduledAtMs === undefined;
    if (keyArn === undefined || !(shuttingOut || scheduling)) return lastUsedAtMs;
    return (await readLastUse(this.#ports.clients, this.#run, keyArn)) ?? lastUsedAtMs;
  }

  /** On the way out replicas go first: KMS keeps a primary until its last replica is gone. On the way in they follow. */
  async #reachWithReplicas(
    desired: DesiredTenantKey,
    target: KeyTarget,
    fresh: boolean,
  ): Promise<Omit<Reached, "lastUsedAtMs">> {
    const replicasOf = async (keyArn: KeyArn | undefined): Promise<readonly Replica[]> => {
      if (keyArn === undefined || this.#record.ownKeyArn !== undefined) return [];
      return reachReplicas(this.#ports, this.#run, desired, keyArn, this.#record, target, this.#repair);
    };
    if (target === "usable" || target === "disabled") {
      // Only an enabled key is replicated: what a suspended tenant's key lacks follows when the tenant is resumed.
      const reached = await this.#reach(desired, target, fresh).catch(async (error) => {
        // Whatever keeps the key itself from being disabled keeps no replica, which decrypts the same.
        if (target === "disabled") await replicasOf(this.#record.keyArn).catch(() => []);
        throw error;
      });
      return { ...reached, replicas: await replicasOf(reached.keyArn) };
    }
    // A Region that doesn't answer mustn't keep the primary from being shut.
    const before = await replicasOf(this.#record.keyArn).catch(asTenantKeysError);
    const failed = before instanceof TenantKeysError;
    // A scheduled primary waits for its replicas, so while one can't be dealt with nothing is begun that couldn't end.
    const waits = failed && target === "deleted" && this.#record.scheduledAtMs === undefined;
    const reached = await this.#reach(desired, waits ? "withdrawn" : target, fresh);
    if (failed) throw before;
    // A worker that died before it recorded its key may have replicated it.
    const replicas = this.#record.keyArn === undefined ? await replicasOf(reached.keyArn) : before;
    return { ...reached, replicas };
  }

  async #reach(desired: DesiredTenantKey, target: KeyTarget, fresh: boolean): Promise<ReachedKey> {
    const { ownKeyArn } = this.#record;
    if (ownKeyArn !== undefined) return this.#reachOwnKey(desired, target, ownKeyArn, fresh);
    let observed: ObservedTenantKey = fresh ? NOTHING_OBSERVED : await this.#observe(desired);
    let mayCreate = fresh;
    for (let round = 1; round <= ROUNDS_MAX; round++) {
      const recorded = await this.#recorded(observed, target);
      const planned = this.#plan(desired, await this.#withGrants(desired, observed, target), recorded, target);
      if (planned.kind === "refused") throw planned.error;
      const creates = planned.steps.some((step) => step.some((action) => action.kind === "create-key"));
      if (creates && !mayCreate) await this.#openAttempt();
      mayCreate = false;
      const start = {
        keyArn: planned.keyArn,
        attempt: this.#record.attempts.at(-1),
        previousKeyArns: this.#record.previousKeyArns,
        xksKeyId: this.#record.xksKeyId,
      };
      const applied = await applyPlan(this.#ports, this.#run, desired, planned.steps, start);
      if (applied.attempt !== undefined) this.#learn(applied.attempt);
      this.#note(planned, applied);
      if (applied.error !== undefined) throw applied.error;
      if (!applied.surprised) {
        if (planned.refusal !== undefined) throw planned.refusal;
        const { keyArn, importParameters, deletionDateMs } = applied;
        const key = keysSeen(observed).find((candidate) => candidate.keyArn === keyArn);
        return { keyArn, observed: key, importParameters, deletionDateMs };
      }
      observed = await this.#observe(desired, applied.aliasExists);
    }
    throw notConverging();
  }

  #plan(desired: DesiredTenantKey, observed: ObservedTenantKey, recorded: RecordedKeys, target: KeyTarget): Plan {
    return this.#repair === undefined
      ? plan(desired, observed, recorded, target)
      : planRepair(desired, observed, recorded, target, this.#repair.permissions);
  }

  #note({ withheld = [] }: Extract<Plan, { readonly kind: "ready" }>, { taken, aliasExists }: Applied): void {
    if (this.#repair === undefined) return;
    for (const kind of taken) if (kind !== "create-alias" || !aliasExists) this.#repair.actions.add(kind);
    // What an earlier round withheld may be what a later one does.
    this.#repair.withheld = withheld;
  }

  /**
   * A key of the tenant's own account: only the tenant's role is ours. It is made even for a key that can't be used yet, so
   * that its owner can try it as soon as the key's policy is right; but only a key that can be used gets into the role's
   * policy: a suspension passes by a key that has failed.
   */
  async #reachOwnKey(
    desired: DesiredTenantKey,
    target: KeyTarget,
    ownKeyArn: KeyArn,
    fresh: boolean,
  ): Promise<ReachedKey> {
    const { clients } = this.#ports;
    const unusable =
      target === "usable" ? await whyOwnKeyIsUnusable(clients, this.#run, ownKeyArn, desired) : undefined;
    const admits = unusable === undefined || this.#record.state === "active";
    let observed: ObservedTenantKey = fresh ? NOTHING_OBSERVED : await this.#observe(desired);
    for (let round = 1; round <= ROUNDS_MAX; round++) {
      const planned = await this.#planOwnKey(desired, observed, ownKeyArn, admits ? target : "disabled");
      if (planned.kind === "refused") throw planned.error;
      const start = { keyArn: planned.keyArn, attempt: undefined };
      const applied = await applyPlan(this.#ports, this.#run, desired, planned.steps, start);
      this.#note(planned, applied);
      const { error, surprised, keyArn } = applied;
      if (error !== undefined) throw error;
      if (!surprised) {
        if (planned.refusal !== undefined) throw planned.refusal;
        if (unusable !== undefined) throw unusable;
        return { keyArn, observed: undefined, importParameters: undefined, deletionDateMs: undefined };
      }
      observed = await this.#observe(desired);
    }
    throw notConverging();
  }

  async #planOwnKey(
    desired: DesiredTenantKey,
    observed: ObservedTenantKey,
    ownKeyArn: KeyArn,
    target: KeyTarget,
  ): Promise<Plan> {
    if (this.#repair !== undefined) {
      const recorded = await this.#recorded(observed, target);
      return planOwnKeyRepair(desired, observed, recorded, ownKeyArn, target, this.#repair.permissions);
    }
    const roleIsNeeded = target === "deleted" && observed.role !== undefined && (await this.#roleIsNeeded());
    return planOwnKey(desired, observed, ownKeyArn, target, roleIsNeeded);
  }

  async #recorded(observed: ObservedTenantKey, target: KeyTarget): Promise<RecordedKeys> {
    const roleIsNeeded = target === "deleted" && observed.role !== undefined ? await this.#roleIsNeeded() : undefined;
    return recordedKeys(this.#record, roleIsNeeded, this.#run.clock.nowMs());
  }

  async #roleIsNeeded(): Promise<boolean> {
    const { tenantId, keyName } = this.#record;
    const keys = await this.#ports.registry.keysOfTenant(this.#run, tenantId);
    return needRole(keys, keyName, this.#run.clock.nowMs());
  }

  #observe(desired: DesiredTenantKey, aliasExists = false): Promise<ObservedTenantKey> {
    return observeTenantKey(this.#ports.clients, this.#run, desired, this.#record, aliasExists);
  }

  /** Grants are looked at where a repair is about them, or opens a key: no other work has to do with them. */
  async #withGrants(desired: DesiredTenantKey, observed: ObservedTenantKey, target: KeyTarget) {
    if (this.#repair === undefined) return observed;
    const { actions } = this.#repair.permissions;
    const { keyArn, previousKeyArns = [] } = this.#record;
    const ours = keysSeen(observed).filter((key) => [keyArn, ...previousKeyArns].includes(key.keyArn));
    const revokes = actions.has("revoke-grant");
    if (!revokes && !(actions.has("enable-key") && ours.some(({ state }) => state === "Disabled"))) return observed;
    const keyArns = ours.map((key) => key.keyArn);
    const read = revokes ? readGrantsTooMany : readGrantsIfAllowed;
    return { ...observed, grantsTooMany: await read(this.#ports.clients, this.#run, desired, keyArns, target) };
  }

  #learn(attempt: Attempt): void {
    const attempts = this.#record.attempts.map((known) => (known.attemptId === attempt.attemptId ? attempt : known));
    this.#record = { ...this.#record, attempts };
  }

  /** Records, before CreateKey is called, under which attempt it is: one that certainly made no key, or a new one. */
  async #openAttempt(): Promise<void> {
    const { attempts } = this.#record;
    const reused = unusedAttempt(attempts);
    if (reused === undefined && attempts.length >= ATTEMPTS_MAX) {
      const message = `CreateKey was called under ${attempts.length} attempts and none left a usable key`;
      throw new TenantKeysError("attempts_exhausted", message, { step: "kms:CreateKey" });
    }
    const attemptId: AttemptId = reused?.attemptId ?? parseAttemptId(this.#ports.newAttemptId());
    const others = attempts.filter((attempt) => attempt.attemptId !== attemptId);
    await this.write({ attempts: [...others, { attemptId, outcome: "open" }] });
  }

  /** Gives the lease back with the reason. A failed write is no second failure: the lease then runs out by itself. */
  async #recordFailure(error: TenantKeysError): Promise<void> {
    const failure = {
      code: error.code,
      message: error.message.slice(0, 2000),
      step: error.details.step ?? "",
      nextAction: error.nextAction,
      failedAtMs: this.#run.clock.nowMs(),
    };
    const state = this.#record.state === "provisioning" ? "failed" : this.#record.state;
    const { nextCheckAtMs } = this.#record;
    const due = nextCheckAtMs !== undefined && nextCheckAtMs <= failure.failedAtMs;
    // Otherwise a key that can't be dealt with would be reviewed, and refused, at every turn of the schedule.
    const next = due ? failure.failedAtMs + FAILED_REVIEW_DELAY_MS : nextCheckAtMs;
    await this.write({ state, failure, nextCheckAtMs: next, leaseUntilMs: 0 }).catch(() => undefined);
  }
}

function doneOf({ asked, actions, withheld, withheldOfReplicas }: RepairUnderway, doneAtMs: number): RepairDone {
  const left = new Set([...withheld, ...[...withheldOfReplicas.values()].flat()]);
  return { ...asked, actions: [...actions], withheld: [...left], doneAtMs };
}

function notConverging(): TenantKeysError {
  const message = `still not as wanted after ${ROUNDS_MAX} rounds`;
  return new TenantKeysError("plan_not_converging", message, { step: "plan" });
}
