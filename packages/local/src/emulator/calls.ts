/** What was asked of the local AWS, as packages/local/python/strict_ministack/calls.py counts it. */
export interface CallCount {
  /** The ARN of the session, user or root that asked. */
  readonly principal: string;
  /** Such as `kms:CreateKey`. */
  readonly action: string;
  readonly allowed: boolean;
  readonly count: number;
  /** At most five of the resources it was asked for. */
  readonly resources: readonly string[];
}

/** @throws Error where the endpoint isn't the local AWS of this project */
export async function readCalls(endpoint: string): Promise<readonly CallCount[]> {
  const response = await fetch(`${endpoint}/_strict/calls`);
  if (!response.ok) throw new Error(`${endpoint} doesn't count calls: only the local AWS that tenantkeys starts does`);
  const { calls } = (await response.json()) as { calls: readonly CallCount[] };
  return calls;
}

export async function resetCalls(endpoint: string): Promise<void> {
  await fetch(`${endpoint}/_strict/calls`, { method: "DELETE" });
}

const READING = /:(Get|List|Describe|Head|Batch[GC]|Query|Scan|Decode)/;

/** How many calls changed something in KMS or IAM. */
export function countKeyAndRoleMutations(calls: readonly CallCount[]): number {
  return calls
    .filter(({ action, allowed }) => allowed && /^(kms|iam):/.test(action) && !READING.test(action))
    .filter(({ action }) => !/:(Encrypt|Decrypt|GenerateDataKey|ReEncrypt)/.test(action))
    .reduce((sum, { count }) => sum + count, 0);
}
