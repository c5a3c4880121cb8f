/** What became of one key through an event. */
import type { KeyRecord, LifecycleState } from "@tenantkeys/core";

export interface KeyOutcome {
  /** Its state when the event came. */
  readonly before: LifecycleState;
  /** Its record now. */
  readonly record: KeyRecord;
}
