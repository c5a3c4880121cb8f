/**
 * The loop: declare, observe, plan, apply, record, and then the reply. Every step can be stopped and done again; the
 * table in docs/provisioning.md says what the next run finds after a stop at each place, and a test stops it at each.
 */
import {
  ATTEMPTS_MAX,
  type Attempt,
  type AttemptId,
  asTenantKeysError,
  type DesiredTenantKey,
  decideDeclaration,
  desiredTenantKey,
  type KeyArn,
  type KeyDeclaration,
  type KeyProfile,
  type KeyRecord,
  NOTHING_OBSERVED,
  type ObservedTenantKey,
  type ProvisionedKey,
  parseAttemptId,
  plan,
  provisionedReply,
  type StageContext,
  TenantKeysError,
  unusedAttempt,
} from "@tenantkeys/core";
import { applyPlan, type ExecutorPorts } from "./executor.ts";
import { observeTenantKey } from "./observer.ts";
import type { Publisher } from "./publisher.ts";
import type { Registry } from "./registry.ts";
import type { Run } from "./run.ts";

export interface ProvisionPorts extends ExecutorPorts {
  readonly registry: Registry;
  readonly publisher: Publisher;
  readonly context: StageContext;
  readonly profiles: Readonly<Record<string, KeyProfile>>;
  /** Longer than a worker can live, so that a lease is only taken over when its worker is gone. */
  readonly leaseDurationMs: number;
  newAttemptId(): string;
}

export type ProvisionOutcome =
  | { readonly kind: "active"; readonly key: ProvisionedKey }
  /** A newer declaration is known already: this one changed nothing. */
  | { readonly kind: "superseded"; readonly byGeneration: number };

/** Observations and plans in one run. The first may be surprised by what another run left; a third surprise is a fight. */
const ROUNDS_MAX = 3;

/**
 * Makes AWS match the declaration and says so on the bus. Doing it again changes nothing.
 * @throws TenantKeysError any code; what was reached is in the record, with the reason
 */
export async function provisionTenantKey(
  ports: ProvisionPorts,
  run: Run,
  declaration: KeyDeclaration,
): Promise<ProvisionOutcome> {
  const about = { tenantId: declaration.tenantId, keyName: declaration.keyName };
  try {
    const held = await declare(ports, run, declaration);
    if (held.kind === "superseded") return held;
    const worker = new HeldKey(ports, run, declaration, held.record);
    const record = await worker.converge(held.fresh);
    const key = provisionedKey(ports.context, record);
    await ports.publisher.publishReply(run, provisionedReply(key));
    return { kind: "active", key };
  } catch (error) {
    throw asTenantKeysError(error).within(about);
  }
}

type Held =
  | { readonly kind: "held"; readonly record: KeyRecord; readonly fresh: boolean }
  | { readonly kind: "superseded"; readonly byGeneration: number };

/** Writes the declaration, its first attempt and the lease in one conditional write; takes over where a record exists. */
async function declare(ports: ProvisionPorts, run: Run, declaration: KeyDeclaration): Promise<Held> {
  const nowMs = run.clock.nowMs();
  const fresh: KeyRecord = {
    ...declaration,
    state: "provisioning",
    attempts: [{ attemptId: parseAttemptId(ports.newAttemptId()), outcome: "open" }],
    fence: 1,
    leaseUntilMs: nowMs + ports.leaseDurationMs,
    declaredAtMs: nowMs,
    updatedAtMs: nowMs,
  };
  const creation = await ports.registry.create(run, fresh);
  if (creation.kind === "created") return { kind: "held", record: fresh, fresh: true };
  const { record } = creation;
  // Our own write, whose first reply was lost: the SDK sent it again and met itself.
  if (record.fence === 1 && record.attempts[0]?.attemptId === fresh.attempts[0]?.attemptId) {
    return { kind: "held", record, fresh: true };
  }
  const decision = decideDeclaration(record, declaration, nowMs);
  switch (decision.kind) {
    case "superseded":
      return decision;
    case "refused":
      throw decision.error;
    case "busy": {
      const message = `another worker holds the key until ${new Date(decision.leaseUntilMs).toISOString()}`;
      throw new TenantKeysError("lease_taken", message, { step: "declare" });
    }
    case "proceed": {
      const taken: KeyRecord = {
        ...record,
        ...declaration,
        state: record.state === "active" ? "active" : "provisioning",
        fence: record.fence + 1,
        leaseUntilMs: nowMs + ports.leaseDurationMs,
        updatedAtMs: nowMs,
      };
      await ports.registry.replace(run, taken, record.fence);
      return { kind: "held", record: taken, fresh: false };
    }
  }
}

