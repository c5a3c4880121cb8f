/**
 * Moves the time of the local AWS's KMS forward, for good: simulated time, and KMS's only. Keys whose deletion date has
 * come are gone, imported material and import tokens expire. See packages/local/python/strict_ministack/kms_clock.py.
 *
 * @returns how far KMS is now ahead of this machine's time, in ms
 * @throws Error where the endpoint isn't the local AWS of this project, or the duration is negative
 */
export async function advanceClock(endpoint: string, durationMs: number): Promise<number> {
  const response = await fetch(`${endpoint}/_strict/clock`, {
    method: "POST",
    body: JSON.stringify({ advanceSeconds: durationMs / 1000 }),
  });
  if (!response.ok) {
    const reason =
      response.status === 400 ? await response.text() : "only the local AWS that tenantkeys starts has one";
    throw new Error(`the clock of ${endpoint} can't be moved by ${durationMs} ms: ${reason}`);
  }
  const { aheadSeconds } = (await response.json()) as { aheadSeconds: number };
  return aheadSeconds * 1000;
}
