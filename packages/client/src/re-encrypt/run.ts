/**
 * A run over many things that are to be under another key: page by page, some at a time, with a cursor that is kept after
 * each page. A run that was stopped anywhere, even killed, goes on after the last page that it finished; what it had moved
 * of the next one it finds there and leaves alone. So nothing is done twice, and nothing is left out.
 */

import { setTimeout as delay } from "node:timers/promises";
import { type ErrorCode, TenantKeysError } from "@tenantkeys/core";
import { narrowAwsError } from "../aws-errors.ts";
import type { CursorStore } from "./cursor-store.ts";
import {
  type Failure,
  LISTED_MAX,
  NOTHING_YET,
  type Progress,
  parseState,
  type ReEncryptReport,
  type RunEnd,
  stateText,
} from "./report.ts";

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Where the page after this one begins; undefined of the last. */
  readonly next: string | undefined;
}

export type Moved =
  /** @param leftBehind an earlier version that stays under the old key */
  { readonly kind: "moved"; readonly leftBehind?: string | undefined } | { readonly kind: "skipped" };

/** What is moved, and how. */
export interface Moving<Item> {
  /** What is moved where, in words that are different for every other run: a cursor goes with one target. */
  readonly target: string;
  /** @param cursor the `next` of the page before; undefined: from the beginning */
  pages(cursor: string | undefined): AsyncIterable<Page<Item>>;
  idOf(item: Item): string;
  /**
   * Doing it again changes nothing more.
   * @param dryRun says what it would do, and does nothing
   * @throws why it can't be moved
   */
  move(item: Item, dryRun: boolean): Promise<Moved>;
}

export interface RunSettings {
  /** Absent: a run that is stopped begins anew. A dry run neither reads nor writes it. */
  readonly cursor?: CursorStore | undefined;
  readonly dryRun?: boolean | undefined;
  /** How many are moved at a time: 1 to 100; default 8. */
  readonly concurrency?: number | undefined;
  /** This start of the run ends after so many moves; default: no end. */
  readonly movesMax?: number | undefined;
  /** This start of the run ends after so many failures: 1 to 1,000,000; default 100. */
  readonly failuresMax?: number | undefined;
  /** How often this start of the run tries something again that failed for the moment: 0 to 1,000,000; default 1,000. */
  readonly retriesMax?: number | undefined;
  /** Called after each page, and about every hundred moves. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Ends the run after what is under way. */
  readonly signal?: AbortSignal | undefined;
  /** For tests. */
  readonly wait?: ((ms: number) => Promise<void>) | undefined;
}

/** Waiting helps. */
const FOR_THE_MOMENT: readonly ErrorCode[] = [
  "throttled",
  "aws_unavailable",
  "registry_unavailable",
  "key_store_unavailable",
];
/** The same would be said of whatever comes next. */
const OF_EVERYTHING: readonly ErrorCode[] = [
  "tenant_unknown",
  "tenant_suspended",
  "tenant_offboarded",
  "key_not_active",
  "key_destroyed",
];
const ATTEMPTS_MAX = 5;
const RETRY_DELAY_MS = 200;
const RETRY_DELAY_MAX_MS = 10_000;
const PROGRESS_EVERY = 100;

/**
 * @returns the report; it also says when the run ended early
 * @throws TenantKeysError `settings_invalid`, `state_conflict` when the cursor is of another run, and why pages can't be read
 */
export async function reEncrypt<Item>(moving: Moving<Item>, settings: RunSettings = {}): Promise<ReEncryptReport> {
  const run = new Run(moving, checked(settings));
  const { cursor, dryRun = false } = settings;
  const kept = dryRun ? undefined : await cursor?.load();
  const state = kept === undefined ? undefined : parseState(kept, moving.target);
  run.progress = state?.progress ?? NOTHING_YET;
  for await (const page of moving.pages(state?.cursor)) {
    await run.page(page.items);
    if (run.end !== undefined) break;
    settings.onProgress?.(run.progress);
    if (page.next === undefined) continue;
    if (!dryRun) {
      await cursor?.save(stateText({ target: moving.target, cursor: page.next, progress: run.progress }));
    }
  }
  // What failed is looked at again by a new run: it leaves alone what was moved.
  if (run.end === undefined && !dryRun) await cursor?.clear();
  return { target: moving.target, dryRun, ...run.progress, end: run.end ?? "complete", refusal: run.refusal };
}

type Checked = RunSettings & {
  readonly concurrency: number;
  readonly failuresMax: number;
  readonly retriesMax: number;
};