/** A key whose lease this run holds, and what the run has learned of it. */
class HeldKey {
  readonly #ports: ProvisionPorts;
  readonly #run: Run;
  readonly #desired: DesiredTenantKey;
  #record: KeyRecord;

  constructor(ports: ProvisionPorts, run: Run, declaration: KeyDeclaration, record: KeyRecord) {
    const profile = ports.profiles[declaration.profile];
    if (profile === undefined) {
      throw new TenantKeysError("event_invalid", `this stage has no key profile "${declaration.profile}"`, {
        step: "plan",
      });
    }
    this.#ports = ports;
    this.#run = run;
    this.#desired = desiredTenantKey(ports.context, declaration.tenantId, declaration.keyName, profile);
    this.#record = record;
  }

  async converge(fresh: boolean): Promise<KeyRecord> {
    try {
      const keyArn = await this.#reachDesired(fresh);
      return await this.#recordActive(keyArn);
    } catch (error) {
      const failure = asTenantKeysError(error);
      // Whoever took over writes from now on.
      if (failure.code !== "lease_lost") await this.#recordFailure(failure);
      throw failure;
    }
  }

  async #reachDesired(fresh: boolean): Promise<KeyArn> {
    let observed: ObservedTenantKey = fresh ? NOTHING_OBSERVED : await this.#observe();
    let mayCreate = fresh;
    for (let round = 1; round <= ROUNDS_MAX; round++) {
      const planned = plan(this.#desired, observed, this.#record);
      if (planned.kind === "refused") throw planned.error;
      if (planned.steps.length === 0 && planned.keyArn !== undefined) return planned.keyArn;
      const creates = planned.steps.some((step) => step.some((action) => action.kind === "create-key"));
      if (creates && !mayCreate) await this.#openAttempt();
      mayCreate = false;
      const attempt = this.#record.attempts.at(-1) as Attempt;
      const start = { keyArn: planned.keyArn, attempt };
      const applied = await applyPlan(this.#ports, this.#run, this.#desired, planned.steps, start);
      this.#learn(applied.attempt);
      if (applied.error !== undefined) throw applied.error;
      if (!applied.surprised && applied.keyArn !== undefined) return applied.keyArn;
      observed = await this.#observe(applied.aliasExists);
    }
    throw new TenantKeysError("plan_not_converging", `still not as wanted after ${ROUNDS_MAX} rounds`, {
      step: "plan",
    });
  }

  #observe(aliasExists = false): Promise<ObservedTenantKey> {
    return observeTenantKey(this.#ports.clients, this.#run, this.#desired, this.#record, aliasExists);
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
    await this.#write({ attempts: [...others, { attemptId, outcome: "open" }] });
  }

  #recordActive(keyArn: KeyArn): Promise<KeyRecord> {
    const nowMs = this.#run.clock.nowMs();
    return this.#write({
      state: "active",
      keyArn,
      aliasName: this.#desired.aliasName,
      roleArn: this.#desired.role.arn,
      activeAtMs: this.#record.activeAtMs ?? nowMs,
      leaseUntilMs: 0,
      failure: undefined,
    });
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
    const state = this.#record.state === "active" ? "active" : "failed";
    await this.#write({ state, failure, leaseUntilMs: 0 }).catch(() => undefined);
  }

  async #write(change: Partial<KeyRecord>): Promise<KeyRecord> {
    const record: KeyRecord = { ...this.#record, ...change, updatedAtMs: this.#run.clock.nowMs() };
    await this.#ports.registry.replace(this.#run, record, this.#record.fence);
    this.#record = record;
    return record;
  }
}

function provisionedKey(context: StageContext, record: KeyRecord): ProvisionedKey {
  const { keyArn, aliasName, roleArn } = record;
  if (keyArn === undefined || aliasName === undefined || roleArn === undefined) {
    throw new TenantKeysError("record_invalid", "an active record lacks its key, alias or role", { step: "record" });
  }
  const { tenantId, keyName, generation, eventId, tenantRegistrationId } = record;
  return {
    stage: context.stage,
    tenantId,
    keyName,
    generation,
    keyArn,
    aliasName,
    roleArn,
    eventId,
    tenantRegistrationId,
  };
}
