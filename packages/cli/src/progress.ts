import type { Clock } from "@tenantkeys/aws";

/** Nobody wonders about less. */
const QUIET_MS = 2_000;
/** Between plain lines, so that a log isn't flooded. */
const LINE_INTERVAL_MS = 2_000;
const CLEAR_LINE = "\r\u001b[2K";

export interface Progress {
  /** What is going on now; shown once the command has taken two seconds. */
  update(text: string): void;
  /** Removes what is on the terminal's line, before something else is written. */
  clear(): void;
}

/**
 * @param mode `line`: one line of the terminal, written over and over. `lines`: plain lines. `none`: nothing
 */
export function createProgress(write: (text: string) => void, clock: Clock, mode: "line" | "lines" | "none"): Progress {
  const startMs = clock.nowMs();
  let shownMs = Number.NEGATIVE_INFINITY;
  let dirty = false;
  return {
    update(text) {
      const nowMs = clock.nowMs();
      if (mode === "none" || nowMs - startMs < QUIET_MS) return;
      if (mode === "line") {
        write(`${CLEAR_LINE}${text}`);
        dirty = true;
      } else if (nowMs - shownMs >= LINE_INTERVAL_MS) {
        write(`${text}\n`);
        shownMs = nowMs;
      }
    },
    clear() {
      if (dirty) write(CLEAR_LINE);
      dirty = false;
    },
  };
}
