/** What a sweep works with. */
import type { StageContext, StageSettings } from "@tenantkeys/core";
import type { Clients } from "../../clients.ts";
import type { RepairAutomatically } from "../automatic-repair.ts";
import type { Metrics } from "../metrics.ts";
import type { FindingStore, QuotaShare } from "../ports.ts";
import type { SweepStore } from "./sweep-store.ts";

/** What whoever ends a sweep needs, be it a verify function or the schedule. */
export interface ClosePorts {
  readonly sweeps: SweepStore;
  readonly findings: FindingStore;
  readonly metrics: Metrics;
  readonly repair: RepairAutomatically;
}

export interface SweepPorts extends ClosePorts {
  /** Of the registry and the queue. */
  readonly clients: Pick<Clients, "documents" | "sqs">;
  /** Whose lists these are: the auditor's. */
  readonly observing: Clients;
  readonly quota: QuotaShare;
  readonly settings: Pick<
    StageSettings,
    "sweepIntervalMinutes" | "sweepQuotaShare" | "verifyConcurrency" | "profiles" | "stage"
  >;
  readonly context: StageContext;
  readonly tableName: string;
  /** Of the verification queue. */
  readonly queueUrl: string;
  /** Longer than a lister can live, so that a lease is only taken over when its lister is gone. */
  readonly leaseDurationMs: number;
  newSweepId(): string;
}
