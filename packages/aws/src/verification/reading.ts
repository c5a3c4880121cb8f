/** One read of the checker: what AWS answered, or that it refused, or why it failed. None of them ends the others. */
import { type Reading, TenantKeysError } from "@tenantkeys/core";
import { errorName, isDenial, narrowAwsError } from "../narrow-error.ts";
import type { Run } from "../run.ts";
import type { QuotaShare } from "./ports.ts";

/** Whose reads these are, and at what rate. */
export interface Reader {
  readonly run: Run;
  readonly quota: QuotaShare;
}

/** No fact about what is read: with them the whole check ends, to be made again. */
const ENDS_THE_CHECK: readonly string[] = ["deadline_near", "rate_limited"];

/**
 * How an endpoint says that it doesn't know an operation: AWS's JSON services, and the local AWS. Every KMS of AWS has the
 * operations that are read here, so this is an emulator's gap, and no fact about a key.
 */
const OPERATION_UNKNOWN: readonly string[] = ["InvalidAction", "UnknownOperationException"];

/**
 * @param operation such as `kms:GetKeyPolicy`; a turn is taken for it first
 * @throws TenantKeysError where nothing can be read by anybody: the run's time is spent, or the auditor's role can't be had
 */
export async function reading<T>(
  { run, quota }: Reader,
  operation: string,
  call: () => Promise<T>,
): Promise<Reading<T>> {
  try {
    await quota.takeTurn(run, operation);
    return { kind: "read", value: await call() };
  } catch (error) {
    const narrowed = narrowAwsError(error, operation);
    if (ENDS_THE_CHECK.includes(narrowed.code) || narrowed.details.step === "sts:AssumeRole") throw narrowed;
    if (OPERATION_UNKNOWN.includes(errorName(error))) return { kind: "unsupported" };
    const failed = narrowed.details.step ?? operation;
    return { kind: isDenial(narrowed) ? "denied" : "failed", operation: failed, reason: narrowed.message };
  }
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Where the next page begins; undefined after the last. */
  readonly next: string | undefined;
}

/**
 * Every page, each with a turn of its own (the first turn is the reading's).
 * @throws TenantKeysError `aws_unexpected` where there are more: what lies beyond a cut page isn't verified, and that is said
 */
export async function allPages<T>(
  { run, quota }: Reader,
  operation: string,
  pagesMax: number,
  call: (marker: string | undefined) => Promise<Page<T>>,
): Promise<readonly T[]> {
  const items: T[] = [];
  let marker: string | undefined;
  for (let page = 1; page <= pagesMax; page++) {
    if (page > 1) await quota.takeTurn(run, operation);
    const { items: more, next } = await call(marker);
    items.push(...more);
    if (next === undefined) return items;
    marker = next;
  }
  throw new TenantKeysError("aws_unexpected", `${operation}: cut after ${pagesMax} pages, and there are more`);
}
