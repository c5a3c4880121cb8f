/** What an operator has to do with verification: looking now, and what was found. */
import {
  type CanaryRun,
  type KeyName,
  type StoredFinding,
  type Sweep,
  stageNames,
  type TenantId,
} from "@tenantkeys/core";
import { createCanaryStore } from "../canary/canary-store.ts";
import type { ClientOptions } from "../clients.ts";
import type { ClientsByRegion } from "../clients-by-region.ts";
import type { Run } from "../run.ts";
import { createAccessAnalyzer } from "../verification/access-analyzer.ts";
import type { AuditorClients } from "../verification/auditor-clients.ts";
import { createVerifyPorts } from "../verification/create-verify-ports.ts";
import type { VerifiedTenantKey } from "../verification/ports.ts";
import { createQuotaShare } from "../verification/quota-share.ts";
import { createSecurityHub } from "../verification/security-hub.ts";
import type { VerificationStatus } from "../verification/status-store.ts";
import { createSweepStore } from "../verification/sweep/sweep-store-dynamodb.ts";
import { type Proven, type ProveOptions, prove } from "./prove.ts";
import type { DeployedStage } from "./stage-settings-item.ts";
import { type VerifyOptions, verifyKey } from "./verify-key.ts";

export interface OperatorVerification {
  /** Looks at a tenant key now, with reads of its own, and judges it as the schedule's sweep does. */
  verifyKey(run: Run, tenantId: TenantId, keyName: KeyName, options: VerifyOptions): Promise<VerifiedTenantKey>;
  /** Reads every tenant's key and role now, and holds all of them against each other. @param options.asCaller as of verifyKey */
  prove(run: Run, options: ProveOptions & Pick<VerifyOptions, "asCaller">): Promise<Proven>;
  /** Every open finding of the stage, in no order. */
  openFindings(run: Run): AsyncGenerator<StoredFinding, void, undefined>;
  openFindingsOfTenant(run: Run, tenantId: TenantId): Promise<readonly StoredFinding[]>;
  /** Closed findings of a tenant, newest first. */
  findingHistory(run: Run, tenantId: TenantId, limit: number): Promise<readonly StoredFinding[]>;
  /** How each key of the tenant was when it was verified last. */
  verifications(run: Run, tenantId: TenantId): Promise<readonly VerificationStatus[]>;
  /** @param limit of those that have ended */
  sweeps(run: Run, limit: number): Promise<Sweeps>;
  /** The canary's runs, newest first: the latest, or those that were breached, whenever. */
  canaryRuns(run: Run, which: "runs" | "breaches", limit: number): Promise<readonly CanaryRun[]>;
}

export interface Sweeps {
  /** The one that is under way, or the last one; undefined where there never was any. */
  readonly current: Sweep | undefined;
  /** Newest first. */
  readonly ended: readonly Sweep[];
}

/** @returns what it can do, and how what it holds for that is given back */
export function createOperatorVerification(
  options: ClientOptions,
  caller: ClientsByRegion,
  deployed: DeployedStage,
  auditor: AuditorClients,
): { readonly methods: OperatorVerification; close(): void } {
  const { settings } = deployed;
  const clients = caller.in(options.region);
  // As one more of the workers that a sweep may have at the same time. But a sweep has roles from its bulk lists, and
  // here each is read by itself: at a worker's part of IAM's rate that would take a second and more per tenant.
  const quota = createQuotaShare(settings.sweepQuotaShare, settings.verifyConcurrency, 1);
  const base = createVerifyPorts({ ...deployed, clients, auditor, quota });
  const { findings, statuses } = base;
  const { registryTable } = stageNames(settings.stage);
  const sweeps = createSweepStore(clients.documents, registryTable);
  const canary = createCanaryStore(clients, registryTable);
  const securityHub = createSecurityHub(options, settings);
  const accessAnalyzer = createAccessAnalyzer(options, settings);
  const ports = {
    ...base,
    securityHub,
    accessAnalyzer,
    asAuditor: { observing: auditor.clients, observingIn: auditor.clientsIn },
    asCaller: { observing: clients, observingIn: caller.in },
  };
  return {
    methods: {
      verifyKey: (run, tenantId, keyName, chosen) => verifyKey(ports, run, tenantId, keyName, chosen),
      prove: (run, chosen) =>
        prove({ ...base, ...(chosen.asCaller ? ports.asCaller : ports.asAuditor) }, clients, run, chosen),
      openFindings: (run) => findings.listOpen(run),
      openFindingsOfTenant: (run, tenantId) => findings.openOfTenant(run, tenantId),
      findingHistory: (run, tenantId, limit) => findings.history(run, tenantId, limit),
      verifications: (run, tenantId) => statuses.ofTenant(run, tenantId),
      async sweeps(run, limit) {
        const [current, ended] = await Promise.all([sweeps.current(run), sweeps.ended(run, limit)]);
        return { current, ended };
      },
      canaryRuns: (run, which, limit) => canary.list(run, which, limit),
    },
    close() {
      for (const client of [securityHub, accessAnalyzer]) client?.destroy();
    },
  };
}
