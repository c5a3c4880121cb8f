/** Waits until the registry shows what became of an event: carried out, overtaken, or refused. */
import type { KeptEvent } from "@tenantkeys/aws";
import type { KeyRecord, TenantId, TenantRecord } from "@tenantkeys/core";
import type { Session } from "./ports.ts";

const POLL_FIRST_MS = 250;
const POLL_MAX_MS = 2_000;
/** Looking through the refused store costs a walk over it. */
const REFUSED_POLL_MS = 2_000;

/** What the registry holds of a tenant. */
export interface TenantView {
  readonly tenant: TenantRecord | undefined;
  readonly keys: readonly KeyRecord[];
}

/** `superseded`: a newer declaration is known, so this one changes nothing. `timeout`: it is still under way. */
type End = "done" | "refused" | "superseded" | "timeout";

export interface Awaited {
  readonly tenantId: TenantId;
  readonly eventId: string;
  /** Undefined while the worker may still come to an end by itself. */
  endOf(view: TenantView): Exclude<End, "timeout"> | undefined;
  /** How far it is, such as "0 of 2 keys suspended". */
  describe(view: TenantView): string;
}

export interface WaitResult extends TenantView {
  readonly end: End;
  /** The event as the refused store has it, where it is there. */
  readonly refused: KeptEvent | undefined;
}

export async function readTenant({ operator, run }: Session, tenantId: TenantId): Promise<TenantView> {
  const [tenant, keys] = await Promise.all([operator.tenant(run, tenantId), operator.keysOfTenant(run, tenantId)]);
  return { tenant, keys };
}

export async function waitForOutcome(session: Session, awaited: Awaited, timeoutMs: number): Promise<WaitResult> {
  const { operator, run, progress } = session;
  const { tenantId, eventId } = awaited;
  const startMs = run.clock.nowMs();
  let refusedPollMs = startMs;
  for (let delayMs = POLL_FIRST_MS; ; delayMs = Math.min(delayMs * 2, POLL_MAX_MS)) {
    const view = await readTenant(session, tenantId);
    const end = awaited.endOf(view);
    if (end !== undefined) return { ...view, end, refused: undefined };
    const nowMs = run.clock.nowMs();
    if (nowMs - refusedPollMs >= REFUSED_POLL_MS) {
      refusedPollMs = nowMs;
      const [refused] = await operator.listRefused(run, { limit: 1, eventId });
      if (refused !== undefined) return { ...view, end: "refused", refused };
    }
    if (nowMs - startMs + delayMs > timeoutMs) return { ...view, end: "timeout", refused: undefined };
    const seconds = Math.round((nowMs - startMs) / 1000);
    progress.update(`${tenantId}: ${awaited.describe(view)} after ${seconds} s`);
    await run.clock.sleep(delayMs);
  }
}
