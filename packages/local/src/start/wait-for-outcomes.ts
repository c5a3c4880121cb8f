/** Waits until every sign-up that was sent has come to its end: its keys active or failed, or the event refused and kept. */
import { setTimeout as delay } from "node:timers/promises";
import { type KeptEvent, type Operator, startRun, systemClock } from "@tenantkeys/aws";
import type { KeyRecord } from "@tenantkeys/core";
import { type Sample, wantedKeys } from "./sample-events.ts";

export interface Outcomes {
  /** By `tenantId/keyName`. */
  readonly keys: ReadonlyMap<string, KeyRecord>;
  readonly refused: readonly KeptEvent[];
}

export interface Expected {
  readonly accepted: readonly Sample[];
  readonly refused: number;
}

const POLL_MS = 200;
/** Reading a large registry takes the local AWS a while, in which it can't work: leave it four times as long to do so. */
const PAUSE_PER_READ = 4;
/** A minute for the first functions to start, and half a second for each sign-up after that. */
const DEADLINE_MS = 60_000;
const DEADLINE_PER_SIGN_UP_MS = 500;
const REFUSALS_READ_MAX = 10_000;

/**
 * @param isDone whether a key's record has come to its end
 * @throws Error naming what is still open when the time is up
 */
export async function waitForOutcomes(
  operator: Operator,
  expected: Expected,
  isDone: (record: KeyRecord) => boolean,
  onProgress: (done: number, total: number) => void,
): Promise<Outcomes> {
  const wanted = expected.accepted.flatMap(wantedKeys).map(({ tenantId, keyName }) => `${tenantId}/${keyName}`);
  const total = wanted.length + expected.refused;
  const deadlineMs = Date.now() + DEADLINE_MS + total * DEADLINE_PER_SIGN_UP_MS;
  const isEnded = (record: KeyRecord | undefined) => record !== undefined && isDone(record);
  for (;;) {
    const readAtMs = Date.now();
    const outcomes = await readOutcomes(operator);
    const readMs = Date.now() - readAtMs;
    const open = wanted.filter((name) => !isEnded(outcomes.keys.get(name)));
    const missingRefusals = Math.max(0, expected.refused - outcomes.refused.length);
    onProgress(total - open.length - missingRefusals, total);
    if (open.length === 0 && missingRefusals === 0) return outcomes;
    if (Date.now() > deadlineMs) {
      throw new Error(`still open: ${open.slice(0, 10).join(", ")}; ${missingRefusals} refusals missing`);
    }
    await delay(Math.max(POLL_MS, PAUSE_PER_READ * readMs));
  }
}

/** Every key of the stage and every refused event, as they are now. */
export async function readOutcomes(operator: Operator): Promise<Outcomes> {
  const run = startRun(systemClock, 60_000, 1_000);
  const keys = new Map<string, KeyRecord>();
  for await (const record of operator.listKeys(run)) keys.set(`${record.tenantId}/${record.keyName}`, record);
  return { keys, refused: await operator.listRefused(run, { limit: REFUSALS_READ_MAX }) };
}
