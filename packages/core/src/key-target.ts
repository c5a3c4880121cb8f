/** What a key should be now, and what of its record a plan asks for: the same for the worker and for who only looks. */
import type { KeyRecord } from "./key-record.ts";
import { type OffboardingRules, type OffboardingStep, offboardingStep } from "./offboarding.ts";
import type { KeyTarget, RecordedKeys } from "./plan.ts";
import { type TenantRecord, targetOf } from "./tenant-record.ts";

/** How far a key has come on its way out; undefined where its tenant isn't leaving. */
export function offboardingOf(
  tenant: TenantRecord | undefined,
  rules: OffboardingRules,
  record: Pick<KeyRecord, "offboardedAtMs"> | undefined,
  nowMs: number,
): OffboardingStep | undefined {
  if (tenant === undefined || targetOf(tenant) !== "leaving") return undefined;
  return offboardingStep(tenant, rules, record?.offboardedAtMs ?? nowMs, nowMs);
}

/** By what is declared of its tenant, and by how far its way out has come. */
export function keyTarget(tenant: TenantRecord | undefined, offboarding: OffboardingStep | undefined): KeyTarget {
  if (offboarding !== undefined) return offboarding.kind === "schedule-deletion" ? "deleted" : "withdrawn";
  return targetOf(tenant) === "disabled" ? "disabled" : "usable";
}

/** @param roleIsNeeded see `needRole`; asked for only where the role could go */
export function recordedKeys(
  record: KeyRecord | undefined,
  roleIsNeeded: boolean | undefined,
  nowMs: number,
): RecordedKeys {
  if (record === undefined) return { attempts: [], roleIsNeeded };
  const { keyArn, attempts, state, disablingSinceMs, importParameters, previousKeyArns, roleArn } = record;
  const importParametersValid = (importParameters?.expiresAtMs ?? 0) > nowMs;
  const keys = { keyArn, attempts, state, disablingSinceMs, previousKeyArns, roleArn };
  return { ...keys, importParametersValid, roleIsNeeded };
}
