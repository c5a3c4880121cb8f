/** What a run says of itself, and how it is kept between a stop and the next start. */
import { type ErrorCode, TenantKeysError } from "@tenantkeys/core";

/** Why a run ended. Only after `complete` is there nothing more to look at. */
export type RunEnd = "complete" | "moves-max" | "failures-max" | "retries-max" | "refused" | "aborted";

export interface Failure {
  readonly id: string;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Counted from the first start of the run, however often it was stopped. */
export interface Counts {
  readonly seen: number;
  /** Under the new key now. In a dry run: would be moved. */
  readonly moved: number;
  /** Under the new key already, or gone when they were looked at: not touched. */
  readonly skipped: number;
  readonly failed: number;
  /** Earlier versions that S3 keeps under the key from which they were moved: they need it for as long as they are kept. */
  readonly leftBehind: number;
}

export interface Progress extends Counts {
  /** The first of them. */
  readonly failures: readonly Failure[];
  /** The first of them. */
  readonly leftBehindIds: readonly string[];
}

export interface ReEncryptReport extends Progress {
  readonly target: string;
  readonly dryRun: boolean;
  readonly end: RunEnd;
  /** What ended it, of `refused` and `retries-max`. */
  readonly refusal?: Failure | undefined;
}

/** A report is read by people and kept in a cursor: what is more is counted. */
export const LISTED_MAX = 1_000;

export const NOTHING_YET: Progress = {
  seen: 0,
  moved: 0,
  skipped: 0,
  failed: 0,
  leftBehind: 0,
  failures: [],
  leftBehindIds: [],
};

/** Where a run is: after which page, and what it counted up to there. */
export interface RunState {
  readonly target: string;
  readonly cursor: string;
  readonly progress: Progress;
}

const VERSION = 1;

export function stateText(state: RunState): string {
  return JSON.stringify({ version: VERSION, ...state });
}

/**
 * @throws TenantKeysError `state_conflict` when it is of another run, `input_unreadable` when it isn't a state
 */
export function parseState(text: string, target: string): RunState {
  const state = parsed(text);
  if (state === undefined) {
    throw new TenantKeysError("input_unreadable", "the cursor isn't one that a re-encrypt run wrote", {
      field: "cursor",
    });
  }
  if (state.target === target) return state;
  const message = `the cursor is of another run: it moves ${state.target}, and this one ${target}`;
  throw new TenantKeysError("state_conflict", message, { field: "cursor" });
}

function parsed(text: string): RunState | undefined {
  let state: unknown;
  try {
    state = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isState(state) ? { target: state.target, cursor: state.cursor, progress: state.progress } : undefined;
}

function isState(value: unknown): value is RunState {
  const { version, target, cursor, progress } = record(value);
  return (
    version === VERSION && typeof target === "string" && typeof cursor === "string" && isProgress(record(progress))
  );
}

function isProgress({ failures, leftBehindIds, ...counts }: Readonly<Record<string, unknown>>): boolean {
  const names: readonly (keyof Counts)[] = ["seen", "moved", "skipped", "failed", "leftBehind"];
  return (
    names.every((name) => Number.isSafeInteger(counts[name])) &&
    Array.isArray(failures) &&
    failures.every((one) => typeof record(one).id === "string" && typeof record(one).message === "string") &&
    Array.isArray(leftBehindIds) &&
    leftBehindIds.every((id) => typeof id === "string")
  );
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
