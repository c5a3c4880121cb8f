/**
 * Moves the time of the local AWS's KMS forward, for good: simulated time, and KMS's only. Keys whose deletion date has
 * come are gone, imported material and import tokens expire. See packages/local/python/strict_ministack/kms_clock.py.
 *
 * @returns how far KMS is now ahead of this machine's time, in ms
 * @throws Error where the endpoint isn't the local AWS of this project, or the duration is negative
 */
export async function advanceClock(endpoint: string, durationMs: number): Promise<number> {
  const failed = `the clock of ${endpoint} can't be moved by ${durationMs} ms`;
  const { aheadSeconds } = (await tell(endpoint, "clock", failed, { advanceSeconds: durationMs / 1000 })) as {
    aheadSeconds: number;
  };
  return aheadSeconds * 1000;
}

/**
 * Makes one key older than it is: what was made hours ago is judged otherwise than what is being made.
 *
 * @throws Error where the endpoint isn't the local AWS of this project, or has no such key
 */
export async function makeKeyOlder(endpoint: string, keyArn: string, byMs: number): Promise<void> {
  await tell(endpoint, "clock", `${keyArn} can't be made older`, { keyArn, olderSeconds: byMs / 1000 });
}

/**
 * Lets all data that CloudWatch has be older, so that alarms judge what comes next by itself.
 *
 * @throws Error where the endpoint isn't the local AWS of this project, or the duration is negative
 */
export async function makeMetricsOlder(endpoint: string, byMs: number): Promise<void> {
  await tell(endpoint, "metrics", `metrics can't be made older by ${byMs} ms`, { olderSeconds: byMs / 1000 });
}

async function tell(endpoint: string, path: string, failed: string, request: object): Promise<unknown> {
  const response = await fetch(`${endpoint}/_strict/${path}`, { method: "POST", body: JSON.stringify(request) });
  if (response.ok) return response.json();
  const reason = response.status === 400 ? await response.text() : "only the local AWS that tenantkeys starts has one";
  throw new Error(`${failed}: ${reason}`);
}
