/** Waits until a sign-up came to its end: each key active, or the event refused. */
import type { KeptEvent } from "@tenantkeys/aws";
import { ERROR_CODES, type KeyName, type KeyRecord, type TenantId, TenantKeysError } from "@tenantkeys/core";
import type { Session } from "./ports.ts";

const POLL_FIRST_MS = 250;
const POLL_MAX_MS = 2_000;
/** Looking through the refused store costs a walk over it. */
const REFUSED_POLL_MS = 2_000;

export interface AwaitedSignUp {
  readonly tenantId: TenantId;
  readonly keyNames: readonly KeyName[];
  /** The id that the bus gave it. */
  readonly eventId: string;
  /** Absent: the event's time. */
  readonly generation: number | undefined;
}

export interface WaitResult {
  /** `superseded`: a newer declaration is known, so this one changes nothing. `timeout`: it is still under way. */
  readonly end: "active" | "refused" | "superseded" | "timeout";
  readonly keys: readonly KeyRecord[];
  readonly refused: KeptEvent | undefined;
}

export async function waitForKeys(session: Session, signUp: AwaitedSignUp, timeoutMs: number): Promise<WaitResult> {
  const { operator, run, progress } = session;
  const startMs = run.clock.nowMs();
  let refusedPollMs = startMs;
  for (let delayMs = POLL_FIRST_MS; ; delayMs = Math.min(delayMs * 2, POLL_MAX_MS)) {
    const records = await operator.keysOfTenant(run, signUp.tenantId);
    const keys = records.filter((record) => signUp.keyNames.includes(record.keyName));
    const end = endOf(signUp, keys, startMs);
    if (end !== undefined) return { end, keys, refused: undefined };
    const nowMs = run.clock.nowMs();
    if (nowMs - refusedPollMs >= REFUSED_POLL_MS) {
      refusedPollMs = nowMs;
      const [refused] = await operator.listRefused(run, { limit: 1, eventId: signUp.eventId });
      if (refused !== undefined) return { end: "refused", keys, refused };
    }
    if (nowMs - startMs + delayMs > timeoutMs) return { end: "timeout", keys, refused: undefined };
    const active = keys.filter((key) => isDone(signUp, key) && key.failure === undefined).length;
    const seconds = Math.round((nowMs - startMs) / 1000);
    progress.update(`${signUp.tenantId}: ${active} of ${signUp.keyNames.length} keys active after ${seconds} s`);
    await run.clock.sleep(delayMs);
  }
}

function endOf(signUp: AwaitedSignUp, keys: readonly KeyRecord[], startMs: number): WaitResult["end"] | undefined {
  if (keys.some((key) => isDone(signUp, key) && key.failure !== undefined)) return "refused";
  // Without a generation of its own the event has its time, which is about when we began to wait.
  const newest = signUp.generation ?? startMs;
  if (keys.some((key) => key.eventId !== signUp.eventId && key.generation > newest)) return "superseded";
  const active = keys.filter((key) => isDone(signUp, key) && key.state === "active");
  return active.length === signUp.keyNames.length ? "active" : undefined;
}

/** The worker has given the key back and won't try again by itself. */
function isDone(signUp: AwaitedSignUp, key: KeyRecord): boolean {
  if (key.eventId !== signUp.eventId || key.leaseUntilMs !== 0) return false;
  return key.failure === undefined ? key.state === "active" : !isRetryable(key.failure.code);
}

function isRetryable(code: string): boolean {
  const known = ERROR_CODES.find((candidate) => candidate === code);
  return known !== undefined && new TenantKeysError(known, "").retryable;
}
