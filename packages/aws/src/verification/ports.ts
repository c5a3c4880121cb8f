/** What the parts of verification give each other: who reads, who keeps findings, who tells of them. */
import type { AccessAnalyzerClient } from "@aws-sdk/client-accessanalyzer";
import type {
  Finding,
  FindingChanges,
  FindingScope,
  KeyRecord,
  StageContext,
  StageSettings,
  StoredFinding,
  TenantId,
  Verdict,
} from "@tenantkeys/core";
import type { Clients } from "../clients.ts";
import type { Publisher } from "../publisher.ts";
import type { Registry } from "../registry.ts";
import type { Run } from "../run.ts";
import type { StatusStore } from "./status-store.ts";

export type { FindingChanges, FindingScope } from "@tenantkeys/core";

export interface FindingStore {
  /** Takes in what a check found: opens, keeps and closes, each told on the bus at least once. */
  record(run: Run, scope: FindingScope, findings: readonly Finding[]): Promise<FindingChanges>;
  openOfTenant(run: Run, tenantId: TenantId): Promise<readonly StoredFinding[]>;
  /** Every open finding of the stage, the stage's own and orphans' among them. */
  listOpen(run: Run): AsyncGenerator<StoredFinding, void, undefined>;
  /** Closed ones of a tenant, newest first. */
  history(run: Run, tenantId: TenantId, limit: number): Promise<readonly StoredFinding[]>;
}

/** A turn before each call of an operation, so that verification keeps to its share of the quotas. */
export interface QuotaShare {
  /** @param operation such as `kms:GetKeyPolicy` */
  takeTurn(run: Run, operation: string): Promise<void>;
}

export interface VerifyPorts {
  /** Whose reads these are: the auditor's, whom every key policy lets look. */
  readonly observing: Clients;
  readonly observingIn: (region: string) => Clients;
  readonly registry: Registry;
  readonly findings: FindingStore;
  readonly statuses: StatusStore;
  readonly publisher: Publisher;
  readonly quota: QuotaShare;
  /** Absent where the stage doesn't ask IAM Access Analyzer (`createAccessAnalyzer`). */
  readonly accessAnalyzer?: AccessAnalyzerClient | undefined;
  readonly settings: StageSettings;
  readonly context: StageContext;
}

/** What is read beside the cheap part: grants and past rotations have KMS's narrowest quotas (100 a second). */
export interface InspectionDepth {
  readonly grants: boolean;
  readonly rotations: boolean;
}

export interface VerifiedTenantKey {
  readonly record: KeyRecord | undefined;
  readonly verdict: Verdict;
  readonly changes: FindingChanges;
}
