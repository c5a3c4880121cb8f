/** A drift: something that somebody did by hand, and what verification has to say of it. */
import type { KMSClient } from "@aws-sdk/client-kms";
import type { DesiredTenantKey, KeyRecord, RuleId } from "@tenantkeys/core";
import type { LocalStage } from "@tenantkeys/local";

/** Where drifts are made: always with the account's root, past tenantkeys. */
export interface DriftBench {
  readonly stage: LocalStage;
  kmsIn(region: string): KMSClient;
  /** A key that has nothing to do with any tenant. @returns its ARN */
  foreignKey(): Promise<string>;
}

/** The tenant key that drifts; of an orphan's tenant there is none. */
export interface DriftedKey {
  readonly keyArn: string;
  readonly record: KeyRecord;
  readonly desired: DesiredTenantKey;
}

/** What the tenant's life has come to before. `none`: the registry never heard of it. */
type LifeBefore = "active" | "suspended" | "pending-deletion" | "none";

interface DriftBase {
  /** Also says what is done: `rotation-off`, `policy-opened-to-everybody`. */
  readonly tenantId: string;
  /** What is found of the tenant: exactly these. */
  readonly ruleIds: readonly RuleId[];
}

/** Of a tenant that signed up. */
export interface KeyDrift extends DriftBase {
  readonly profile?: "abroad" | "byok" | "brief" | undefined;
  readonly life?: Exclude<LifeBefore, "none"> | undefined;
  /** What must be done a deletion window before the drift is there. */
  readonly aWindowBefore?: (bench: DriftBench, key: DriftedKey) => Promise<unknown>;
  readonly inject: (bench: DriftBench, key: DriftedKey) => Promise<unknown>;
  /** What docs/findings.md says to do where no command does it. */
  readonly byHand?: (bench: DriftBench, key: DriftedKey) => Promise<unknown>;
}

/** Of somebody who never signed up, or of whom the registry forgot. */
export interface OrphanDrift extends DriftBase {
  readonly make: (bench: DriftBench) => Promise<unknown>;
}

export const nothing = () => Promise.resolve();
