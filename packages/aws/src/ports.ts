/** What the worker's steps work with. */
import type { ApprovalPrincipal, KeyProfile, StageContext } from "@tenantkeys/core";
import type { ExecutorPorts } from "./executor.ts";
import type { Publisher } from "./publisher.ts";
import type { Registry } from "./registry.ts";

export interface ProvisionPorts extends ExecutorPorts {
  readonly registry: Registry;
  readonly publisher: Publisher;
  readonly context: StageContext;
  readonly profiles: Readonly<Record<string, KeyProfile>>;
  readonly approvalPrincipal: ApprovalPrincipal;
  /** The `source` of replies to SBT-AWS's control plane. */
  readonly sbtReplySource: string;
  /** Longer than a worker can live, so that a lease is only taken over when its worker is gone. */
  readonly leaseDurationMs: number;
  newAttemptId(): string;
}