function checked(settings: RunSettings): Checked {
  const { concurrency = 8, failuresMax = 100, retriesMax = 1_000, movesMax = 1 } = settings;
  within("concurrency", concurrency, 1, 100);
  within("failuresMax", failuresMax, 1, 1_000_000);
  within("retriesMax", retriesMax, 0, 1_000_000);
  within("movesMax", movesMax, 1, Number.MAX_SAFE_INTEGER);
  return { ...settings, concurrency, failuresMax, retriesMax };
}

function within(field: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  const message = `${field}: expected a whole number from ${min} to ${max}, got ${value}`;
  throw new TenantKeysError("settings_invalid", message, { field });
}

/** One start of a run. */
class Run<Item> {
  progress: Progress = NOTHING_YET;
  end: RunEnd | undefined;
  refusal: Failure | undefined;
  readonly #moving: Moving<Item>;
  readonly #settings: Checked;
  readonly #wait: (ms: number) => Promise<void>;
  #moves = 0;
  #failures = 0;
  #retries = 0;

  constructor(moving: Moving<Item>, settings: Checked) {
    this.#moving = moving;
    this.#settings = settings;
    this.#wait = settings.wait ?? (async (ms) => void (await delay(ms)));
  }

  /** All of the page, unless the run ends: then some of it isn't looked at. */
  async page(items: readonly Item[]): Promise<void> {
    const waiting = items.values();
    const worker = async () => {
      for (const item of waiting) {
        this.#lookAround();
        if (this.end !== undefined) return;
        await this.#one(item);
      }
    };
    await Promise.all(Array.from({ length: this.#settings.concurrency }, worker));
  }

  #lookAround(): void {
    const { movesMax, failuresMax, signal } = this.#settings;
    if (signal?.aborted) this.end ??= "aborted";
    if (movesMax !== undefined && this.#moves >= movesMax) this.end ??= "moves-max";
    if (this.#failures >= failuresMax) this.end ??= "failures-max";
  }

  async #one(item: Item): Promise<void> {
    const id = this.#moving.idOf(item);
    try {
      const moved = await this.#tried(item);
      if (moved === undefined) return;
      this.#count(moved);
    } catch (error) {
      const { code, message } = narrowAwsError(error, "re-encrypt");
      const failure = { id, code, message };
      if (OF_EVERYTHING.includes(code)) return this.#refuse("refused", failure);
      this.#fail(failure);
    }
  }

  /** @returns undefined where the run ended meanwhile */
  async #tried(item: Item): Promise<Moved | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#moving.move(item, this.#settings.dryRun ?? false);
      } catch (error) {
        const narrowed = narrowAwsError(error, "re-encrypt");
        if (!FOR_THE_MOMENT.includes(narrowed.code) || attempt === ATTEMPTS_MAX) throw narrowed;
        if (this.#retries >= this.#settings.retriesMax) {
          const { code, message } = narrowed;
          this.#refuse("retries-max", { id: this.#moving.idOf(item), code, message });
          return undefined;
        }
        this.#retries += 1;
        const growingMs = Math.min(RETRY_DELAY_MS * 2 ** (attempt - 1), RETRY_DELAY_MAX_MS);
        await this.#wait(narrowed.details.retryAfterMs ?? growingMs);
      }
    }
  }

  #count(moved: Moved): void {
    const { seen, moved: before, skipped, leftBehind, leftBehindIds } = this.progress;
    if (moved.kind === "skipped") {
      this.progress = { ...this.progress, seen: seen + 1, skipped: skipped + 1 };
      return;
    }
    this.#moves += 1;
    const version = moved.leftBehind === undefined ? [] : [moved.leftBehind];
    this.progress = {
      ...this.progress,
      seen: seen + 1,
      moved: before + 1,
      leftBehind: leftBehind + version.length,
      leftBehindIds: leftBehindIds.length < LISTED_MAX ? [...leftBehindIds, ...version] : leftBehindIds,
    };
    if (this.#moves % PROGRESS_EVERY === 0) this.#settings.onProgress?.(this.progress);
  }

  #fail(failure: Failure): void {
    this.#failures += 1;
    const { seen, failed, failures } = this.progress;
    const listed = failures.length < LISTED_MAX ? [...failures, failure] : failures;
    this.progress = { ...this.progress, seen: seen + 1, failed: failed + 1, failures: listed };
  }

  #refuse(end: RunEnd, failure: Failure): void {
    this.end ??= end;
    this.refusal ??= failure;
  }
}
