/**
 * Every metric of a stage. The stage is the only dimension: CloudWatch bills each combination of a name and dimensions as
 * a metric of its own, and a tenant's id in it would also tell the account's monitoring who the tenants are.
 */
import type { Stage } from "../ids.ts";
import type { Severity } from "./finding-rules.ts";

/**
 * One per stage: IAM can keep who puts a metric to a namespace and to nothing narrower, so in one that stages share, code
 * that runs as the verifier of one could ring or silence another's alarms.
 */
export function metricNamespace(stage: Stage): string {
  return `tenantkeys/${stage}`;
}

export const STAGE_DIMENSION = "Stage";

/** Open findings by severity, counted when a sweep ends. */
export const FINDINGS_METRICS = {
  information: "FindingsInformation",
  low: "FindingsLow",
  medium: "FindingsMedium",
  high: "FindingsHigh",
  critical: "FindingsCritical",
} as const satisfies Readonly<Record<Severity, string>>;

/** What the guard and the end of a sweep put, as counts except where the name says a unit. */
export const VERIFICATION_METRICS = {
  /** Open findings of `key-pending-deletion-unintended`. */
  unintendedDeletions: "UnintendedDeletions",
  /** Open findings of `rotation-overdue`. */
  overdueRotations: "OverdueRotations",
  /** Reads that AWS refused. */
  readsDenied: "ReadsDenied",
  /** Open findings of `could-not-verify`, `sweep-incomplete` and `region-not-covered`. */
  couldNotVerify: "CouldNotVerify",
  /** 1 at the end of each sweep, so that a missing one is missing data. */
  sweepCompleted: "SweepCompleted",
  sweepSeconds: "SweepSeconds",
  tenantsVerified: "TenantsVerified",
} as const;

/** What the canary puts after a run. */
export const CANARY_METRICS = {
  /** Attempts that worked and must be refused. Zero only after a run that tried everything. */
  canaryBreaches: "CanaryBreaches",
  /** Attempts that AWS answered with neither yes nor no, and own uses that it refused. */
  canaryFailures: "CanaryFailures",
  /** 1 for a run in which every attempt was answered, so that a missing one is missing data. */
  canaryCompleted: "CanaryCompleted",
} as const;

/** What the worker writes into its log in CloudWatch's embedded metric format. */
export const PROVISIONING_METRICS = {
  /** 1 for each event that was refused or given up to the dead-letter queue. */
  provisioningFailed: "ProvisioningFailed",
  /** From a sign-up reaching the queue to its keys being in use, in seconds. */
  signUpToActiveSeconds: "SignUpToActiveSeconds",
} as const;
