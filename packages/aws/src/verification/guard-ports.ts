/** What the guard works with, and what becomes of an event that wakes it. */
import type { ExpectedUse, KeyName, KmsEvent, RuleId, TenantId, TenantKeysError } from "@tenantkeys/core";
import type { Run } from "../run.ts";
import type { RepairAutomatically } from "./automatic-repair.ts";
import type { FindPorts } from "./find-tenant-key.ts";
import type { Memory } from "./memory.ts";
import type { VerifyPorts } from "./ports.ts";
import type { UseCounter } from "./use-counter.ts";

/** The registry, and whose reads are whose: as for verifying. */
export interface GuardPorts extends VerifyPorts, FindPorts {
  /** By metric name: each with the stage as its only dimension. */
  putMetrics(run: Run, values: Readonly<Record<string, number>>): Promise<void>;
  readonly repair: RepairAutomatically;
  readonly provisioningQueueUrl: string;
  newEventId(): string;
  readonly useCounter: UseCounter;
  readonly memory: GuardMemory;
}

/** Kept by the function between its runs, so that many uses of few keys cost few reads and writes. */
export interface GuardMemory {
  /** What is expected of a key's use, by its ARN; `null` of one that is no tenant's. */
  readonly keys: Memory<ExpectedUse | null>;
  /** Findings of unusual use that were recorded lately, by their ids. */
  readonly sightings: Memory<true>;
}

export interface GuardMessage {
  /** The event, as EventBridge gave it to the queue, parsed from JSON. */
  readonly event: unknown;
  readonly receiveCount: number;
}

export interface GuardedKey {
  readonly tenantId: TenantId;
  /** Absent where all that is known is whose role it was. */
  readonly keyName: KeyName | undefined;
  readonly opened: readonly RuleId[];
  readonly closed: readonly RuleId[];
  /** What the worker was asked for. */
  readonly asked: readonly ("review" | "repair")[];
  /** A worker had it in hand each time: the sweep looks at it. */
  readonly leftToSweep: boolean;
}

export type GuardOutcome =
  | {
      readonly kind: "ignored";
      readonly event: KmsEvent;
      /** `refused-call`: it changed nothing · `usual-use`: of a tenant's key, as expected */
      readonly reason: "no-tenants-key" | "refused-call" | "usual-use";
    }
  /** To be given back to its queue: `change_not_visible`, or `lease_taken` where a worker has the key in hand. */
  | {
      readonly kind: "unfinished";
      readonly event: KmsEvent;
      readonly error: TenantKeysError;
      readonly delaySeconds: number;
    }
  | { readonly kind: "done"; readonly event: KmsEvent; readonly keys: readonly GuardedKey[] };
