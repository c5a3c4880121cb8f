/** What every queue of the stage has in common. */

/** SQS's longest: what waits for a person shouldn't disappear over a holiday. */
const RETENTION_SECONDS = 14 * 24 * 60 * 60;

/** A queue's arguments under its fixed name: kept for 14 days, encrypted with a key of SQS's own. */
export function queueTransform(name: string): NonNullable<sst.aws.QueueArgs["transform"]> {
  return { queue: { name, messageRetentionSeconds: RETENTION_SECONDS, sqsManagedSseEnabled: true } };
}

/** AWS's own advice for an SQS event source: at least six times the function's time-out. */
export function visibilityFor(timeoutSeconds: number): `${number} seconds` {
  return `${6 * timeoutSeconds} seconds`;
}
