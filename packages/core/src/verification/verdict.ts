/** What verification is asked about one tenant key, and what it answers. */
import type { DesiredTenantKey } from "../desired-state.ts";
import type { KeyArn } from "../ids.ts";
import type { KeyRecord } from "../key-record.ts";
import type { KeyTarget } from "../plan.ts";
import type { TenantRecord } from "../tenant-record.ts";
import type { Finding } from "./finding.ts";
import type { RuleId } from "./finding-rules.ts";
import type { InspectedTenantKey } from "./inspection.ts";

export interface TenantKeyToVerify {
  readonly desired: DesiredTenantKey;
  readonly record: KeyRecord;
  readonly tenant: TenantRecord | undefined;
  /** What the key should be now (`keyTarget`). */
  readonly target: KeyTarget;
  readonly inspected: InspectedTenantKey;
  /**
   * The records of all the tenant's keys. They share its role, so one of them speaks for it, and policies of their names
   * are ours. Absent: this key's verdict speaks for the role, and any policy of such a name counts as ours.
   */
  readonly tenantKeys?: readonly Pick<KeyRecord, "keyName" | "state">[] | undefined;
  /** Epoch milliseconds. */
  readonly nowMs: number;
}

/** https://csrc.nist.gov/pubs/sp/800/57/pt1/r5/final, section 7: the states of a key. */
export type NistKeyState = "pre-activation" | "active" | "suspended" | "deactivated" | "compromised" | "destroyed";

/** What an auditor asks of every key, beside what is wrong. */
export interface KeyAttributes {
  readonly keyArn: KeyArn;
  readonly nistState: NistKeyState;
  /** Of the module that keeps the material; undefined where it isn't AWS's to say (external key stores). */
  readonly fipsLevel: string | undefined;
  readonly lastRotatedAtMs?: number | undefined;
  readonly nextRotationAtMs?: number | undefined;
  /** Of KMS's 25. */
  readonly rotationsOnRequest?: number | undefined;
  readonly grants?: number | undefined;
}

export interface Verdict {
  readonly findings: readonly Finding[];
  /** Rules that couldn't be judged this time: what is open of them stays open. */
  readonly unjudged: readonly RuleId[];
  readonly attributes: KeyAttributes | undefined;
}
